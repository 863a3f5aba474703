"""Events of which nothing else tells, kept for the hooks that are owed them."""

from __future__ import annotations

import json

from kimi_hooks.events import KINDS, Moment
from kimi_hooks.journal.store import Connection


def add(db: Connection, moment: Moment) -> None:
    """Keep the event; one that is there already stays as it is."""
    db.execute(
        "INSERT OR IGNORE INTO moments (event_id, event, task_id, fields) VALUES (?, ?, ?, ?)",
        (moment.event_id, moment.kind.name, moment.task_id, json.dumps(moment.fields)),
    )


def get(db: Connection, event_id: str) -> Moment | None:
    row = db.execute("SELECT event, task_id, fields FROM moments WHERE event_id = ?", (event_id,)).fetchone()
    return Moment(KINDS[row["event"]], event_id, json.loads(row["fields"]), row["task_id"]) if row else None


def forget(db: Connection, before: float) -> None:
    """Forget the events of which every hook was told, or given up, before the instant: nobody reads them any more."""
    db.execute(
        "DELETE FROM moments WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.event_id = moments.event_id "
        "AND (state IN ('waiting', 'behind', 'running') OR due_at >= ?))",
        (before,),
    )
