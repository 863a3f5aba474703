"""One row for each task: what was accepted, where it stands, how it ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from kimi_hooks import taken
from kimi_hooks.errors import JournalError
from kimi_hooks.journal import facts, sends
from kimi_hooks.journal.store import Connection, Row
from kimi_hooks.states import ENDED, Outcome, State
from kimi_hooks.taken import NOTHING, Taken

if TYPE_CHECKING:
    from kimi_hooks.task import Task

COLUMNS = (
    'seq, id, name, "group", state, hold_reason, priority, standin, due_at, created_at, started_at, deadline_at, '
    "completed_at, attempts, crashes, last_error, outcome, error_kind, acknowledged_at, warnings, "
    "turns, taken, reuse, gate, blocks, retried, cancel_at"
)
# A task that is run again loses the number of its ending, and nobody must get that once more.
NEWEST_ENDING = (
    "max(coalesce((SELECT max(ended) FROM tasks), 0), "  # noqa: S608 - a constant
    f"coalesce((SELECT CAST(value AS INTEGER) FROM facts WHERE key = '{facts.RUN_AGAIN}'), 0))"
)
# What `gate` says of a task that was let in, and sent or about to be.
PROMPTED = "prompted"


@dataclass(frozen=True)
class Entry:
    """A task's row without its text. Times are in seconds since 1970.

    `turns` counts the answers of Kimi that are kept and not the last one, `taken` is what the calls before this one
    took. `reuse` is how old an answer may be, in seconds, that is still to be looked for; None when none is. `gate` is
    where it stands at its gates (`journal.gates`), `blocks` how many of its answers were refused there. `retried` is
    how often somebody had it run again after its end; `cancel_at` when somebody asked for its end.
    """

    seq: int
    id: str
    name: str
    group: str | None
    state: State
    hold_reason: str | None
    priority: int
    standin: bool
    due_at: float
    created_at: float
    started_at: float | None
    deadline_at: float | None
    completed_at: float | None
    attempts: int
    crashes: int
    last_error: str | None
    outcome: Outcome | None
    error_kind: str | None
    acknowledged_at: float | None
    warnings: tuple[str, ...]
    turns: int = 0
    taken: Taken = NOTHING
    reuse: float | None = None
    gate: str | None = None
    blocks: int = 0
    retried: int = 0
    cancel_at: float | None = None

    @property
    def failures(self) -> int:
        """Return how many calls were made, this one included, that gave no answer and were not cut by our death."""
        return self.attempts - self.crashes - self.turns


_FIELDS = tuple(field.name for field in fields(Entry))


def entry_of(row: Row) -> Entry:
    """Make an entry of a row that begins with `COLUMNS`. Raises JournalError where it says what cannot be."""
    values: dict[str, Any] = dict(zip(_FIELDS, row, strict=False))
    try:
        values["state"] = State(values["state"])
        values["outcome"] = Outcome(values["outcome"]) if values["outcome"] else None
        values["warnings"] = tuple(json.loads(values["warnings"])) if values["warnings"] != "[]" else ()
        values["taken"] = taken.read(values["taken"])
    except (ValueError, TypeError) as error:
        told = f"the row of {values['id']} says what cannot be ({error})"
        raise JournalError(f"spool/journal.db: {told}; mend it with: kimi-hooks stop; kimi-hooks fsck") from error
    return Entry(**{**values, "standin": bool(values["standin"])})


def entries(db: Connection, where: str, *values: object) -> list[Entry]:
    """Return the tasks that the clause names."""
    return [entry_of(row) for row in db.execute(f"SELECT {COLUMNS} FROM tasks {where}", values)]  # noqa: S608 - ours


def fresh(task_id: str, task: Task, warnings: Sequence[str], now: float, gate: str | None = None) -> Entry:
    """Return the row of a task that is accepted now: available, or held until the tasks it comes after have ended.

    Held as well is one that waits at a gate.
    """
    hold_reason = "gate" if gate else "after" if task.after else None
    return Entry(
        seq=0,
        id=task_id,
        name=task.name,
        group=task.group,
        state=State.HELD if hold_reason else State.AVAILABLE,
        hold_reason=hold_reason,
        priority=task.priority,
        standin=task.standin,
        due_at=task.starts_at(now),
        created_at=now,
        started_at=None,
        deadline_at=None,
        completed_at=None,
        attempts=0,
        crashes=0,
        last_error=None,
        outcome=None,
        error_kind=None,
        acknowledged_at=None,
        warnings=tuple(warnings),
        reuse=task.reuse,
        gate=gate,
    )


def accept(db: Connection, entry: Entry, task: Task, file: str | None = None) -> None:
    """Insert a fresh row and what it comes after; `file` is the name of what it was read from, in `spool/accepted/`."""
    values = {**vars(entry), "warnings": json.dumps(entry.warnings), "timeout": task.timeout, "file": file}
    db.execute(
        'INSERT INTO tasks (id, name, "group", state, hold_reason, priority, standin, due_at, timeout, created_at, '
        "warnings, reuse, gate, file, spec) VALUES (:id, :name, :group, :state, :hold_reason, :priority, :standin, "
        ":due_at, :timeout, :created_at, :warnings, :reuse, :gate, :file, :spec)",
        {**values, "spec": task.model_dump_json()},
    )
    for ref in task.after:
        db.execute("INSERT OR IGNORE INTO needs (task_id, ref) VALUES (?, ?)", (entry.id, ref))


def get(db: Connection, task_id: str) -> Entry | None:
    found = entries(db, "WHERE id = ?", task_id)
    return found[0] if found else None


def known(db: Connection, task_ids: Sequence[str]) -> set[str]:
    """Return those of the ids that have a row."""
    query = "SELECT id FROM tasks WHERE id IN (SELECT value FROM json_each(?))"
    return {row["id"] for row in db.execute(query, (json.dumps(task_ids),))}


def open_among(db: Connection, task_ids: Sequence[str]) -> set[str]:
    """Return those of the ids whose task has not ended."""
    query = "SELECT id FROM tasks WHERE id IN (SELECT value FROM json_each(?)) AND outcome IS NULL"
    return {row["id"] for row in db.execute(query, (json.dumps(task_ids),))}


def task_of(db: Connection, task_id: str) -> Task:
    """Return what the task's file said."""
    return parse(db.execute("SELECT spec FROM tasks WHERE id = ?", (task_id,)).fetchone()[0])


