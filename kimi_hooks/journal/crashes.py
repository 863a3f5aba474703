"""Tasks whose call the runner's own death cut: nobody knows the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry, take
from kimi_hooks.taken import UNKNOWN


def count_crash(db: Connection, entry: Entry, now: float, warnings: Sequence[str]) -> None:
    """Retry a task whose call the runner's own death cut; the time it was dead does not count against its time-out."""
    take(db, entry, None, UNKNOWN, now)
    db.execute(
        "UPDATE tasks SET state = 'retryable', due_at = ?, deadline_at = NULL, crashes = crashes + 1, warnings = ? "
        "WHERE id = ?",
        (now, json.dumps([*entry.warnings, *warnings]), entry.id),
    )


def hold_unknown(db: Connection, entry: Entry, now: float, warnings: Sequence[str]) -> None:
    """Hold a task whose call the runner's own death cut, until a person says what becomes of it."""
    take(db, entry, None, UNKNOWN, now)
    db.execute(
        "UPDATE tasks SET state = 'held', hold_reason = 'unknown', deadline_at = NULL, crashes = crashes + 1, "
        "warnings = ? WHERE id = ?",
        (json.dumps([*entry.warnings, *warnings]), entry.id),
    )
