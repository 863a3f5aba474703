"""Files become rows: claim, read, check, insert; what cannot be accepted is kept, with the reason beside it."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kimi_hooks import asking, atomic, crash_points, ending, gates, notifying, results, turns
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import TaskError
from kimi_hooks.events import CREATED
from kimi_hooks.journal import dedupe, tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.logs import LOGGER, transition, visible
from kimi_hooks.outbox import reading
from kimi_hooks.outbox.folder import Claim, accepted_name, cut
from kimi_hooks.parts import Parts
from kimi_hooks.states import State
from kimi_hooks.task import Task
from kimi_hooks.task_id import is_id
from kimi_hooks.text import derived_name
from kimi_hooks.workspace import is_guarded

# Small enough that tasks are sent while files come, large enough to share the fsyncs.
BATCH = 64
LARGE_DRAIN = 1000
LOOK_AGAIN_SECONDS = 1.0
LOST = "the journal was lost: whether this was sent before is not known; it may have been paid twice"
_GUARDED = (
    "is a second name of a file of secrets or of the journal, which is not read; drop a file with the text itself"
)


@dataclass(frozen=True)
class _Read:
    """A claimed file that has been read: `refusal` says why it cannot be accepted.

    `is_gated`: hooks want to hear of it before it is sent.
    """

    claim: Claim
    task: Task
    warnings: tuple[str, ...] = ()
    refusal: str | None = None
    is_gated: bool = False


class Intake:
    """Takes the complete files in the outbox, in order of arrival, until a listing finds none.

    One batch for each turn of the runner, so that the first tasks are sent while the last files are still taken.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._listed: deque[str] = deque()
        self._taken_in_a_row = 0

    def list_files(self) -> None:
        """See what is there, unless files wait that were seen before. Raises OSError."""
        if not self._listed:
            self._listed.extend(self._parts.outbox.arrived())

    def take_batch(self) -> float | None:
        """Take up to 64 listed files; return in how many seconds the folder is worth another look. Raises OSError."""
        batch = [self._listed.popleft() for _ in range(min(BATCH, len(self._listed)))]
        taken = len(_take(self._parts, batch)) if batch else 0
        self._taken_in_a_row += taken
        if taken or self._listed:
            return 0.0
        was_large, self._taken_in_a_row = self._taken_in_a_row > LARGE_DRAIN, 0
        return LOOK_AGAIN_SECONDS if was_large else self._parts.outbox.seconds_to_look()

    def start_over(self) -> None:
        """Insert what was claimed and not inserted before something went wrong. Raises OSError."""
        self._listed.clear()
        recover(self._parts)


def take_now(parts: Parts, names: list[str]) -> None:
    """Take these files now, as far as they are complete, and what was claimed before. Raises OSError."""
    recover(parts)
    _take(parts, names)


def recover(parts: Parts) -> None:
    """Finish what a killed runner had claimed but not put away."""
    _insert(parts, parts.outbox.claimed_before())


def tidy(parts: Parts) -> None:
    """Forget the files of tasks that have ended; their ends were cut. What the journal has lost gets a row again."""
    found = {file: file.name.partition("__")[0] for file in parts.workspace.accepted.iterdir()}
    # What somebody else put there is no task's file.
    kept = {file: task_id for file, task_id in found.items() if is_id(task_id)}
    ids = list(kept.values())
    known, is_open = parts.journal.read(lambda db: (tasks.known(db, ids), tasks.open_among(db, ids)))
    for file, task_id in kept.items():
        if task_id not in known and results.read(parts.workspace.results, task_id) is None:
            LOGGER.error("%s: the journal has lost this task; %s", task_id, LOST)
            take_back(parts, file)
        elif task_id in known and task_id not in is_open:
            file.unlink(missing_ok=True)


def take_back(parts: Parts, file: Path) -> None:
    """Make a row for a task of which only its file in `spool/accepted/` tells. Raises OSError.

    What cannot be accepted any more is claimed again, to be refused at the next start.
    """
    task_id, _, name = file.name.partition("__")
    read = _read(parts, Claim(task_id, file, name))
    if read.refusal is not None:
        file.rename(parts.workspace.incoming / file.name)
        return
    now = parts.clock.now()
    entry = doubted(parts, _entry(read, now))

    def insert(db: Connection) -> None:
        tasks.accept(db, entry, read.task, file.name)
        if read.task.dedupe_key:
            dedupe.remember_key(db, read.task.dedupe_key, task_id, now)
        tell_if_held(db, parts, entry, now)

    parts.journal.write(insert)
    _log(read)


def doubted(parts: Parts, entry: Entry) -> Entry:
    """Return the fresh row of a task that the journal has lost: it may have been sent, and so paid for, before.

    Unless its whole answer is on the disk, or it is for the imitation. A person decides where config.yaml says so.
    """
    folder = parts.workspace.turns
    answers = turns.all_of(folder, entry.id, entry.retried)
    is_answered = bool(answers and turns.is_whole(answers[-1])) or turns.kept(folder, entry.id, entry.retried)
    if entry.standin or is_answered:
        return entry
    told = replace(entry, warnings=(*entry.warnings, LOST))
    return replace(told, state=State.HELD, hold_reason="unknown") if parts.config.retry.on_unknown == "hold" else told


def tell_if_held(db: Connection, parts: Parts, entry: Entry, now: float) -> None:
    """Owe hooks the news of a task that is held because nobody knows whether it was sent."""
    if entry.hold_reason == "unknown":
        notifying.answer_unknown(db, parts.newest_config, [entry.id], now)


def _take(parts: Parts, names: list[str]) -> list[Claim]:
    claims = parts.outbox.claim(names, lambda task_id: _is_known(parts, task_id))
    _insert(parts, claims)
    return claims