def parse(spec: str) -> Task:
    """Return the task in a row's `spec`. Raises ValueError for one that another version wrote and we cannot read."""
    from kimi_hooks.task import Task  # noqa: PLC0415 - whoever waits for a task or looks a key up never reads one

    return Task.model_validate_json(spec)


def in_state(db: Connection, state: State, limit: int = -1) -> list[Entry]:
    """Return the tasks in this state, the next one first; all of them unless a limit is given."""
    return entries(db, "WHERE state = ? ORDER BY priority DESC, seq LIMIT ?", state, limit)


def counts(db: Connection) -> dict[str, int]:
    """Return how many tasks are in each state."""
    return dict(db.execute("SELECT state, count(*) FROM tasks GROUP BY state").fetchall())


def overdue(db: Connection, now: float, *, standin: bool) -> list[Entry]:
    """Return the waiting tasks whose own time-out has passed."""
    where = "WHERE state IN ('available', 'retryable') AND reuse IS NULL AND deadline_at <= ? AND standin = ?"
    return entries(db, where, now, standin)


def resume_queue(db: Connection, *, by_person: bool = True) -> bool:
    """End the pause, and give the waiting tasks their whole time-out again; tell whether there was a pause.

    Where a person does so though a budget was used up, it does not count any more for the rest of the day.
    """
    pause = facts.pause_of(db)
    if by_person and pause is not None and pause.reason == facts.BUDGET:
        facts.put(db, facts.WAIVED, str(pause.until))
    forget_deadlines(db)
    return facts.resume(db)


def forget_deadlines(db: Connection) -> None:
    """Give the waiting tasks their whole time-out again, from their next call on."""
    db.execute("UPDATE tasks SET deadline_at = NULL WHERE state IN ('available', 'retryable')")


