"""Dedupe keys: which task has brought one in the last 24 hours."""

from __future__ import annotations

from kimi_hooks.journal.store import Connection

DEDUPE_SECONDS = 24 * 3600.0


def seen_key(db: Connection, key: str, now: float) -> str | None:
    """Return the id of the task that had this dedupe key in the last 24 hours."""
    row = db.execute("SELECT task_id FROM dedupe WHERE key = ? AND seen_at > ?", (key, now - DEDUPE_SECONDS)).fetchone()
    return row["task_id"] if row else None


def remember_key(db: Connection, key: str, task_id: str, now: float) -> None:
    """Let the key stand for this task. A key that the dispatcher has already bound to it keeps its time."""
    db.execute("DELETE FROM dedupe WHERE seen_at <= ?", (now - DEDUPE_SECONDS,))
    db.execute("INSERT OR IGNORE INTO dedupe (key, task_id, seen_at) VALUES (?, ?, ?)", (key, task_id, now))
