"""Wait for tasks to end, woken by the files that the runner writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kimi_hooks.clock import Clock
from kimi_hooks.errors import UnknownTaskError, WaitTimedOutError
from kimi_hooks.journal import facts, tasks
from kimi_hooks.journal.facts import Pause
from kimi_hooks.journal.store import Journal, open_existing
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.outbox.folder import is_claimed, is_dropped
from kimi_hooks.watcher import Bell
from kimi_hooks.watching import Watching
from kimi_hooks.workspace import Workspace

DROPPED = "dropped"
# Where the kernel has no watch left to give.
POLL_SECONDS = 2.0
NO_SUCH_TASK = "no such task in {home}; `status` lists the open ones, results/ has a file for each that has ended"


def whereabouts(workspace: Workspace, journal: Journal, task_id: str) -> Entry | str:
    """Return the task's row, or `dropped` while no runner has accepted its file. Raises UnknownTaskError.

    Looked up in the order in which a file travels, so that one on its way is not missed.
    """
    if is_dropped(workspace.outbox, task_id) or is_claimed(workspace.outbox, workspace.incoming, task_id):
        return DROPPED
    entry = journal.read(lambda db: tasks.get(db, task_id))
    if entry is None:
        raise UnknownTaskError(f"{task_id}: {NO_SUCH_TASK.format(home=workspace.home)}")
    return entry


def wait(
    workspace: Workspace,
    task_ids: Sequence[str],
    timeout: float | None,
    clock: Clock,
    on_pause: Callable[[Pause], None] = lambda _: None,
    told: Pause | None = None,
) -> list[Entry]:
    """Block until all the tasks have ended and return their rows in the order asked.

    The runner writes the derived files in `results/` after each ending, and each pause, is in the journal: that wakes
    us. `on_pause` is told when the queue is paused meanwhile, but not of the pause `told`, of which somebody knows.
    Raises UnknownTaskError and WaitTimedOutError.
    """
    workspace.make_folders()
    bell = Bell()
    watch = Watching({workspace.results: None}, bell.ring, clock)
    watch.begin()
    try:
        return _wait(workspace, task_ids, timeout, clock, bell, watch, _Teller(on_pause, told))
    finally:
        watch.stop()


class _Teller:
    """Tells of each pause once, when it holds up one of the tasks."""

    def __init__(self, on_pause: Callable[[Pause], None], told: Pause | None) -> None:
        self._on_pause = on_pause
        self._told = told

    def note(self, pause: Pause | None, found: Sequence[Entry | str]) -> None:
        if pause is None:
            self._told = None
        elif pause != self._told and any(_is_held_up(entry, pause) for entry in found):
            self._on_pause(pause)
            self._told = pause


def _wait(
    workspace: Workspace,
    task_ids: Sequence[str],
    timeout: float | None,
    clock: Clock,
    bell: Bell,
    watch: Watching,
    teller: _Teller,
) -> list[Entry]:
    end = None if timeout is None else clock.monotonic() + timeout
    while True:
        journal = open_existing(workspace.journal_file)
        try:
            found = [whereabouts(workspace, journal, task_id) for task_id in task_ids]
            pause = journal.read(facts.pause_of)
        finally:
            journal.close()
        teller.note(pause, found)
        entries = [entry for entry in found if isinstance(entry, Entry) and tasks.is_ended(entry)]
        if len(entries) == len(task_ids):
            return entries
        left = None if end is None else end - clock.monotonic()
        if left is not None and left <= 0:
            raise WaitTimedOutError(f"not ended within {timeout:g} s: {', '.join(_open_ids(task_ids, entries))}")
        workspace.make_folders()
        # What ended while a folder was not watched made no sound: after a renewal, look before waiting.
        if not watch.renew():
            looks = (left, watch.seconds_to_look(POLL_SECONDS))
            bell.wait(min((seconds for seconds in looks if seconds is not None), default=None))


def _is_held_up(found: Entry | str, pause: Pause) -> bool:
    """Tell whether this pause concerns the task: the imitation goes on unless a person has paused it."""
    if isinstance(found, str) or tasks.is_ended(found):
        return False
    return pause.reason == facts.BY_PERSON or not found.standin


def _open_ids(task_ids: Sequence[str], ended: Iterable[Entry]) -> list[str]:
    done = {entry.id for entry in ended}
    return [task_id for task_id in task_ids if task_id not in done]
