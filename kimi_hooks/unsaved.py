"""What became of calls that can be written nowhere just now: kept in memory, so that no call is paid twice for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from kimi_hooks import continuing, ending, hindrances, turns
from kimi_hooks.errors import JournalError
from kimi_hooks.events import STOP
from kimi_hooks.journal import tasks
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.logs import LOGGER
from kimi_hooks.parts import Parts
from kimi_hooks.states import State

AGAIN_SECONDS = 5.0
IN_MEMORY = (
    "{answers} in memory only: {why}; no new call is made meanwhile, and what is in memory is lost if the runner is "
    "stopped or killed"
)
KEPT = "{answers} in spool/turns/ until results/ takes it: {why}"
Work = Callable[[], object]


@dataclass(frozen=True)
class _Owed:
    """`rest` puts away what Kimi has answered for the task, to be tried at `due_at` (a time of clock.monotonic)."""

    entry: Entry
    rest: Work
    due_at: float
    is_kept: bool
    why: str


class Unsaved:
    """Remembers what could not be put away. `add` may be called by any thread, the others by the runner's own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._owed: dict[str, _Owed] = {}
        self._told: set[str] = set()

    @property
    def in_memory(self) -> int:
        """How many answers are in memory only: no more money is spent before they are on the disk."""
        return sum(not owed.is_kept for owed in list(self._owed.values()))

    def told(self) -> str:
        """Say what cannot be put away, how many answers, and what helps; empty when there is nothing."""
        owed = list(self._owed.values())
        lost = [one for one in owed if not one.is_kept]
        kept = [one for one in owed if one.is_kept]
        said = [IN_MEMORY.format(answers=_answers(lost), why=lost[0].why)] if lost else []
        said += [KEPT.format(answers=_answers(kept), why=kept[0].why)] if kept else []
        return "; ".join(said)

    def owes(self, task_id: str) -> bool:
        """Tell whether something of this task is still to be put away."""
        return task_id in self._owed

    def add(self, entry: Entry, rest: Work, error: Exception) -> None:
        """Remember what `error` kept from being put away."""
        is_kept = _is_kept(self._parts, entry)
        due_at = self._parts.clock.monotonic() + AGAIN_SECONDS
        told = hindrances.told(error)
        self._owed[entry.id] = _Owed(entry, rest, due_at, is_kept, told)
        if entry.id not in self._told:
            self._told.add(entry.id)
            where = "is kept in spool/turns/" if is_kept else "is kept in memory, and no new call is made"
            LOGGER.error("%s: its answer cannot be put away: %s; it %s until it can", entry.id, told, where)

    def take_due(self) -> list[tuple[Entry, Work]]:
        """Return what is to be tried again now. It is remembered until `settled`, or added again."""
        now = self._parts.clock.monotonic()
        due = [owed for owed in list(self._owed.values()) if owed.due_at <= now]
        for owed in due:
            # Nobody tries it a second time meanwhile.
            self._owed[owed.entry.id] = replace(owed, due_at=float("inf"))
        return [(owed.entry, owed.rest) for owed in due]

    def settled(self, task_id: str) -> None:
        """Forget what has been put away."""
        self.forget(task_id)
        LOGGER.info("%s: its answer has been put away now", task_id)

    def forget(self, task_id: str) -> None:
        """Forget what somebody else sees to."""
        self._owed.pop(task_id, None)
        self._told.discard(task_id)

    def seconds_left(self) -> float | None:
        """Return when to try again; None when there is nothing, or it is being tried."""
        due_at = min((owed.due_at for owed in list(self._owed.values())), default=float("inf"))
        return None if due_at == float("inf") else max(0.0, due_at - self._parts.clock.monotonic())


def put_away(parts: Parts, entry: Entry, rest: Work) -> None:
    """Do the rest unless it is done, or a part of it is on the disk already: then the queue goes on from there.

    Raises OSError and JournalError.
    """
    now = parts.journal.read(partial(tasks.get, task_id=entry.id))
    if (
        now is None
        or now.state is not State.EXECUTING
        or (now.attempts, now.retried) != (entry.attempts, entry.retried)
    ):
        return
    if ending.carry_on(parts, now):
        return
    if now.gate == STOP.name or continuing.has_newer(parts, now):
        why = "its answer is on the disk, and was not carried on"
        parts.journal.write(partial(tasks.retry_at, task_id=entry.id, due_at=parts.clock.now(), why=why))
        return
    rest()


def _answers(owed: Sequence[_Owed]) -> str:
    return "1 answer is kept" if len(owed) == 1 else f"{len(owed)} answers are kept"


def _is_kept(parts: Parts, entry: Entry) -> bool:
    """Tell whether the answer is on our own disk; in doubt it is not."""
    try:
        kept = turns.kept(parts.workspace.turns, entry.id, entry.retried) is not None
        return kept or continuing.has_newer(parts, entry) or ending.has_result(parts, entry)
    except (OSError, JournalError):
        return False
