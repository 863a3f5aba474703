"""Which tasks may start now, and when the next one may."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from kimi_hooks import limits, turns, worker
from kimi_hooks.ending import Failure
from kimi_hooks.journal import facts, needs, sends, tasks
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.logs import LOGGER, transition
from kimi_hooks.parts import Parts
from kimi_hooks.pool import Pool
from kimi_hooks.states import State

AFTER_A_BUG_SECONDS = 60.0


@dataclass
class _Call:
    """A task in a thread; `aborted` once its time-out has cut its call."""

    entry: Entry
    aborted: bool = False


class Schedule:
    """Starts tasks in a pool of calls, within the limits."""

    def __init__(self, parts: Parts, calls: Pool) -> None:
        self._parts = parts
        self._calls = calls
        self._in_flight: dict[str, _Call] = {}
        self._troubled: dict[str, tuple[Entry, Exception]] = {}
        self._look_for_circles = True

    @property
    def lacks_key(self) -> bool:
        return not self._parts.read_settings().get("KIMI_API_KEY")

    def start_due(self) -> None:
        """Start every task whose time has come, as far as the limits allow; end those that cannot start any more."""
        self._resume_if_mended()
        self._settle_troubled()
        self._settle_held()
        self._cut_calls()
        for standin in self._open_kinds():
            self._expire(standin=standin)
            self._start(self._calls.free if standin else min(self._calls.free, self._slots()), standin=standin)

    def carry_on(self, entry: Entry) -> None:
        """Take a task to its end whose answer is on the disk already."""
        self._submit(entry)

    def next_instant(self) -> float | None:
        """Return when to look again, in seconds since 1970: a start, a retry, a free slot or a time-out."""
        instants = [call.entry.deadline_at for call in list(self._in_flight.values()) if not call.aborted]
        for standin in self._open_kinds():
            instants.append(self._parts.journal.read(partial(tasks.next_deadline, standin=standin)))
            if self._calls.free:
                instants.append(self._next_start(standin=standin))
        return min((instant for instant in instants if instant is not None), default=None)

    def has_open_work(self) -> bool:
        """Tell whether any task would be started or tried again without anybody's doing."""
        now = self._parts.clock.now()
        kinds = self._open_kinds()
        return any(self._parts.journal.read(partial(tasks.any_open, now=now, standin=kind)) for kind in kinds)

    def _open_kinds(self) -> list[bool]:
        """Return which tasks may start at all: those for the imitation (True), those for Kimi (False)."""
        paused = self._parts.journal.read(facts.paused)
        if paused == facts.BY_PERSON:
            return []
        return [True] if paused is not None or self.lacks_key else [True, False]

    def _resume_if_mended(self) -> None:
        """End a pause for a refused key or address once there is another one."""
        pause = self._parts.journal.read(facts.pause_of)
        if pause is not None and pause.mark and pause.mark != self._parts.read_settings().mark:
            self._parts.journal.write(tasks.resume_queue)
            LOGGER.info("key or address have changed: the queue goes on")

    def _settle_held(self) -> None:
        if not self._parts.journal.read(needs.any_open):
            return
        look = self._parts.journal.write(needs.bind) or self._look_for_circles
        for task_id in self._parts.journal.write(needs.release):
            transition(task_id, State.AVAILABLE)
        # A task that fails here may doom those that come after it.
        while doomed := self._parts.journal.read(partial(needs.doomed, look_for_circles=look)):
            for task in doomed:
                worker.fail(self._parts, task.task_id, Failure("dependency", task.reason))
        self._look_for_circles = False

    def _cut_calls(self) -> None:
        """End the calls whose task's time-out has passed."""
        now = self._parts.clock.now()
        for call in list(self._in_flight.values()):
            if not call.aborted and call.entry.deadline_at is not None and call.entry.deadline_at <= now:
                call.aborted = True
                self._parts.client.abort(call.entry.id)

    def _expire(self, *, standin: bool) -> None:
        now = self._parts.clock.now()
        for entry in self._parts.journal.read(partial(tasks.overdue, now=now, standin=standin)):
            worker.expire(self._parts, entry)

    def _slots(self) -> int:
        now = self._parts.clock.now()
        return limits.free_slots(self._sends(now), now, self._parts.config.limits.requests_per_minute)

    def _sends(self, now: float) -> list[float]:
        return self._parts.journal.read(lambda db: sends.since(db, now - limits.WINDOW_SECONDS, now))

    def _start(self, limit: int, *, standin: bool) -> None:
        now = self._parts.clock.now()
        due = self._parts.journal.read(lambda db: tasks.next_due(db, standin=standin))
        if limit and due is not None and due <= now:
            for entry in self._parts.journal.write(lambda db: tasks.start_due(db, now, limit, standin=standin)):
                self._submit(entry)

    def _submit(self, entry: Entry) -> None:
        self._in_flight[entry.id] = _Call(entry)
        self._calls.submit(lambda: self._work(entry))

    def _work(self, entry: Entry) -> None:
        try:
            worker.run(self._parts, entry)
        except Exception as error:  # noqa: BLE001 - the task must not be lost to it
            LOGGER.exception("%s: could not be carried on", entry.id)
            self._troubled[entry.id] = (entry, error)
        finally:
            del self._in_flight[entry.id]

    def _settle_troubled(self) -> None:
        """Try again later what failed for no reason that the task or Kimi gave, such as a full disk.

        What raises here leaves the task where it is: the next turn comes back to it.
        """
        for entry, error in list(self._troubled.values()):
            has_answer = turns.last(self._parts.workspace.turns, entry.id) is not None
            if not has_answer and entry.attempts - entry.crashes >= self._parts.config.retry.max_attempts:
                worker.fail(self._parts, entry.id, Failure("unknown", f"{error}; see spool/logs/runner.log"))
            else:
                later = self._parts.clock.now() + AFTER_A_BUG_SECONDS
                self._parts.journal.write(partial(tasks.retry_at, task_id=entry.id, due_at=later, why=str(error)))
            del self._troubled[entry.id]

    def _next_start(self, *, standin: bool) -> float | None:
        due = self._parts.journal.read(partial(tasks.next_due, standin=standin))
        if due is None or standin:
            return due
        now = self._parts.clock.now()
        return max(due, limits.next_slot(self._sends(now), now, self._parts.config.limits.requests_per_minute))
