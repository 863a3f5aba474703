"""The runner: startup, main loop, shutdown. It sleeps until the bell rings or a known instant comes."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable
from functools import partial
from types import FrameType

from kimi_hooks import derived, recovery
from kimi_hooks.errors import JournalError, WorkspaceError
from kimi_hooks.intake import Intake
from kimi_hooks.journal import tasks
from kimi_hooks.journal.facts import Pause
from kimi_hooks.journal.standing import Standing
from kimi_hooks.kimi.catalogue import Catalogue
from kimi_hooks.kimi.failure import without_userinfo
from kimi_hooks.lock import Holder, Lock
from kimi_hooks.logs import LOGGER
from kimi_hooks.news import News
from kimi_hooks.parts import Parts
from kimi_hooks.reloading import Reloading
from kimi_hooks.schedule import Schedule
from kimi_hooks.session import Session
from kimi_hooks.settings import Settings
from kimi_hooks.watcher import Watch
from kimi_hooks.workspace import CONFIG_NAME, SECRETS_NAME

TROUBLE_SECONDS = 5.0
FOLDERS_SECONDS = 1.0
LONGEST_SLEEP_SECONDS = 30 * 24 * 3600.0
FORCED = 128
LONGEST_TOLD = 500


class Runner:
    """One running workspace; `run` returns when it was stopped, or drained.

    After it, `has_failures` tells whether a task failed since the start, or waits for a person.
    """

    def __init__(self, parts: Parts, on_ready: Callable[[], None] = lambda: None) -> None:
        self._parts = parts
        self._on_ready = on_ready
        self._lock = Lock(parts.workspace.lock_file)
        self._watch = Watch()
        self._reloading = Reloading(parts)
        self._calls, self._hooks = self._reloading.calls, self._reloading.hooks
        self._intake = Intake(parts)
        self._schedule = Schedule(parts, self._calls)
        self._is_stopping = False
        self._derived = derived.Derived(parts.workspace, parts.journal)
        self._refreshed: tuple[int, Pause | None] | None = None
        self._ended_before = parts.journal.read(tasks.ended_count)
        self._look_again: float | None = None
        self._news = News(parts, self._hooks)
        self._session = Session(parts)
        self._trouble: str | None = None
        self._folders_seen = float("-inf")
        self._is_ready = False
        self.has_failures = False
        self._told: tuple[Settings, Catalogue] | None = None
        self._told_holder: Holder | None = None

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
        """Work until stopped, or with `drain` until nothing is left to do. Raises LockHeldError and WorkspaceError."""
        try:
            self.startup()
        except BaseException:
            self._parts.processes.close()
            self._parts.journal.close()
            raise
        try:
            self.main_loop(drain=drain)
        finally:
            self.shutdown()

    def startup(self) -> None:
        """Take the lock, set the watch, put right what a killed runner left, list the outbox once."""
        self._lock.take()
        self._set_watch()
        self._reloading.begin()
        for entry in recovery.recover(self._parts):
            self._schedule.carry_on(entry)
        self._turn()
        self._is_ready = True
        # What is here by now stays; the collector need not look at it again and again.
        gc.freeze()
        self._say_where_we_stand()
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
        self._lock.say(Holder(os.getpid(), is_stopping=True))
        end = self._parts.clock.monotonic() + self._parts.config.grace_seconds
        if self.left_work_behind:
            LOGGER.info("stopping: %d calls, %d hooks still run", self._calls.busy, self._hooks.busy)
        self._session.end("stopped")
        while (left := end - self._parts.clock.monotonic()) > 0 and self._is_finishing():
            self._parts.bell.wait(left)
        self._watch.stop()
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
        return was_busy or self.left_work_behind

    def _turn(self) -> float | None:
        """Do all that can be done now, and return how long there is nothing to do then.

        What the disk or another process does to us is tried again in a moment.
        """
        try:
            self._work()
            return self._seconds_to_next()
        except (OSError, JournalError, WorkspaceError) as error:
            if str(error) != self._trouble:
                LOGGER.error("%s; it is tried again every %d s", error, TROUBLE_SECONDS)
            self._trouble = str(error)
            return TROUBLE_SECONDS

    def _work(self) -> None:
        self._keep_house()
        if self._trouble is not None:
            self._intake.start_over()
            self._trouble = None
        # In this order: an edit that was made before a file was dropped counts for that file.
        self._intake.list_files()
        self._reloading.look()
        self._parts.settings.renew()
        self._look_again = self._intake.take_batch()
        if not self._is_stopping:
            self._schedule.start_due()
        standing = self._parts.look()
        self._refresh(standing)
        self._news.settle(standing.now)
        if not self._is_stopping:
            # The derived files that hooks may read are written by now.
            self._news.start_due(standing)
        if self._is_ready:
            self._say_where_we_stand()

    def _keep_house(self) -> None:
        """Look whether folders are gone; the many that are not watched, once a second at most."""
        now = self._parts.clock.monotonic()
        if self._trouble is not None or now >= self._folders_seen + FOLDERS_SECONDS:
            self._parts.workspace.make_folders()
            self._folders_seen = now
        try:
            self._watch.renew()
        except OSError:
            self._parts.workspace.make_folders()
            self._watch.renew()

    def _refresh(self, standing: Standing) -> None:
        """Bring `results/` in step with the journal, once for all that has ended since."""
        # A new pause is told this way too: who waits for a task watches these files.
        now = standing.ended, standing.pause
        if now == self._refreshed and not standing.any_ack:
            return
        anew, self._refreshed = standing.any_ack or self._refreshed is None, None
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
        waits += [wait for wait in (self._look_again, self._reloading.seconds_to_look()) if wait is not None]
        return min([*waits, LONGEST_SLEEP_SECONDS]) if waits else None

    def _is_drained(self) -> bool:
        if self.left_work_behind or self._look_again is not None or self._trouble is not None:
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
        workspace, ring = self._parts.workspace, self._parts.bell.ring
        try:
            self._watch.add(workspace.outbox, ring)
            self._watch.add(workspace.bell, ring)
            self._watch.add(workspace.home, ring, names=frozenset({CONFIG_NAME, SECRETS_NAME}))
            self._watch.start()
        except OSError as error:
            raise WorkspaceError(
                f"{workspace.home}: cannot be watched: {error}; raise fs.inotify.max_user_watches"
            ) from error

    def _say_where_we_stand(self) -> None:
        """Let other processes know that we are at work, whom we ask, and whether tasks wait for a key."""
        settings, catalogue = now = self._parts.settings.current, self._parts.catalogue
        if now == self._told:
            return
        self._told = now
        key_from = settings.origins.get("KIMI_API_KEY")
        key = f"key from {key_from}" if key_from else "no key"
        url, model = settings.values["KIMI_API_URL"], settings.values["KIMI_MODEL"]
        kimi = f"{without_userinfo(url)}, {catalogue.named(model, url)}, {key}"[:LONGEST_TOLD]
        holder = Holder(os.getpid(), ready=True, lacks_key=key_from is None, mark=settings.mark, kimi=kimi)
        if holder == self._told_holder:
            return
        self._lock.say(holder)
        self._told_holder = holder
        if key_from is None:
            LOGGER.warning("no KIMI_API_KEY: tasks for Kimi wait; set it in %s", self._parts.workspace.secrets_file)
        if (about := catalogue.about(model, url)) is not None:
            LOGGER.warning("KIMI_MODEL (%s): %s", settings.origins["KIMI_MODEL"], about)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._is_stopping:
            self._leave(number, frame)
        self.stop()

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        # The launcher sees that we are gone, and ends the hooks.
        os._exit(FORCED + number)
