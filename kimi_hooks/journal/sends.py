"""The calls to Kimi: written before each leaves, for the limits; completed with what it took, for the bill.

A send that seems to lie in the future was recorded before the clock was set back: it counts as sent now, which is
never too little.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kimi_hooks.journal.store import Connection
from kimi_hooks.taken import Taken


@dataclass(frozen=True)
class Send:
    """A call that is about to leave: a guess of its prompt's tokens, and the most that it may take with its answer."""

    task_id: str
    prompt_guess: int = 0
    tokens_at_most: int = 0


@dataclass(frozen=True)
class Used:
    """What was used up since an instant; calls under way count with the guess of their prompt."""

    tokens: int
    amount: float


def record(db: Connection, sends: Iterable[Send], now: float) -> None:
    """Record calls in the transaction that lets them leave."""
    db.executemany(
        "INSERT INTO sends (task_id, sent_at, prompt_guess, tokens_at_most) VALUES (?, ?, ?, ?)",
        [(send.task_id, now, send.prompt_guess, send.tokens_at_most) for send in sends],
    )


def end(db: Connection, task_id: str, model: str | None, taken: Taken, now: float) -> None:
    """Complete the record of the task's call that is under way; what an unknown one took stays open.

    Later ones that are open were recorded for calls that never left: the answer was on the disk already.
    """
    known = not taken.unknown
    db.execute(
        "UPDATE sends SET ended_at = ?, model = ?, prompt = ?, completion = ?, cached = ?, reasoning = ?, amount = ?, "
        "currency = ? WHERE seq = (SELECT min(seq) FROM sends WHERE task_id = ? AND ended_at IS NULL)",
        (
            now,
            model,
            *(getattr(taken, name) if known else None for name in ("prompt", "completion", "cached", "reasoning")),
            taken.amount if known and not taken.unpriced else None,
            taken.currency if known else None,
            task_id,
        ),
    )
    db.execute("DELETE FROM sends WHERE task_id = ? AND ended_at IS NULL", (task_id,))


def forget(db: Connection, task_id: str) -> None:
    """Take the record of a call back that was not made after all."""
    db.execute("DELETE FROM sends WHERE task_id = ? AND ended_at IS NULL", (task_id,))


def move(db: Connection, task_id: str, now: float) -> None:
    """Let the task's call that is under way count as sent now: it took long to leave."""
    db.execute("UPDATE sends SET sent_at = ? WHERE task_id = ? AND ended_at IS NULL", (now, task_id))


def under_way_since(db: Connection, task_id: str) -> float | None:
    """Return when the task's call left that is under way; None for one of the imitation, which is not recorded."""
    row = db.execute("SELECT sent_at FROM sends WHERE task_id = ? AND ended_at IS NULL", (task_id,)).fetchone()
    return row["sent_at"] if row else None


def tokens_under_way(db: Connection, task_id: str) -> int:
    """Return the most that the task's call that is under way may take."""
    query = "SELECT coalesce(sum(tokens_at_most), 0) FROM sends WHERE task_id = ? AND ended_at IS NULL"
    return int(db.execute(query, (task_id,)).fetchone()[0])


def newest(db: Connection, number: int, now: float) -> float | None:
    """Return when the `number`th newest call left, counted from 1; None when there were fewer."""
    query = "SELECT min(sent_at, ?) FROM sends ORDER BY sent_at DESC LIMIT 1 OFFSET ?"
    row = db.execute(query, (now, number - 1)).fetchone()
    return None if row is None else float(row[0])


def within(db: Connection, since: float, now: float) -> list[tuple[float, int]]:
    """Return when the calls since an instant left, the oldest first, and the most that each may take."""
    query = "SELECT min(sent_at, ?), tokens_at_most FROM sends WHERE sent_at > ? ORDER BY sent_at"
    return [(row[0], row[1]) for row in db.execute(query, (now, since))]


def used(db: Connection, since: float, currency: str | None) -> Used:
    """Return what was used up since an instant: tokens, and money in this currency."""
    row = db.execute(
        "SELECT coalesce(sum(coalesce(prompt + completion, prompt_guess)), 0), "
        "coalesce(sum(CASE WHEN currency = ? THEN amount END), 0) FROM sends WHERE sent_at >= ?",
        (currency, since),
    ).fetchone()
    return Used(row[0], row[1])


def settle(db: Connection, now: float) -> None:
    """Give the sends that lie in the future the present as their time."""
    db.execute("UPDATE sends SET sent_at = ? WHERE sent_at > ?", (now, now))


def delay_cut(db: Connection, now: float, seconds: float) -> None:
    """Count the calls that the runner's death cut as sent up to `seconds` later: when they arrived is not known."""
    db.execute("UPDATE sends SET sent_at = min(?, sent_at + ?) WHERE ended_at IS NULL", (now, seconds))