def _is_known(parts: Parts, task_id: str) -> bool:
    return bool(parts.journal.read(lambda db: tasks.known(db, [task_id])))


def _insert(parts: Parts, claims: list[Claim]) -> None:
    """Insert all rows in one transaction; only then put the files away."""
    now = parts.clock.now()
    known = parts.journal.read(lambda db: tasks.known(db, [claim.task_id for claim in claims]))
    new = [_read(parts, claim) for claim in claims if claim.task_id not in known]
    for read in new:
        if read.refusal is not None:
            _write_refusal(parts, read, read.refusal, now)
    accepted = {read.claim.task_id for read in new if read.refusal is None}
    inserted = parts.journal.write(lambda db: _insert_rows(db, parts, new, now))
    crash_points.reached(Point.TASKS_INSERTED)
    is_open = {read.claim.task_id for read in inserted if read.refusal is None}
    is_open |= parts.journal.read(lambda db: tasks.open_among(db, list(known))) if known else set()
    for claim in claims:
        _put_away(parts, claim, is_open=claim.task_id in is_open, may_be_refused=claim.task_id not in accepted)
    for read in inserted:
        _log(read)


def _read(parts: Parts, claim: Claim) -> _Read:
    shown = reading.shown_name(claim.file_name)
    unread = Task(prompt=f"(the refused file {shown!r})", name=derived_name(Path(shown).stem))
    try:
        return _accepted(parts, claim, shown)
    except TaskError as error:
        told = str(error)
        return _Read(claim, unread, refusal=told if told.startswith(shown) else f"{shown}: {told}")
    except OSError:
        # Ours, not the file's: it stays claimed and is read again.
        raise
    except Exception as error:  # noqa: BLE001
        # Whatever a file does to us, it must not do it again at every start.
        LOGGER.exception("a bug: %s cannot be read", visible(shown))
        return _Read(claim, unread, refusal=f"{shown}: cannot be read ({error}); please report it with the log")


def _accepted(parts: Parts, claim: Claim, shown: str) -> _Read:
    if is_guarded(parts.workspace, claim.path):
        raise TaskError(f"{shown}: {_GUARDED}")
    data, owner = reading.read_bytes(claim.path, shown, parts.config.max_task_bytes)
    task, warnings = reading.parse(data, claim.file_name)
    if owner != os.getuid():
        # Anybody can write the word; only our own user is believed about where a task was sent from.
        task = task.model_copy(update={"dispatched_from": None})
    try:
        asking.check_context(parts, task)
    except TaskError as error:
        return _Read(claim, task, refusal=f"{shown}: {error}")
    return _Read(claim, task, tuple(warnings), is_gated=gates.any_for(parts, CREATED, task.name))


def _insert_rows(db: Connection, parts: Parts, reads: Iterable[_Read], now: float) -> list[_Read]:
    """Insert a row for each file but those whose dedupe key stands for another task; return what was inserted."""
    inserted = []
    for read in reads:
        key = read.task.dedupe_key
        first = dedupe.seen_key(db, key, now) if key and read.refusal is None else None
        if first and first != read.claim.task_id:
            LOGGER.info("%s is not run: dedupe_key %s was seen with %s", read.claim.task_id, visible(key or ""), first)
            continue
        tasks.accept(db, _entry(read, now), read.task, _accepted_name(read.claim))
        if read.refusal is not None:
            ending.record(db, parts, _result(read, read.refusal, now))
        elif key:
            dedupe.remember_key(db, key, read.claim.task_id, now)
        inserted.append(read)
    return inserted


def _entry(read: _Read, now: float) -> Entry:
    return tasks.fresh(read.claim.task_id, read.task, read.warnings, now, CREATED.name if read.is_gated else None)


def _result(read: _Read, reason: str, now: float) -> dict[str, Any]:
    failure = ending.Failure("invalid_task", reason)
    return ending.build(_entry(read, now), read.task, None, failure, now, None)


def _write_refusal(parts: Parts, read: _Read, reason: str, now: float) -> None:
    """Put the result and the reason on the disk before the row, so that no crash leaves a row without them."""
    results.write(parts.workspace.results, _result(read, reason, now))
    file = parts.workspace.rejected / f"{read.claim.path.name}.reason.txt"
    atomic.write_text(file, f"{reason}\n\nMend the file and drop it into outbox/ again.\n")
    crash_points.reached(Point.REFUSAL_WRITTEN)


def _accepted_name(claim: Claim) -> str:
    """Return a name that the journal can hold: text, whatever bytes the file was dropped under."""
    return accepted_name(cut(reading.shown_name(claim.path.name)))


def _put_away(parts: Parts, claim: Claim, *, is_open: bool, may_be_refused: bool) -> None:
    """Keep an accepted file until its task has ended, and a refused one beside its reason; unlink any other."""
    rejected = parts.workspace.rejected / claim.path.name
    with contextlib.suppress(FileNotFoundError):
        if is_open:
            claim.path.rename(parts.workspace.accepted / _accepted_name(claim))
        elif may_be_refused and rejected.with_name(f"{rejected.name}.reason.txt").exists():
            claim.path.rename(rejected)
            atomic.sync_folder(rejected.parent)
        # Of a file that a power cut has left with both names, rename(2) removes none.
        claim.path.unlink(missing_ok=True)
    crash_points.reached(Point.CLAIM_PUT_AWAY)


def _log(read: _Read) -> None:
    shown = visible(reading.shown_name(read.claim.file_name))
    if read.refusal is not None:
        LOGGER.warning("%s failed kind=invalid_task file=%s: %s", read.claim.task_id, shown, visible(read.refusal))
    else:
        is_held = read.is_gated or read.task.after
        transition(read.claim.task_id, State.HELD if is_held else State.AVAILABLE, file=shown)
