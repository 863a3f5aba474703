"""What a killed runner left behind, put right before anything new is started."""

from __future__ import annotations

import shutil
from functools import partial

from kimi_hooks import atomic, continuing, ending, extracts, intake, results, turns, worker
from kimi_hooks.ending import Failure
from kimi_hooks.journal import deliveries, jumps, moments, sends, tasks
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
    """Bring the disk and the journal in step. Returns the tasks whose result only has to be carried on."""
    now = parts.clock.now()
    _tidy(parts, now)
    for about, hook_id in parts.journal.write(deliveries.forget_running):
        LOGGER.warning("%s hook %s was cut by the end of the last runner; it runs again", about, hook_id)
    parts.journal.write(partial(_settle_sends, parts, now))
    intake.recover(parts)
    interrupted = parts.journal.read(lambda db: tasks.in_state(db, State.EXECUTING))
    return [entry for entry in interrupted if _has_answer(parts, entry)]


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
    atomic.remove_leftovers(parts.workspace.outbox, now - OTHERS_WRITE_SECONDS)
    atomic.remove_leftovers(parts.workspace.spool, now - OTHERS_WRITE_SECONDS)
    parts.journal.write(partial(moments.forget, before=now - KEEP_RUNS_SECONDS))
    extracts.tidy(parts.workspace.extracts, now - KEEP_EXTRACTS_SECONDS)
    for folder in parts.workspace.turns.iterdir():
        entry = parts.journal.read(partial(tasks.get, task_id=folder.name))
        if entry is not None and tasks.is_ended(entry):
            turns.forget(parts.workspace.turns, folder.name)
    for folder in parts.workspace.hook_runs.iterdir():
        if folder.lstat().st_mtime < now - KEEP_RUNS_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _has_answer(parts: Parts, entry: Entry) -> bool:
    """Settle an interrupted task by what is on the disk; tell whether a result has to be put into `results/`."""
    result = results.read(parts.workspace.results, entry.id)
    if result is not None:
        ending.settle(parts, result)
        return False
    if turns.kept(parts.workspace.turns, entry.id) is not None:
        return True
    if not continuing.catch_up(parts, entry):
        _answer_unknown(parts, entry)
    return False


def _answer_unknown(parts: Parts, entry: Entry) -> None:
    if entry.crashes >= parts.config.retry.max_crashes:
        told = f"the runner died {entry.crashes + 1} times while this task was being answered"
        worker.fail(parts, entry.id, Failure("crash", f"{told}; look at spool/logs/runner.log"), UNKNOWN)
        return
    told = REPEATED_IMITATION if entry.standin else REPEATED
    warnings = [] if told in entry.warnings else [told]
    parts.journal.write(lambda db: tasks.count_crash(db, entry, parts.clock.now(), warnings))
    transition(entry.id, State.RETRYABLE, crashes=entry.crashes + 1)
