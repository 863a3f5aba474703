"""Where the queue stands at one instant: all that the runner decides upon, asked in one statement.

One, because Python's sqlite3 lets go of the interpreter at every row, and getting it back takes long while many
calls and hooks are at work.
"""

from __future__ import annotations

from dataclasses import dataclass

from kimi_hooks.events import CREATED
from kimi_hooks.journal.facts import PAUSED, RUN_AGAIN, SLOWED, Pause, Slowed, parse_pause, parse_slowed
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import NEWEST_ENDING

_WAITING = "state IN ('available', 'retryable') AND reuse IS NULL AND standin ="
# Without the name of the index the planner would look at every task that waits.
_WAITING_REUSE = "reuse IS NOT NULL AND state IN ('available', 'retryable')"
_QUERY = f"""
    SELECT
        (SELECT value FROM facts WHERE key = '{PAUSED}') AS pause,
        (SELECT value FROM facts WHERE key = '{SLOWED}') AS slowed,
        (SELECT min(due_at) FROM tasks INDEXED BY tasks_reuse WHERE {_WAITING_REUSE}) AS reuse_due,
        EXISTS (SELECT 1 FROM unsettled) AS any_held,
        EXISTS (SELECT 1 FROM tasks WHERE gate = '{CREATED.name}' AND hold_reason = 'gate') AS any_new,
        (SELECT min(due_at) FROM tasks WHERE {_WAITING} 0) AS due,
        (SELECT min(due_at) FROM tasks WHERE {_WAITING} 1) AS standin_due,
        (SELECT min(deadline_at) FROM tasks WHERE {_WAITING} 0 AND deadline_at IS NOT NULL) AS deadline,
        (SELECT min(deadline_at) FROM tasks WHERE {_WAITING} 1 AND deadline_at IS NOT NULL) AS standin_deadline,
        (SELECT count(*) FROM sends WHERE sent_at > :window) AS recent_sends,
        (SELECT min(sent_at) FROM sends WHERE sent_at > :window) AS oldest_recent,
        (SELECT min(sent_at, :now) FROM sends WHERE sent_at > :window
            ORDER BY sent_at DESC LIMIT 1 OFFSET :limit - 1) AS blocking_send,
        (SELECT max(sent_at) FROM sends) AS newest_send,
        (SELECT min(due_at) FROM deliveries WHERE state = 'waiting') AS news_due,
        (SELECT coalesce(max(seq), 0) FROM deliveries) AS newest_news,
        {NEWEST_ENDING} AS ended,
        (SELECT value FROM facts WHERE key = '{RUN_AGAIN}') AS run_again,
        EXISTS (SELECT 1 FROM tasks WHERE cancel_at IS NOT NULL) AS any_cancel,
        EXISTS (SELECT 1 FROM tasks WHERE ack_written = 0) AS any_ack
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Waiting:
    """The tasks that wait for Kimi, or for the imitation: the first start and the first time-out among them."""

    standin: bool
    due: float | None
    deadline: float | None


@dataclass(frozen=True)
class Standing:
    """Instants are in seconds since 1970.

    `recent_sends` left within the limit's window, the first of them at `oldest_recent`; `blocking_send` is the newest
    but `per_window - 1` in it, so that the next call must wait for it to leave the window. `ended` and `newest_news`
    are the numbers of the newest ending and of the newest delivery. `reuse_due` is the first instant at which an
    earlier answer can be looked for. `any_new`: a task waits to be taken on by a gate. `any_held`: something has
    changed for a task that comes after others. `any_cancel`: somebody asked for the end of one. `run_again` changes
    when ended tasks are open again.
    """

    now: float
    pause: Pause | None
    slowed: Slowed | None
    reuse_due: float | None
    any_held: bool
    any_new: bool
    for_kimi: Waiting
    for_standin: Waiting
    recent_sends: int
    oldest_recent: float | None
    blocking_send: float | None
    newest_send: float | None
    news_due: float | None
    newest_news: int
    ended: int
    run_again: str | None
    any_cancel: bool
    any_ack: bool


def look(db: Connection, now: float, window: float, per_window: int) -> Standing:
    """Return where the queue stands, when the limit allows `per_window` calls in `window` seconds."""
    row = db.execute(_QUERY, {"now": now, "window": now - window, "limit": per_window}).fetchone()
    return Standing(
        now=now,
        pause=parse_pause(row["pause"]),
        slowed=parse_slowed(row["slowed"]),
        reuse_due=row["reuse_due"],
        any_held=bool(row["any_held"]),
        any_new=bool(row["any_new"]),
        for_kimi=Waiting(False, row["due"], row["deadline"]),
        for_standin=Waiting(True, row["standin_due"], row["standin_deadline"]),
        recent_sends=row["recent_sends"],
        oldest_recent=row["oldest_recent"],
        blocking_send=row["blocking_send"],
        newest_send=row["newest_send"],
        news_due=row["news_due"],
        newest_news=row["newest_news"],
        ended=row["ended"],
        run_again=row["run_again"],
        any_cancel=bool(row["any_cancel"]),
        any_ack=bool(row["any_ack"]),
    )
