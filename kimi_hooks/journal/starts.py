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


# So many are quickly sorted.
_FEW = 64
_NEXT = (
    "FROM tasks INDEXED BY {index} WHERE state IN ('available', 'retryable') AND reuse IS NULL AND standin = :standin"
)
_ANY = f"SELECT count(*) FROM (SELECT 1 {_NEXT.format(index='tasks_due')} AND due_at <= :now LIMIT {_FEW})"  # noqa: S608 - ours
_IN_ORDER = (
    "SELECT seq, id {next} AND due_at <= :now AND (deadline_at IS NULL OR deadline_at > :now) "
    "ORDER BY priority DESC, seq LIMIT :limit"
)


def next_due(db: Connection, now: float, limit: int, *, standin: bool) -> list[Due]:
    """Return up to `limit` tasks that may be sent now: higher priority, then arrival."""
    values = {"now": now, "standin": standin, "limit": limit}
    # Where thousands are due, by the index in their order; the planner would rather sort them all. Where thousands are
    # not, and few are, by the index of their times.
    is_few = db.execute(_ANY, values).fetchone()[0] < _FEW
    order = _IN_ORDER.format(next=_NEXT.format(index="tasks_due" if is_few else "tasks_waiting"))
    return [Due(*row) for row in db.execute(order, values)]


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
