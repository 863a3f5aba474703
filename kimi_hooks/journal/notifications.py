"""News about the queue itself: what was told, in the words in which it was told."""

from __future__ import annotations

import json

from kimi_hooks.events import Notification
from kimi_hooks.journal.store import Connection


def add(db: Connection, given: Notification) -> None:
    """Insert the notification, in the transaction of what it tells of."""
    db.execute(
        "INSERT INTO notifications (event_id, type, title, message, detail, at) "
        "VALUES (:event_id, :type, :title, :message, :detail, :at)",
        {**vars(given), "detail": json.dumps(given.detail)},
    )


def get(db: Connection, event_id: str) -> Notification | None:
    columns = "event_id, type, title, message, detail, at"
    row = db.execute(f"SELECT {columns} FROM notifications WHERE event_id = ?", (event_id,)).fetchone()  # noqa: S608 - ours
    return Notification(**{**dict(row), "detail": json.loads(row["detail"])}) if row else None
