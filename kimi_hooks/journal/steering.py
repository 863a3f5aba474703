"""What a person does to single tasks: end them, hold them, release them, have them run again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from kimi_hooks import taken
from kimi_hooks.journal import deliveries, facts, tasks
from kimi_hooks.journal.deliveries import HookRun
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry

RUN_AGAIN = "its task was run again by a person: nobody is told any more how it had ended before"


@dataclass(frozen=True)
class Again:
    """A task that is to be run again: `gate` is the one that it has to pass first, `file` the name of its new file."""

    entry: Entry
    gate: str | None
    file: str


def cancelled(db: Connection) -> list[Entry]:
    """Return the open tasks that somebody wants no more, in the order of their arrival."""
    return tasks.entries(db, "WHERE cancel_at IS NOT NULL ORDER BY seq")


def unknown_count(db: Connection) -> int:
    """Return how many tasks are held because nobody knows their answer."""
    query = "SELECT count(*) FROM tasks WHERE state = 'held' AND hold_reason = 'unknown'"
    return int(db.execute(query).fetchone()[0])


def is_cancelled(db: Connection, task_id: str) -> bool:
    """Tell whether a person has asked for the end of an open task."""
    query = "SELECT 1 FROM tasks WHERE id = ? AND cancel_at IS NOT NULL"
    return db.execute(query, (task_id,)).fetchone() is not None


def cancel(db: Connection, task_ids: Sequence[str], now: float) -> None:
    """Note that these tasks are to be ended; whoever has them does it."""
    query = "UPDATE tasks SET cancel_at = coalesce(cancel_at, ?) WHERE id = ? AND outcome IS NULL"
    db.executemany(query, [(now, task_id) for task_id in task_ids])


def hold(db: Connection, task_ids: Sequence[str]) -> None:
    """Let waiting tasks wait for a person; their time-outs begin anew when they are sent."""
    query = "UPDATE tasks SET state = 'held', hold_reason = 'person', deadline_at = NULL WHERE id = ?"
    db.executemany(query, [(task_id,) for task_id in task_ids])


def release(db: Connection, entry: Entry, gate: str) -> None:
    """Put a held task back to where it was: to its `gate`, behind those that it comes after, or to those that wait.

    The entry tells its warnings.
    """
    # One that was sent once has passed those that it comes after.
    state, reason = _waits(db, entry.id, gate if entry.gate == gate else None, may_come_after=not entry.attempts)
    query = "UPDATE tasks SET state = ?, hold_reason = ?, warnings = ? WHERE id = ?"
    db.execute(query, (state, reason, json.dumps(entry.warnings), entry.id))


def hurry(db: Connection, task_id: str, now: float) -> None:
    """Let a task that waits for another try be due now."""
    db.execute("UPDATE tasks SET due_at = min(due_at, ?) WHERE id = ?", (now, task_id))


def run_again(db: Connection, again: Again, now: float) -> None:
    """Let an ended task wait as if it had just been accepted; what its calls took stays on its bill.

    The number of its ending is not given to another one.
    """
    entry = again.entry
    state, reason = _waits(db, entry.id, again.gate)
    facts.put(db, facts.RUN_AGAIN, str(tasks.ended_count(db) + 1))
    before = db.execute("SELECT taken, last_call FROM tasks WHERE id = ?", (entry.id,)).fetchone()
    db.execute(
        "UPDATE tasks SET state = ?, hold_reason = ?, gate = ?, due_at = ?, retried = retried + 1, taken = ?, "
        "ended = NULL, outcome = NULL, error_kind = NULL, last_error = NULL, last_call = NULL, completed_at = NULL, "
        "acknowledged_at = NULL, ack_written = 1, started_at = NULL, deadline_at = NULL, cancel_at = NULL, "
        "attempts = 0, crashes = 0, turns = 0, blocks = 0, reuse = json_extract(spec, '$.reuse'), file = ? "
        "WHERE id = ?",
        (
            state,
            reason,
            again.gate,
            now,
            taken.write(taken.read(before["taken"]) + taken.read(before["last_call"])),
            again.file,
            entry.id,
        ),
    )
    db.execute("DELETE FROM said WHERE task_id = ?", (entry.id,))
    _end_deliveries(db, entry.id, now)


def _waits(db: Connection, task_id: str, gate: str | None, *, may_come_after: bool = True) -> tuple[str, str | None]:
    """Return the state and the hold reason of a task that waits; the runner lets go of it when nothing holds it."""
    if gate is not None:
        return "held", "gate"
    comes_after = db.execute("SELECT 1 FROM needs WHERE task_id = ?", (task_id,)).fetchone() is not None
    return ("held", "after") if comes_after and may_come_after else ("available", None)


def _end_deliveries(db: Connection, task_id: str, now: float) -> None:
    """Give up on what hooks are still owed of a run that counts no more: nothing of the task is left in any lane."""
    rows = db.execute(
        "UPDATE deliveries SET state = 'gave_up', due_at = ? "
        "WHERE task_id = ? AND state IN ('waiting', 'behind', 'running') RETURNING hook_id, event, event_id, attempts",
        (now, task_id),
    ).fetchall()
    for row in rows:
        gone = HookRun(
            hook_id=row["hook_id"],
            event=row["event"],
            event_id=row["event_id"],
            task_id=task_id,
            attempt=row["attempts"],
            outcome="gave_up",
            exit_code=None,
            duration_ms=0,
            stdout="",
            stderr=RUN_AGAIN,
            ended_at=now,
        )
        deliveries.keep(db, gone)
