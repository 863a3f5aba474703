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
    """Pause the queue. What a person has paused stays paused by that person, whatever goes wrong meanwhile."""
    db.execute(
        "INSERT INTO facts (key, value) VALUES ('paused', ?) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value != ?",
        (reason, BY_PERSON),
    )


def resume(db: Connection) -> None:
    db.execute("DELETE FROM facts WHERE key = 'paused'")
