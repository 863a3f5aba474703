"""When calls left for Kimi: what the limiter counts, written before each call."""

from __future__ import annotations

from kimi_hooks.journal.store import Connection


def since(db: Connection, then: float, now: float) -> list[float]:
    """Return the times of the sends after `then`, oldest first.

    A send that seems to lie in the future was recorded before the clock was set back: it counts as sent now, which
    is never too little.
    """
    rows = db.execute("SELECT min(sent_at, ?) AS at FROM sends WHERE sent_at > ? ORDER BY sent_at", (now, then))
    return [row["at"] for row in rows]


def settle(db: Connection, now: float, forget_before: float) -> None:
    """Forget old sends, and give those that lie in the future the present as their time."""
    db.execute("DELETE FROM sends WHERE sent_at < ?", (forget_before,))
    db.execute("UPDATE sends SET sent_at = ? WHERE sent_at > ?", (now, now))
