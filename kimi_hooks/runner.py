"""The runner: startup, main loop, shutdown. It sleeps until the bell rings or a known instant comes."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType

from kimi_hooks import derived, hindrances, recovery
from kimi_hooks.announcing import Announcing
from kimi_hooks.errors import DamagedJournalError, JournalError, WorkspaceError
from kimi_hooks.intake import Intake
from kimi_hooks.journal import tasks
from kimi_hooks.journal.facts import Pause
from kimi_hooks.journal.standing import Standing
from kimi_hooks.lock import Lock
from kimi_hooks.logs import LOGGER
from kimi_hooks.news import News
from kimi_hooks.parts import Parts
from kimi_hooks.reloading import Reloading
from kimi_hooks.schedule import Schedule
from kimi_hooks.session import Session
from kimi_hooks.watching import Watching
from kimi_hooks.workspace import CONFIG_NAME, SECRETS_NAME, Workspace

TROUBLE_SECONDS = 5.0
FOLDERS_SECONDS = 1.0
LONGEST_SLEEP_SECONDS = 30 * 24 * 3600.0
FORCED = 128
UNSAVED_SECONDS = 1.0
LOST_WITH_US = "%d answers could not be written anywhere and go with this process: those tasks are asked again"


class Runner:
    """One running workspace; `run` returns when it was stopped, or drained.

    After it, `has_failures` tells whether a task failed since the start, or waits for a person.
    """

    def __init__(self, parts: Parts, on_ready: Callable[[], None] = lambda: None) -> None:
        self._parts = parts
        self._on_ready = on_ready
        self._lock = Lock(parts.workspace.lock_file)
        self._watching = Watching(_watched(parts.workspace), parts.bell.ring, parts.clock, LOGGER.warning)
        self._reloading = Reloading(parts)
        self._calls, self._hooks = self._reloading.calls, self._reloading.hooks
        self._intake = Intake(parts)
        self._schedule = Schedule(parts, self._calls)
        self._is_stopping = self._is_damaged = False
        self._derived = derived.Derived(parts.workspace, parts.journal)
        self._refreshed: tuple[int, Pause | None, str | None] | None = None
        self._ended_before = parts.journal.read(tasks.ended_count)
        self._look_again: float | None = None
        self._news = News(parts, self._hooks)
        self._session = Session(parts)
        self._announcing = Announcing(parts, self._lock, self._watching, self._schedule.about_unsaved)
        self._folders_seen = float("-inf")
        self._is_ready = False
        self.has_failures = False

    @property
    def left_work_behind(self) -> bool:
        """Whether calls or hooks are running: after `run`, because the grace time was over."""
        return bool(self._calls.busy or self._hooks.busy)

    def stop(self) -> None:
        """Ask the runner to finish what runs and leave. May be called from any thread and from a signal handler."""
        self._is_stopping = True
        self._parts.bell.ring()

    def heed_signals(self) -> None:
        """Let the first SIGTERM or ^C stop the runner; the second, and SIGQUIT, leave at once. For the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGQUIT, self._leave)

    def run(self, *, drain: bool = False) -> None:
        """Work until stopped, or with `drain` until nothing is left to do. Raises LockHeldError and WorkspaceError.

        Raises DamagedJournalError when the journal is spoilt meanwhile: no waiting helps, so it leaves as if stopped.
        """
        try:
            self.startup()
        except BaseException:
            self._parts.processes.close()
            self._parts.journal.close()
            raise
        try:
            self.main_loop(drain=drain)
        except DamagedJournalError as error:
            self._is_damaged = True
            LOGGER.error("%s; answers that are under way are still put into results/", error)
            raise
        finally:
            self.shutdown()

    def startup(self) -> None:
        """Take the lock, set the watch, put right what a killed runner left, list the outbox once."""
        self._lock.take()
        recovery.tell_of_last(self._lock.last)
        self._set_watch()
        self._reloading.begin()
        for entry in recovery.recover(self._parts):
            self._schedule.carry_on(entry)
        self._turn()
        self._is_ready = True
        # What is here by now stays; the collector need not look at it again and again.
        gc.freeze()
        self._announcing.say_where_we_stand()
        self._on_ready()
        LOGGER.info("runner started in %s, process %d", self._parts.workspace.home, os.getpid())
        self._session.begin()

    def main_loop(self, *, drain: bool) -> None:
        """Sleep until something happened or is due, then do all that can be done now."""
        while not self._is_stopping:
            # Asked before the turn: what ends during it may owe something that only the next turn sees.
            was_quiet = not self.left_work_behind
            seconds = self._turn()
            if drain and was_quiet and self._is_drained() and not self._session.end("drained"):
                return
            self._parts.bell.wait(seconds)

    def shutdown(self) -> None:
        """Finish what runs, up to the grace time; the journal knows about the rest."""
        self._announcing.say_stopping()
        end = self._parts.clock.monotonic() + self._parts.config.grace_seconds
        if self.left_work_behind:
            LOGGER.info("stopping: %d calls, %d hooks still run", self._calls.busy, self._hooks.busy)
        if not self._is_damaged:
            self._session.end("stopped")
        while (left := end - self._parts.clock.monotonic()) > 0 and self._is_finishing():
            self._parts.bell.wait(min(left, UNSAVED_SECONDS) if self._schedule.unsaved else left)
        if self._schedule.unsaved:
            LOGGER.error(LOST_WITH_US, self._schedule.unsaved)
        self._announcing.say_stopping()
        self._watching.stop()
        with contextlib.suppress(OSError, JournalError):
            # What cannot be written now is written at the next start.
            self._refresh(self._parts.look())
            self.has_failures = self._look_for_failures()
        self._parts.processes.close()
        if not self.left_work_behind:
            # Otherwise threads still use the journal, and the kernel releases the lock when the last one is gone.
            self._parts.journal.close()
            self._lock.release()
        LOGGER.info("runner stopped")

    def _is_finishing(self) -> bool:
        """Tell the hooks of the session's end as places get free; tell whether anything runs still."""
        # Asked before: what ends meanwhile may let the next one go.
        was_busy = self.left_work_behind
        self._news.start(self._session.take_last(self._news.free))
        self._schedule.put_away()
        self._announcing.say_stopping()
        return was_busy or self.left_work_behind or bool(self._schedule.unsaved)

    def _turn(self) -> float | None:
        """Do all that can be done now, and return how long there is nothing to do then.

        What the disk or another process does to us is tried again in a moment.
        """
        try:
            self._work()
            seconds = self._seconds_to_next()
        except DamagedJournalError:
            raise
        except (OSError, JournalError, WorkspaceError) as error:
            self._announcing.note_trouble(error, TROUBLE_SECONDS)
            if self._is_ready:
                with contextlib.suppress(OSError):
                    self._announcing.say_where_we_stand()
            return TROUBLE_SECONDS
        self._announcing.note_end()
        return seconds

    def _work(self) -> None:
        self._keep_house()
        hindered = self._take_in()
        if not self._is_stopping:
            self._schedule.start_due()
        standing = self._parts.look()
        self._refresh(standing)
        self._news.settle(standing.now)
        if not self._is_stopping:
            # The derived files that hooks may read are written by now.
            self._news.start_due(standing)
        for pool in (self._calls, self._hooks, self._parts.gates):
            pool.start_missing()
        if hindered is not None:
            raise hindered
        self._announcing.trouble = None
        if self._is_ready:
            self._announcing.say_where_we_stand()

    def _take_in(self) -> OSError | None:
        """Look at the outbox and at edits; return what keeps us from files, for the rest can go on without them."""
        try:
            if self._announcing.trouble is not None:
                self._intake.start_over()
            # In this order: an edit that was made before a file was dropped counts for that file.
            self._intake.list_files()
            self._look_for_edits()
            self._look_again = self._intake.take_batch()
        except OSError as error:
            self._look_for_edits()
            return error
        return None

    def _look_for_edits(self) -> None:
        self._reloading.look()
        self._parts.settings.renew()

    def _keep_house(self) -> None:
        """Look whether folders are gone; the many that are not watched, once a second at most."""
        now = self._parts.clock.monotonic()
        if self._announcing.trouble is not None or now >= self._folders_seen + FOLDERS_SECONDS:
            self._parts.workspace.make_folders()
            self._folders_seen = now
        try:
            is_new = self._watching.renew()
        except OSError:
            self._parts.workspace.make_folders()
            is_new = self._watching.renew()
        if is_new:
            self._announcing.warn_of_network()

    def _refresh(self, standing: Standing) -> None:
        """Bring `results/` in step with the journal, once for all that has ended since."""
        # A new pause is told this way too: who waits for a task watches these files.
        now = standing.ended, standing.pause, standing.run_again
        known = self._refreshed
        if now == known and not standing.any_ack:
            return
        # What is run again leaves the lists.
        anew = standing.any_ack or known is None or known[-1] != standing.run_again
        self._refreshed = None
        if derived.write_acks(self._parts.workspace, self._parts.journal):
            # There may be more of them.
            self._parts.bell.ring()
        self._derived.refresh(anew=anew)
        self._refreshed = now

    def _seconds_to_next(self) -> float | None:
        """Return how long there is certainly nothing to do; None when only the bell can bring work."""
        standing = self._parts.look()
        instants = [self._schedule.next_instant(standing), self._news.next_instant(standing)]
        waits = [max(0.0, instant - standing.now) for instant in instants if instant is not None]
        looks = (self._look_again, self._reloading.seconds_to_look(), self._poll_seconds())
        waits += [wait for wait in looks if wait is not None]
        return min([*waits, LONGEST_SLEEP_SECONDS]) if waits else None

    def _poll_seconds(self) -> float | None:
        """Return how often to look at the folders unasked; None while the kernel tells."""
        config = self._parts.config
        return config.poll_seconds if config.watch == "polling" or self._watching.why_polling else None

    def _is_drained(self) -> bool:
        if self.left_work_behind or self._look_again is not None or self._announcing.trouble is not None:
            return False
        standing = self._parts.look()
        if standing.any_ack:
            return False
        return self._news.is_settled and standing.news_due is None and not self._schedule.has_open_work(standing)

    def _look_for_failures(self) -> bool:
        journal, now = self._parts.journal, self._parts.clock.now()
        failed = journal.read(lambda db: tasks.failed_since(db, self._ended_before))
        return failed or any(journal.read(partial(tasks.any_open, now=now, standin=kind)) for kind in (True, False))

    def _set_watch(self) -> None:
        try:
            self._watching.begin()
        except OSError as error:
            raise WorkspaceError(
                f"{self._parts.workspace.home}: cannot be watched: {hindrances.told(error)}"
            ) from error
        self._announcing.warn_of_network()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._is_stopping:
            self._leave(number, frame)
        self.stop()

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        # The launcher sees that we are gone, and ends the hooks.
        os._exit(FORCED + number)


def _watched(workspace: Workspace) -> Mapping[Path, frozenset[str] | None]:
    names = frozenset({CONFIG_NAME, SECRETS_NAME})
    return {workspace.outbox: None, workspace.bell: None, workspace.home: names}
