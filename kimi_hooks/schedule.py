"""Which tasks may start now, and when the next one may."""

from __future__ import annotations

from dataclasses import dataclass

from kimi_hooks import limits, worker
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

    @property
    def lacks_key(self) -> bool:
        return not self._parts.read_settings().get("KIMI_API_KEY")

    def start_due(self) -> None:
        """Start every task whose time has come, as far as the limits allow; end those that cannot start any more."""
        self._settle_held()
        self._cut_overdue()
        paused = self._parts.journal.read(facts.paused)
        if paused != facts.BY_PERSON:
            self._start(self._calls.free, standin=True)
        if paused is None and not self.lacks_key:
            self._start(min(self._calls.free, self._slots()), standin=False)

    def carry_on(self, entry: Entry) -> None:
        """Take a task to its end whose answer is on the disk already."""
        self._submit(entry)

    def next_instant(self) -> float | None:
        """Return when to look again, in seconds since 1970: a start, a retry, a free slot or a time-out."""
        instants = [call.entry.deadline_at for call in list(self._in_flight.values()) if not call.aborted]
        instants.append(self._parts.journal.read(tasks.next_deadline))
        if self._calls.free:
            instants += self._next_starts()
        return min((instant for instant in instants if instant is not None), default=None)

    def has_open_work(self) -> bool:
        """Tell whether any task would be started or tried again without anybody's doing."""
        now = self._parts.clock.now()
        paused = self._parts.journal.read(facts.paused)
        real = paused is None and not self.lacks_key
        standin = paused != facts.BY_PERSON
        return self._parts.journal.read(lambda db: tasks.any_open(db, now, real=real, standin=standin))

    def _settle_held(self) -> None:
        if not self._parts.journal.read(needs.any_open):
            return
        self._parts.journal.write(needs.bind)
        for task_id in self._parts.journal.write(needs.release):
            transition(task_id, State.AVAILABLE)
        # A task that fails here may doom those that come after it.
        while doomed := self._parts.journal.read(needs.doomed):
            for task in doomed:
                worker.fail(self._parts, task.task_id, Failure("dependency", task.reason))

    def _cut_overdue(self) -> None:
        now = self._parts.clock.now()
        for entry in self._parts.journal.read(lambda db: tasks.overdue(db, now)):
            worker.expire(self._parts, entry)
        for call in list(self._in_flight.values()):
            if not call.aborted and call.entry.deadline_at is not None and call.entry.deadline_at <= now:
                call.aborted = True
                self._parts.client.abort(call.entry.id)

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
            self._after_a_bug(entry, error)
        finally:
            del self._in_flight[entry.id]

    def _after_a_bug(self, entry: Entry, error: Exception) -> None:
        """Try again later what failed for no reason that the task or Kimi gave, such as a full disk."""
        if entry.attempts - entry.crashes >= self._parts.config.retry.max_attempts:
            worker.fail(self._parts, entry.id, Failure("unknown", f"{error}; see spool/logs/runner.log"))
        else:
            later = self._parts.clock.now() + AFTER_A_BUG_SECONDS
            self._parts.journal.write(lambda db: tasks.retry_at(db, entry.id, later))

    def _next_starts(self) -> list[float | None]:
        now = self._parts.clock.now()
        paused = self._parts.journal.read(facts.paused)
        instants = []
        if paused != facts.BY_PERSON:
            instants.append(self._parts.journal.read(lambda db: tasks.next_due(db, standin=True)))
        real = self._parts.journal.read(lambda db: tasks.next_due(db, standin=False))
        if real is not None and paused is None and not self.lacks_key:
            slot = limits.next_slot(self._sends(now), now, self._parts.config.limits.requests_per_minute)
            instants.append(max(real, slot))
        return instants
