"""The ended tasks that nobody has acknowledged yet, and what is to be written of those that somebody has."""

from __future__ import annotations

from collections.abc import Sequence

from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry, entries


def pending(db: Connection, after: int, limit: int) -> list[Entry]:
    """Return the tasks that ended after the `after`th and that nobody has acknowledged, the newest first."""
    where = "WHERE ended IS NOT NULL AND acknowledged_at IS NULL AND ended > ?"
    return entries(db, f"{where} ORDER BY ended DESC LIMIT ?", after, limit)


def pending_count(db: Connection) -> int:
    where = "ended IS NOT NULL AND acknowledged_at IS NULL"
    return int(db.execute(f"SELECT count(*) FROM tasks WHERE {where}").fetchone()[0])  # noqa: S608 - a constant


def acknowledge(db: Connection, task_ids: Sequence[str], now: float) -> None:
    db.executemany(
        "UPDATE tasks SET acknowledged_at = ?, ack_written = 0 "
        "WHERE id = ? AND ended IS NOT NULL AND acknowledged_at IS NULL",
        [(now, task_id) for task_id in task_ids],
    )


def unacknowledged_ids(db: Connection) -> list[str]:
    return [row["id"] for row in db.execute("SELECT id FROM tasks WHERE ended IS NOT NULL AND acknowledged_at IS NULL")]


def unwritten_acks(db: Connection, limit: int) -> list[Entry]:
    """Return acknowledged tasks whose result file does not say so yet."""
    return entries(db, "WHERE ack_written = 0 LIMIT ?", limit)


def acks_written(db: Connection, task_ids: Sequence[str]) -> None:
    db.executemany("UPDATE tasks SET ack_written = 1 WHERE id = ?", [(task_id,) for task_id in task_ids])
