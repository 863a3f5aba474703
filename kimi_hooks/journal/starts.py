"""Which tasks may be sent now, and their start: the row and the record of the call in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kimi_hooks.journal import sends
from kimi_hooks.journal.sends import Send
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import COLUMNS, Entry, entry_of


@dataclass(frozen=True)
class Due:
    """A waiting task whose time has come."""

    seq: int
    id: str


def next_due(db: Connection, now: float, limit: int, *, standin: bool) -> list[Due]:
    """Return up to `limit` tasks that may be sent now: higher priority, then arrival."""
    # By the index in their order: the planner would rather sort all that are due, which may be thousands.
    rows = db.execute(
        "SELECT seq, id FROM tasks INDEXED BY tasks_waiting "
        "WHERE state IN ('available', 'retryable') AND reuse IS NULL AND standin = ? "
        "AND due_at <= ? AND (deadline_at IS NULL OR deadline_at > ?) ORDER BY priority DESC, seq LIMIT ?",
        (standin, now, now, limit),
    )
    return [Due(*row) for row in rows]


def start(db: Connection, due: Sequence[Due], sent: Sequence[Send], now: float) -> list[tuple[Entry, str]]:
    """Move the tasks to `executing`; record the calls of those that go to Kimi, before they leave."""
    started = [_start(db, task.seq, now) for task in due]
    sends.record(db, sent, now)
    return started


_START = f"""
    UPDATE tasks SET state = 'executing', attempts = attempts + 1, started_at = coalesce(started_at, :now),
        deadline_at = coalesce(deadline_at, :now + timeout) WHERE seq = :seq RETURNING {COLUMNS}, spec
"""  # noqa: S608 - ours


def _start(db: Connection, seq: int, now: float) -> tuple[Entry, str]:
    row = db.execute(_START, {"now": now, "seq": seq}).fetchone()
    return entry_of(row), row["spec"]
