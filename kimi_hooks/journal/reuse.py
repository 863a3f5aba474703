"""Tasks that an earlier answer would do for, and what was asked before."""

from __future__ import annotations

from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import COLUMNS, Entry, entry_of


def to_look_up(db: Connection, now: float, limit: int) -> list[tuple[Entry, str]]:
    """Return tasks that an earlier answer is to be looked for, each with its text."""
    rows = db.execute(
        f"SELECT {COLUMNS}, spec FROM tasks INDEXED BY tasks_reuse "  # noqa: S608 - ours
        "WHERE state IN ('available', 'retryable') AND reuse IS NOT NULL "
        "AND due_at <= ? ORDER BY priority DESC, seq LIMIT ?",
        (now, limit),
    )
    return [(entry_of(row), row["spec"]) for row in rows]


def looked_up(db: Connection, task_id: str) -> None:
    """Let a task be sent for which there is no earlier answer."""
    db.execute("UPDATE tasks SET reuse = NULL WHERE id = ?", (task_id,))


def answered_before(db: Connection, fingerprint: str, since: float) -> list[str]:
    """Return the tasks, the newest first, that asked the same and were answered since an instant."""
    query = "SELECT id FROM tasks WHERE fingerprint = ? AND completed_at >= ? ORDER BY completed_at DESC LIMIT 10"
    return [row["id"] for row in db.execute(query, (fingerprint, since))]


def remember(db: Connection, task_id: str, fingerprint: str) -> None:
    """Remember what a task asked, so that another one may be given its answer."""
    db.execute("UPDATE tasks SET fingerprint = ? WHERE id = ?", (fingerprint, task_id))
