"""The tasks that have been started: in threads of their own, each watched until it has ended or waits again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from kimi_hooks import continuing, crash_points, ending, hindrances, limits, slowing, unsaved, worker
from kimi_hooks.crash_points import Point
from kimi_hooks.ending import Failure
from kimi_hooks.errors import DamagedJournalError, JournalError, StoppingError
from kimi_hooks.events import PROMPT, STOP
from kimi_hooks.journal import gates, sends, tasks
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.logs import LOGGER
from kimi_hooks.pace import UnderWay
from kimi_hooks.parts import Parts
from kimi_hooks.pool import Pool
from kimi_hooks.taken import UNKNOWN
from kimi_hooks.unsaved import Unsaved

AFTER_A_BUG_SECONDS = 60.0
ANSWERED_SECONDS = 5.0
# The limit's window is this much longer than Kimi's minute.
LATE_SECONDS = limits.WINDOW_SECONDS - 60.0


@dataclass(eq=False)
class _Call:
    """A task in a thread, since `started_at`: its call has `left`, was `aborted` by a time-out, has been `answered`.

    `cancelled`: somebody asked for the task's end. `rest` puts away what came of it, from when that is known until it
    is done.
    """

    entry: Entry
    started_at: float
    left: bool = False
    aborted: bool = False
    answered: bool = False
    cancelled: bool = False
    rest: Callable[[], object] | None = None

    @property
    def deadline_at(self) -> float | None:
        return None if self.aborted else self.entry.deadline_at

    def move(self, jump: float) -> None:
        """Move the time-out along with a clock that was set, by `jump` seconds."""
        self.started_at += jump
        if self.entry.deadline_at is not None:
            self.entry = replace(self.entry, deadline_at=self.entry.deadline_at + jump)


class _Told:
    """Is told by the worker how far one call has come."""

    def __init__(self, started: Started, call: _Call) -> None:
        self._started = started
        self._call = call
        self.has_left = False

    @property
    def is_cancelled(self) -> bool:
        return self._call.cancelled

    def renew(self, entry: Entry) -> None:
        self._call.entry, self._call.aborted = entry, False

    def leave(self) -> None:
        self.has_left = True
        crash_points.reached(Point.CALL_LEFT)
        self._started.note_left(self._call)
        if self._call.cancelled:
            # It was to be ended before there was a call to end.
            self._started.abort(self._call)

    def answer(self) -> None:
        self._started.note_answer(self._call)

    def finish(self, rest: Callable[[], object]) -> None:
        self._call.rest = rest
        rest()


class Started:
    """Runs tasks in a pool of threads. `is_slowed` is to be kept true while the queue is slowed."""

    def __init__(self, parts: Parts, pool: Pool) -> None:
        self._parts = parts
        self._pool = pool
        self._calls: set[_Call] = set()
        self._troubled: dict[str, tuple[Entry, Exception]] = {}
        self.unsaved = Unsaved(parts)
        self.is_slowed = False

    @property
    def free(self) -> int:
        """How many calls may start: an answer that is being put away has left its place to the next one.

        None while there is an answer that the disk does not take.
        """
        if self.unsaved.in_memory:
            return 0
        under_way = sum(not call.answered for call in list(self._calls))
        return max(0, min(self._pool.free, self._parts.config.limits.concurrency - under_way))

    @property
    def free_threads(self) -> int:
        return max(0, self._pool.free)

    def run(self, entry: Entry, spec: str) -> None:
        """Make the task's call, with the config as it is now."""
        call, parts = _Call(entry, self._parts.clock.now()), self._parts.fixed()
        self._submit(call, lambda: worker.run(parts, entry, tasks.parse(spec), _Told(self, call)))

    def work(self, entry: Entry, work: Callable[[], object]) -> None:
        """Do other work for a task, which takes no place among the calls."""
        self._submit(_Call(entry, self._parts.clock.now(), answered=True), work)

    def deadlines(self) -> Iterable[float]:
        """Return when the time-outs of the calls come, in seconds since 1970."""
        return [call.deadline_at for call in list(self._calls) if call.deadline_at is not None]

    def cut_overdue(self, now: float) -> None:
        """End the calls whose task's time-out has passed."""
        for call in list(self._calls):
            if call.deadline_at is not None and call.deadline_at <= now:
                call.aborted = True
                self._parts.client.abort(call.entry.id)

    def cancel(self, entry: Entry) -> bool:
        """Let the thread that works on this task bring it to its end soon; False when there is none.

        An answer in memory that the disk does not take came first: what it leads to is written down first.
        """
        working = [call for call in list(self._calls) if call.entry.id == entry.id]
        for call in working:
            if not call.cancelled:
                call.cancelled = True
                self.abort(call)
        return bool(working) or self.unsaved.owes(entry.id)

    def abort(self, call: _Call) -> None:
        """End what is under way for a task: its call, and the hooks that it waits for."""
        self._parts.client.abort(call.entry.id)
        self._parts.processes.end(call.entry.id)

    def move(self, jump: float) -> None:
        """Move all time-outs along with a clock that was set, by `jump` seconds."""
        for call in list(self._calls):
            call.move(jump)

    def under_way(self, now: float) -> UnderWay:
        return UnderWay(len(self._to_kimi()), len(self.late(now)))

    def late(self, now: float) -> list[str]:
        """Return the tasks whose call the limit's window has forgotten, and that has still not left."""
        since = now - limits.WINDOW_SECONDS
        return [call.entry.id for call in self._to_kimi() if not call.left and call.started_at <= since]

    def note_left(self, call: _Call) -> None:
        """Let a call that took long to leave count from now on: Kimi's minute begins when it arrives."""
        now = self._parts.clock.now()
        if now - call.started_at > LATE_SECONDS and not call.entry.standin:
            try:
                self._parts.journal.write(lambda db: sends.move(db, call.entry.id, now))
            except JournalError as error:
                # The call has left, and what it brings is worth more than its exact place in the window.
                LOGGER.warning("%s: when its call left could not be noted: %s", call.entry.id, error)
            self._parts.bell.ring()
        call.left = True

    def note_answer(self, call: _Call) -> None:
        """Leave the call's place to the next one, and more places where the queue was slowed."""
        call.answered = True
        if self.is_slowed and not call.entry.standin:
            slowing.note_answer(self._parts, call.started_at)
        self._parts.bell.ring()

    def settle_troubled(self) -> None:
        """Try again later what failed for no reason that the task or Kimi gave, such as a full disk.

        What raises here leaves the task where it is: the next turn comes back to it.
        """
        self.put_away()
        for entry, error in list(self._troubled.values()):
            found = self._parts.journal.read(partial(tasks.get, task_id=entry.id)) or entry
            if not tasks.is_ended(found):
                self._settle(found, error)
            del self._troubled[entry.id]

    def put_away(self) -> None:
        """Try again to write what came of calls and could not be written."""
        for entry, rest in self.unsaved.take_due():
            call = _Call(entry, self._parts.clock.now(), answered=True, rest=rest)
            self._submit(call, partial(self._put_away, self._parts.fixed(), entry, rest))

    def _put_away(self, parts: Parts, entry: Entry, rest: Callable[[], object]) -> None:
        try:
            unsaved.put_away(parts, entry, rest)
        except (OSError, JournalError):
            raise
        except BaseException:
            self.unsaved.forget(entry.id)
            raise
        self.unsaved.settled(entry.id)

    def _settle(self, entry: Entry, error: Exception) -> None:
        now, write = self._parts.clock.now(), self._parts.journal.write
        is_judged = entry.gate == STOP.name or continuing.has_newer(self._parts, entry)
        has_result = ending.has_result(self._parts, entry)
        if entry.gate == PROMPT.name and not has_result:
            write(partial(gates.not_sent, task_id=entry.id, due_at=now + ANSWERED_SECONDS, why=str(error)))
        elif is_judged or has_result:
            write(partial(tasks.retry_at, task_id=entry.id, due_at=now + ANSWERED_SECONDS, why=str(error)))
        elif entry.failures >= self._parts.config.retry.max_attempts:
            worker.fail(self._parts, entry.id, Failure("unknown", f"{error}; see spool/logs/runner.log"), UNKNOWN)
        else:
            worker.lose_call(self._parts, entry, now + AFTER_A_BUG_SECONDS, str(error))

    def _to_kimi(self) -> list[_Call]:
        return [call for call in list(self._calls) if not (call.answered or call.entry.standin)]

    def _submit(self, call: _Call, work: Callable[[], object]) -> None:
        self._calls.add(call)
        self._pool.submit(partial(self._work, call, work))

    def _work(self, call: _Call, work: Callable[[], object]) -> None:
        try:
            work()
        except StoppingError as error:
            LOGGER.info("%s: %s", call.entry.id, error)
        except DamagedJournalError:
            # The runner tells of it, and leaves: the next one goes by what is on the disk.
            LOGGER.warning("%s: left as it is, since the journal is damaged", call.entry.id)
        except (OSError, JournalError) as error:
            if call.rest is not None:
                self.unsaved.add(call.entry, call.rest, error)
            else:
                LOGGER.error("%s: could not be carried on: %s", call.entry.id, hindrances.told(error))
                self._troubled[call.entry.id] = (call.entry, error)
        except Exception as error:  # noqa: BLE001 - the task must not be lost to it
            LOGGER.exception("%s: could not be carried on", call.entry.id)
            self._troubled[call.entry.id] = (call.entry, error)
        finally:
            # Its task may be under way again by now: after a failure it is due before we are done here.
            self._calls.remove(call)
