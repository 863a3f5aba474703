"""Which tasks may start now, and when the next one may."""

from __future__ import annotations

from functools import partial

from kimi_hooks import admission, crash_points, judging, limits, notifying, pace, reusing, worker
from kimi_hooks.crash_points import Point
from kimi_hooks.ending import Failure
from kimi_hooks.errors import JournalError, StoppingError
from kimi_hooks.events import CREATED
from kimi_hooks.journal import facts, gates, jumps, needs, reuse, sends, steering, tasks
from kimi_hooks.journal.facts import Pause
from kimi_hooks.journal.standing import Standing, Waiting
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.logs import LOGGER, transition
from kimi_hooks.notifying import How
from kimi_hooks.parts import Parts
from kimi_hooks.pool import Pool
from kimi_hooks.started import Started
from kimi_hooks.states import State

AGAIN_SECONDS = 5.0


class Schedule:
    """Starts tasks in a pool of calls, within the limits."""

    def __init__(self, parts: Parts, calls: Pool) -> None:
        self._parts = parts
        self._started = Started(parts, calls)
        self._is_new = True
        self._held_until: float | None = None
        self._lacked_key = False
        self._clock = jumps.read(parts.clock)
        self._looked_for: set[str] = set()
        self._taken_on: set[str] = set()
        self._take_on_at = 0.0

    @property
    def lacks_key(self) -> bool:
        return not self._parts.settings.current.get("KIMI_API_KEY")

    def start_due(self) -> None:
        """Start every task whose time has come, as far as the limits allow; end those that cannot start any more."""
        standing = self._settled()
        self._started.cut_overdue(standing.now)
        self._held_until, self._started.is_slowed = None, standing.slowed is not None
        if standing.any_new and standing.now >= self._take_on_at:
            self._take_on_new()
        if _has_come(standing.reuse_due, standing.now) and not (standing.pause and standing.pause.is_by_person):
            self._look_for_answers(standing.now)
        for waiting in self._open(standing):
            if _has_come(waiting.deadline, standing.now):
                self._expire(waiting, standing.now)
            if _has_come(waiting.due, standing.now) and not self._is_over_budget(waiting):
                self._start(waiting, standing)

    def carry_on(self, entry: Entry) -> None:
        """Take a task to its end whose answer is on the disk already."""
        self._started.work(entry, partial(worker.carry_on, self._parts.fixed(), entry))

    @property
    def unsaved(self) -> int:
        """How many answers are in memory only, for the disk does not take them."""
        return self._started.unsaved.in_memory

    def about_unsaved(self) -> tuple[int, str]:
        """Return how many answers are in memory only, and what is to be said of all that cannot be put away."""
        return self.unsaved, self._started.unsaved.told()

    def put_away(self) -> None:
        """Try again to write them, as far as it is time to."""
        self._started.put_away()

    def next_instant(self, standing: Standing) -> float | None:
        """Return when to look again, in seconds since 1970: a start, a retry, a free slot or a time-out."""
        instants: list[float | None] = list(self._started.deadlines())
        for waiting in self._open(standing):
            instants.append(waiting.deadline)
            if self._started.free:
                instants.append(self._next_start(waiting, standing))
        instants.append(standing.pause.until if standing.pause else None)
        left = self._started.unsaved.seconds_left()
        instants.append(None if left is None else standing.now + left)
        if standing.reuse_due is not None and standing.reuse_due > standing.now:
            # Those whose time has come are being seen to, and ring when that is done.
            instants.append(standing.reuse_due)
        if standing.any_new and self._take_on_at > standing.now:
            instants.append(self._take_on_at)
        return min((instant for instant in instants if instant is not None), default=None)

    def has_open_work(self, standing: Standing) -> bool:
        """Tell whether any task would be started or tried again without anybody's doing."""
        kinds = [waiting.standin for waiting in self._open(standing)]
        journal = self._parts.journal
        return standing.any_new or any(
            journal.read(partial(tasks.any_open, now=standing.now, standin=kind)) for kind in kinds
        )

    def _next_start(self, waiting: Waiting, standing: Standing) -> float | None:
        if waiting.due is None or waiting.standin:
            return waiting.due
        due = max(waiting.due, self._held_until or 0.0)
        per_minute = self._parts.config.limits.requests_per_minute
        return pace.next_start(standing, due, per_minute, self._started.under_way(standing.now))

    def _settled(self) -> Standing:
        """Settle what may let tasks start or end them, and return how things stand then."""
        self._settle_clock()
        self._started.settle_troubled()
        standing = self._parts.look()
        if standing.newest_send is not None and standing.newest_send > standing.now:
            # The clock was set back: what was sent then counts from now on, and not from a time that is far off.
            self._parts.journal.write(lambda db: sends.settle(db, standing.now))
        resumed = self._resume_if_mended(standing) | self._note_key()
        if standing.any_cancel:
            self._end_cancelled()
        if self._is_new:
            self._parts.journal.write(needs.unsettle)
        is_settled = self._is_new or standing.any_held
        if is_settled:
            self._settle_held()
        return self._parts.look() if resumed or is_settled or standing.any_cancel else standing

    def _open(self, standing: Standing) -> list[Waiting]:
        """Return the waiting tasks that may start at all: those for the imitation, those for Kimi."""
        pause = standing.pause
        if pause is not None and pause.is_by_person:
            return []
        return [standing.for_standin] if pause or self.lacks_key else [standing.for_standin, standing.for_kimi]

    def _settle_clock(self) -> None:
        """Move all spans of time along when the wall clock was set."""
        clock = self._parts.clock
        reading = jumps.again(self._clock, clock)
        jump = jumps.between(self._clock, reading)
        if jump:
            LOGGER.warning("the clock was set by %.1f s: what is waited for moves along", jump)
            self._parts.journal.write(lambda db: jumps.settle(db, reading, jump, clock.now(), limits.WINDOW_SECONDS))
            self._started.move(jump)
            self._clock = reading

    def _resume_if_mended(self, standing: Standing) -> bool:
        """End a pause whose time is over, or whose key, address or budget has been mended; tell if so."""
        pause = standing.pause
        if pause is None:
            return False
        is_over = _has_come(pause.until, standing.now)
        if not is_over and not self._is_mended(pause):
            return False
        parts = self._parts
        how: How = "time" if is_over else "settings"
        parts.journal.write(lambda db: notifying.resume(db, parts.config, how, parts.clock.now()))
        LOGGER.info("%s: the queue goes on", "the pause is over" if is_over else "the settings have changed")
        return True

    def _is_mended(self, pause: Pause) -> bool:
        if pause.reason == facts.BUDGET:
            return admission.is_raised(self._parts, pause)
        return bool(pause.mark) and pause.mark != self._parts.settings.current.mark

    def _note_key(self) -> bool:
        """Let time-outs begin anew when a key has come: without one nothing was sent. Tell if so."""
        has_come = self._lacked_key and not self.lacks_key
        self._lacked_key = self.lacks_key
        if has_come:
            self._parts.journal.write(tasks.forget_deadlines)
        return has_come

    def _end_cancelled(self) -> None:
        """End the tasks that somebody wants no more; those in a thread are ended there, which rings the bell."""
        for entry in self._parts.journal.read(steering.cancelled):
            if not self._started.cancel(entry):
                worker.cancel(self._parts, entry)

    def _settle_held(self) -> None:
        # A task that fails here may doom those that come after it.
        while (settled := self._parts.journal.write(needs.settle)).doomed or settled.released:
            for task_id in settled.released:
                transition(task_id, State.AVAILABLE)
            for task in settled.doomed:
                worker.fail(self._parts, task.task_id, Failure("dependency", task.reason))
        self._is_new = False

    def _expire(self, waiting: Waiting, now: float) -> None:
        for entry in self._parts.journal.read(partial(tasks.overdue, now=now, standin=waiting.standin)):
            worker.expire(self._parts, entry)

    def _start(self, waiting: Waiting, standing: Standing) -> None:
        limit = self._started.free if waiting.standin else self._room(standing)
        if limit:
            admitted = admission.start(self._parts, limit, self._started.late(standing.now), standin=waiting.standin)
            crash_points.reached(Point.SEND_MARKED)
            for send in admitted.too_large:
                failure = Failure("invalid_request", admission.too_large(self._parts, send))
                worker.fail(self._parts, send.task_id, failure)
            for entry, spec in admitted.started:
                self._started.run(entry, spec)
            self._held_until = admitted.held_until if not waiting.standin else self._held_until

    def _room(self, standing: Standing) -> int:
        per_minute = self._parts.config.limits.requests_per_minute
        return pace.room(standing, per_minute, self._started.free, self._started.under_way(standing.now))

    def _is_over_budget(self, waiting: Waiting) -> bool:
        """Pause the queue if the budget of the day is used up; tell whether it is."""
        pause = None if waiting.standin else admission.over_budget(self._parts)
        if pause is not None:
            config, now = self._parts.config, self._parts.clock.now()
            self._parts.journal.write(lambda db: notifying.pause(db, config, pause, now))
            LOGGER.warning("queue paused (%s): %s", pause.reason, pause.why)
        return pause is not None

    def _take_on_new(self) -> None:
        """Ask the gate for new tasks about each that waits there."""
        under_way = set(self._taken_on)
        # As many threads are left to calls: a gate that takes its time must not hold up tasks that have passed it.
        most = self._parts.config.limits.concurrency
        for entry, spec in self._parts.journal.read(partial(gates.waiting, gate=CREATED.name, limit=most)):
            if entry.id not in under_way and len(self._taken_on) < most and self._started.free_threads:
                self._taken_on.add(entry.id)
                self._started.work(entry, partial(self._take_on, self._parts.fixed(), entry, spec))

    def _take_on(self, parts: Parts, entry: Entry, spec: str) -> None:
        try:
            self._take_on_or_fail(parts, entry, spec)
        except (OSError, JournalError) as error:
            LOGGER.error("%s: its gate cannot be asked just now: %s", entry.id, error)
            self._take_on_at = self._parts.clock.now() + AGAIN_SECONDS
        finally:
            self._taken_on.discard(entry.id)

    def _take_on_or_fail(self, parts: Parts, entry: Entry, spec: str) -> None:
        try:
            judging.take_on(parts, entry, tasks.parse(spec))
        except (OSError, JournalError, StoppingError):
            raise
        except Exception as error:  # noqa: BLE001 - it would be asked about again at once, for ever
            LOGGER.exception("%s: its gate cannot be asked", entry.id)
            worker.fail(parts, entry.id, Failure("unknown", f"{error}; see spool/logs/runner.log"))

    def _look_for_answers(self, now: float) -> None:
        """See for each task that allows it whether an earlier answer will do."""
        # Read before the rows: a look-up that ends in between would be begun again otherwise.
        under_way = set(self._looked_for)
        limit = self._started.free_threads + len(under_way) if self._started.free_threads else 0
        for entry, spec in self._parts.journal.read(partial(reuse.to_look_up, now=now, limit=limit)):
            if entry.id not in under_way and self._started.free_threads:
                self._looked_for.add(entry.id)
                self._started.work(entry, partial(self._look_for_answer, self._parts.fixed(), entry, spec))

    def _look_for_answer(self, parts: Parts, entry: Entry, spec: str) -> None:
        try:
            reusing.look_for_answer(parts, entry, tasks.parse(spec))
        except (OSError, JournalError):
            raise
        except Exception:  # noqa: BLE001 - the task must not wait for ever for what is only a help
            LOGGER.exception("%s: no earlier answer can be looked for", entry.id)
            self._parts.journal.write(partial(reuse.looked_up, task_id=entry.id))
        finally:
            self._looked_for.discard(entry.id)


def _has_come(instant: float | None, now: float) -> bool:
    return instant is not None and instant <= now