def any_open(db: Connection, now: float, *, standin: bool) -> bool:
    """Tell whether a task is being answered, waits for its turn now, or has been tried and will be again."""
    row = db.execute(
        "SELECT 1 FROM tasks WHERE (state IN ('executing', 'retryable') OR (state = 'available' AND due_at <= ?)) "
        "AND standin = ? LIMIT 1",
        (now, standin),
    ).fetchone()
    return row is not None


def retry_at(db: Connection, task_id: str, due_at: float, why: str) -> None:
    """Let the task wait for another try, and remember what went wrong."""
    db.execute("UPDATE tasks SET state = 'retryable', due_at = ?, last_error = ? WHERE id = ?", (due_at, why, task_id))


def take(db: Connection, entry: Entry, model: str | None, took: Taken, now: float) -> None:
    """Note what the task's call took: in the record of that call, and in the sum of the task."""
    sends.end(db, entry.id, model, took, now)
    db.execute("UPDATE tasks SET taken = ? WHERE id = ?", (taken.write(entry.taken + took), entry.id))


def taken_before(db: Connection, task_id: str) -> Taken:
    """Return what the task's calls took before the one that is under way."""
    return taken.read(db.execute("SELECT taken FROM tasks WHERE id = ?", (task_id,)).fetchone()[0])


def last_call(db: Connection, task_id: str) -> Taken:
    """Return what the last call of an ended task took."""
    return taken.read(db.execute("SELECT last_call FROM tasks WHERE id = ?", (task_id,)).fetchone()[0])


def put_back(db: Connection, task_id: str, why: str) -> None:
    """Make a task available again whose call was refused for a reason that is not the task's."""
    db.execute(
        "UPDATE tasks SET state = 'available', attempts = attempts - 1, last_error = ? WHERE id = ?", (why, task_id)
    )


def keep_turn(db: Connection, task_id: str, turns: int, now: float) -> None:
    """Let a task go on whose answers so far are kept: it waits for its next call."""
    db.execute("UPDATE tasks SET state = 'available', turns = ?, due_at = ? WHERE id = ?", (turns, now, task_id))


def keep_whole(db: Connection, entry: Entry, gate: str) -> None:
    """Let a task wait at the gate for whole answers, with one answer more than the entry tells of."""
    db.execute(
        "UPDATE tasks SET turns = ?, gate = ?, warnings = ? WHERE id = ?",
        (entry.turns + 1, gate, json.dumps(entry.warnings), entry.id),
    )


def finish(
    db: Connection, task_id: str, outcome: Outcome, error_kind: str | None, attempts: int, took: Taken, now: float
) -> str | None:
    """Record how the task ended, once its result is on the disk: that knows of a start which was no call after all.

    `took` is what its last call took. Return the name of the file that it was read from, None when it is not kept.
    """
    row = db.execute(
        "UPDATE tasks SET state = ?, hold_reason = NULL, gate = NULL, cancel_at = NULL, outcome = ?, "  # noqa: S608 - ours
        "error_kind = ?, "
        f"completed_at = ?, attempts = ?, last_call = ?, ended = {NEWEST_ENDING} + 1 WHERE id = ? "
        "RETURNING file",
        (outcome.state, outcome, error_kind, now, attempts, taken.write(took), task_id),
    ).fetchone()
    return row["file"] if row else None


def ended_count(db: Connection) -> int:
    """Return the number of the newest ending; it grows with each task that ends, and with each that is run again."""
    return int(db.execute(f"SELECT {NEWEST_ENDING}").fetchone()[0])


def failed_since(db: Connection, ended: int) -> bool:
    """Tell whether a task that ended after the `ended`th is not done."""
    return db.execute("SELECT 1 FROM tasks WHERE ended > ? AND outcome != 'done'", (ended,)).fetchone() is not None


def latest_ended(db: Connection) -> str | None:
    row = db.execute("SELECT id FROM tasks WHERE ended IS NOT NULL ORDER BY ended DESC LIMIT 1").fetchone()
    return row["id"] if row else None


def is_ended(entry: Entry) -> bool:
    return entry.state in ENDED
