"""What a killed runner left behind, put right before anything new is started."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from kimi_hooks import (
    adopting,
    atomic,
    continuing,
    crash_points,
    ending,
    extracts,
    intake,
    notifying,
    results,
    turns,
    worker,
)
from kimi_hooks.crash_points import Point
from kimi_hooks.ending import Failure
from kimi_hooks.events import PROMPT, STOP
from kimi_hooks.journal import crashes, deliveries, gates, jumps, moments, sends, tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.limits import WINDOW_SECONDS
from kimi_hooks.lock import Holder
from kimi_hooks.logs import LOGGER, transition
from kimi_hooks.parts import Parts
from kimi_hooks.states import State
from kimi_hooks.taken import UNKNOWN

KILLED = "it was killed, or the machine went down; what it left is put right now"
OTHERS_WRITE_SECONDS = 3600.0
KEEP_RUNS_SECONDS = 7 * 24 * 3600.0
KEEP_EXTRACTS_SECONDS = 30 * 24 * 3600.0
CUT = "a call was cut when the runner died; it is made again"
REPEATED = (
    "a call was cut when the runner died, or its answer could not be written before the runner was stopped; it was "
    "made again, so it may have been paid twice"
)
HELD = (
    "a call was cut when the runner died, or its answer could not be written before the runner was stopped, so it may "
    "have been paid for; nobody knows its answer"
)
REPEATED_IMITATION = "a call was cut when the runner died; it was made again"


def recover(parts: Parts) -> list[Entry]:
    """Bring the disk and the journal in step. Returns the tasks whose answer only has to be carried on."""
    now = parts.clock.now()
    _tidy(parts, now)
    for about, hook_id in parts.journal.write(deliveries.forget_running):
        LOGGER.warning("%s hook %s was cut by the end of the last runner; it runs again", about, hook_id)
    parts.journal.write(partial(_settle_sends, parts, now))
    intake.tidy(parts)
    intake.recover(parts)
    adopting.adopt(parts)
    interrupted = parts.journal.read(lambda db: tasks.in_state(db, State.EXECUTING))
    # Those that somebody cancelled are ended by the first turn, with what is on the disk of them.
    found = [(entry, _answered(parts, entry)) for entry in interrupted if entry.cancel_at is None]
    _settle_unknown(parts, [entry for entry, answered in found if answered == "unknown"])
    return [answered for _, answered in found if isinstance(answered, Entry)]


def tell_of_last(last: Holder | None) -> None:
    """Say in the log that the last runner did not stop by itself; `last` is what it has told of itself, if known."""
    # A verb that held the lock since has left its own; one that was killed while it started has not done anything yet.
    if last is not None and last.is_runner and last.ready and not last.is_stopping:
        LOGGER.warning("the last runner (process %d) did not stop by itself: %s", last.pid, KILLED)


def _settle_sends(parts: Parts, now: float, db: Connection) -> None:
    """Let the limits hold over the restart: the clock may have been set, and calls cut that had just left."""
    reading = jumps.read(parts.clock)
    jumps.settle(db, reading, jumps.between(jumps.last(db), reading), now, WINDOW_SECONDS)
    sends.settle(db, now)
    sends.delay_cut(db, now, parts.config.kimi.connect_timeout)


def _tidy(parts: Parts, now: float) -> None:
    """Remove what nobody needs any more; others may be writing into outbox and spool just now."""
    atomic.remove_leftovers(parts.workspace.results, now)
    atomic.remove_leftovers(parts.workspace.incoming, now)
    atomic.remove_leftovers(parts.workspace.rejected, now)
    atomic.remove_leftovers(parts.workspace.hook_runs, now)
    atomic.remove_leftovers(parts.workspace.outbox, now - OTHERS_WRITE_SECONDS)
    atomic.remove_leftovers(parts.workspace.spool, now - OTHERS_WRITE_SECONDS)
    atomic.remove_leftovers(parts.workspace.schemas, now - OTHERS_WRITE_SECONDS)
    parts.journal.write(partial(moments.forget, before=now - KEEP_RUNS_SECONDS))
    atomic.remove_leftovers(parts.workspace.transcripts, now)
    extracts.tidy(parts.workspace.extracts, now - KEEP_EXTRACTS_SECONDS)
    for folder in parts.workspace.turns.iterdir():
        entry = parts.journal.read(partial(tasks.get, task_id=folder.name))
        if entry is not None and tasks.is_ended(entry):
            turns.forget(parts.workspace.turns, folder.name)
        atomic.remove_leftovers(folder, now)
        with contextlib.suppress(OSError):
            # Made for an answer that was not written any more.
            folder.rmdir()
    for kept in parts.workspace.hook_runs.iterdir():
        if kept.lstat().st_mtime < now - KEEP_RUNS_SECONDS:
            _remove(kept)


def _remove(kept: Path) -> None:
    """Remove what a hook's run has left: the folder of one that failed, or a text that was too long for Kimi."""
    if kept.is_dir() and not kept.is_symlink():
        shutil.rmtree(kept, ignore_errors=True)
    else:
        kept.unlink(missing_ok=True)


