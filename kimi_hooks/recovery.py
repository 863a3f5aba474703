"""What a killed runner left behind, put right before anything new is started."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from kimi_hooks import atomic, continuing, ending, extracts, intake, results, turns, worker
from kimi_hooks.ending import Failure
from kimi_hooks.events import PROMPT, STOP
from kimi_hooks.journal import deliveries, gates, jumps, moments, sends, tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.limits import WINDOW_SECONDS
from kimi_hooks.logs import LOGGER, transition
from kimi_hooks.parts import Parts
from kimi_hooks.states import State
from kimi_hooks.taken import UNKNOWN

OTHERS_WRITE_SECONDS = 3600.0
KEEP_RUNS_SECONDS = 7 * 24 * 3600.0
KEEP_EXTRACTS_SECONDS = 30 * 24 * 3600.0
REPEATED = "a call was cut when the runner died; it was made again, so it may have been paid twice"
REPEATED_IMITATION = "a call was cut when the runner died; it was made again"


def recover(parts: Parts) -> list[Entry]:
    """Bring the disk and the journal in step. Returns the tasks whose answer only has to be carried on."""
    now = parts.clock.now()
    _tidy(parts, now)
    for about, hook_id in parts.journal.write(deliveries.forget_running):
        LOGGER.warning("%s hook %s was cut by the end of the last runner; it runs again", about, hook_id)
    parts.journal.write(partial(_settle_sends, parts, now))
    intake.recover(parts)
    intake.tidy(parts)
    interrupted = parts.journal.read(lambda db: tasks.in_state(db, State.EXECUTING))
    return [found for entry in interrupted if (found := _answered(parts, entry)) is not None]


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
    for kept in parts.workspace.hook_runs.iterdir():
        if kept.lstat().st_mtime < now - KEEP_RUNS_SECONDS:
            _remove(kept)


def _remove(kept: Path) -> None:
    """Remove what a hook's run has left: the folder of one that failed, or a text that was too long for Kimi."""
    if kept.is_dir() and not kept.is_symlink():
        shutil.rmtree(kept, ignore_errors=True)
    else:
        kept.unlink(missing_ok=True)


def _answered(parts: Parts, entry: Entry) -> Entry | None:
    """Settle an interrupted task by what is on the disk; return it if it has to be carried on.

    That is a result to be put into `results/`, or a whole answer that a gate has to judge.
    """
    result = results.read(parts.workspace.results, entry.id)
    if result is not None:
        ending.settle(parts, result)
        turns.forget(parts.workspace.turns, entry.id)
        return None
    if entry.gate == STOP.name or turns.kept(parts.workspace.turns, entry.id) is not None:
        return entry
    if entry.gate == PROMPT.name:
        parts.journal.write(lambda db: gates.not_sent(db, entry.id, parts.clock.now()))
        return None
    caught = continuing.catch_up(parts, entry)
    if caught is None:
        _answer_unknown(parts, entry)
    return caught if caught is not None and caught.gate == STOP.name else None


def _answer_unknown(parts: Parts, entry: Entry) -> None:
    if entry.crashes >= parts.config.retry.max_crashes:
        told = f"the runner died {entry.crashes + 1} times while this task was being answered"
        worker.fail(parts, entry.id, Failure("crash", f"{told}; look at spool/logs/runner.log"), UNKNOWN)
        return
    told = REPEATED_IMITATION if entry.standin else REPEATED
    warnings = [] if told in entry.warnings else [told]
    parts.journal.write(lambda db: tasks.count_crash(db, entry, parts.clock.now(), warnings))
    transition(entry.id, State.RETRYABLE, crashes=entry.crashes + 1)
