"""When calls left for Kimi: what the limiter counts, written before each call.

A send that seems to lie in the future was recorded before the clock was set back: it counts as sent now, which is
never too little.
"""

from __future__ import annotations

from kimi_hooks.journal.store import Connection


def newest(db: Connection, number: int, now: float) -> float | None:
    """Return when the `number`th newest call left, counted from 1; None when there were fewer."""
    query = "SELECT min(sent_at, ?) FROM sends ORDER BY sent_at DESC LIMIT 1 OFFSET ?"
    row = db.execute(query, (now, number - 1)).fetchone()
    return None if row is None else float(row[0])


def settle(db: Connection, now: float, forget_before: float) -> None:
    """Forget old sends, and give those that lie in the future the present as their time."""
    db.execute("DELETE FROM sends WHERE sent_at < ?", (forget_before,))
    db.execute("UPDATE sends SET sent_at = ? WHERE sent_at > ?", (now, now))
