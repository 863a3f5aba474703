"""Single facts about the queue that must survive a restart."""

from __future__ import annotations

from kimi_hooks.journal.store import Connection

# Reasons for a pause that are no error of Kimi's; the others are error kinds.
BY_PERSON = "person"
NO_KEY = "no_key"


def paused(db: Connection) -> str | None:
    """Return why the queue is paused, None when it is not."""
    row = db.execute("SELECT value FROM facts WHERE key = 'paused'").fetchone()
    return row["value"] if row else None


def pause(db: Connection, reason: str) -> None:
    db.execute("INSERT OR REPLACE INTO facts (key, value) VALUES ('paused', ?)", (reason,))


def resume(db: Connection) -> None:
    db.execute("DELETE FROM facts WHERE key = 'paused'")