def _answered(parts: Parts, entry: Entry) -> Entry | Literal["settled", "unknown"]:
    """Settle an interrupted task by what is on the disk; return it if it has to be carried on.

    That is a result to be put into `results/`, or a whole answer that a gate has to judge. The answer is unknown where
    nothing tells of it.
    """
    if results.of_run(parts.workspace.results, entry.id, entry.retried) is not None:
        ending.carry_on(parts, entry)
        return "settled"
    if entry.gate == STOP.name or turns.kept(parts.workspace.turns, entry.id, entry.retried) is not None:
        return entry
    if entry.gate == PROMPT.name:
        parts.journal.write(lambda db: gates.not_sent(db, entry.id, parts.clock.now()))
        return "settled"
    caught = continuing.catch_up(parts, entry)
    if caught is None:
        return "unknown"
    return caught if caught.gate == STOP.name else "settled"


def _settle_unknown(parts: Parts, entries: Sequence[Entry]) -> None:
    """Decide what becomes of the tasks whose answer is not known: ended, held for a person, or asked for again."""
    to_hold = []
    for entry in entries:
        if entry.crashes >= parts.config.retry.max_crashes:
            _fail(parts, entry)
        elif parts.config.retry.on_unknown == "hold" and not entry.standin:
            to_hold.append(entry)
        else:
            _ask_again(parts, entry)
    if to_hold:
        _hold(parts, to_hold)


def _fail(parts: Parts, entry: Entry) -> None:
    told = f"the runner died {entry.crashes + 1} times while this task was being answered"
    worker.fail(parts, entry.id, Failure("crash", f"{told}; look at spool/logs/runner.log"), UNKNOWN)


def _hold(parts: Parts, entries: Sequence[Entry]) -> None:
    """Hold all of them, with one notification: a person decides whether their calls are made, and paid for, again."""
    now = parts.clock.now()

    def hold(db: Connection) -> None:
        for entry in entries:
            crashes.hold_unknown(db, entry, now, [] if HELD in entry.warnings else [HELD])
        notifying.answer_unknown(db, parts.newest_config, [entry.id for entry in entries], now)

    parts.journal.write(hold)
    crash_points.reached(Point.UNKNOWN_HELD)
    for entry in entries:
        transition(entry.id, State.HELD, crashes=entry.crashes + 1, why=HELD)


def _ask_again(parts: Parts, entry: Entry) -> None:
    told = REPEATED_IMITATION if entry.standin else REPEATED
    warnings = [] if told in entry.warnings else [told]
    parts.journal.write(lambda db: crashes.count_crash(db, entry, parts.clock.now(), warnings))
    transition(entry.id, State.RETRYABLE, crashes=entry.crashes + 1, why=CUT)
