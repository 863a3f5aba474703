"""What calls to Kimi have taken, added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kimi_hooks.journal.store import Connection

# Each way to divide the bill, and the SQL that tells a call's part of it.
PARTS: Mapping[str, str] = MappingProxyType(
    {
        "day": "date(sends.sent_at, 'unixepoch', 'localtime')",
        "model": "sends.model",
        "name": "tasks.name",
        "group": 'tasks."group"',
    }
)
_SUMS = """
    count(*) AS calls, sum(ended_at IS NULL) AS under_way, sum(ended_at IS NOT NULL AND prompt IS NULL) AS unknown,
    coalesce(sum(prompt), 0) AS prompt, coalesce(sum(completion), 0) AS completion,
    coalesce(sum(cached), 0) AS cached, coalesce(sum(reasoning), 0) AS reasoning,
    coalesce(sum(prompt + completion = 0), 0) AS free,
    coalesce(sum(prompt + completion > 0 AND amount IS NULL), 0) AS unpriced, coalesce(sum(amount), 0) AS amount
"""


@dataclass(frozen=True)
class Line:
    """The calls that belong to `part` and were billed in `currency`, None for those that cost nothing that is known.

    `unknown` calls may have been paid for and never told what they took; `free` ones were refused or never left; of
    `unpriced` ones the price is not known.
    """

    part: str | None
    currency: str | None
    calls: int
    under_way: int
    unknown: int
    prompt: int
    completion: int
    cached: int
    reasoning: int
    free: int
    unpriced: int
    amount: float


@dataclass(frozen=True)
class Waits:
    """Ended tasks that went to Kimi: how many, their times from acceptance to end (seconds), and polls in these."""

    tasks: int
    seconds: float
    polls: int


def lines(db: Connection, since: float, by: str | None) -> list[Line]:
    """Add the calls up that left since an instant, by a name of PARTS and by currency; None puts all together."""
    part = PARTS[by] if by else "NULL"
    rows = db.execute(
        f"SELECT {part} AS part, currency, {_SUMS} FROM sends LEFT JOIN tasks ON tasks.id = sends.task_id "  # noqa: S608 - constants
        "WHERE sends.sent_at >= ? GROUP BY part, currency ORDER BY part, currency",
        (since,),
    )
    return [Line(*row) for row in rows]


def waits(db: Connection, since: float, every: float) -> Waits:
    """Tell how long the tasks took that were sent to Kimi and ended since an instant, and how often one would ask.

    `every` is the time between two questions in seconds; a task that ended sooner is asked about once.
    """
    row = db.execute(
        "SELECT count(*), coalesce(sum(took), 0), coalesce(sum(CAST(took / ? AS INTEGER) + 1), 0) FROM (SELECT "
        "max(completed_at - created_at, 0) AS took FROM tasks "
        "WHERE NOT standin AND attempts > 0 AND completed_at >= ?)",
        (every, since),
    ).fetchone()
    return Waits(*row)
