"""One row for each (event, hook) that is owed, and one for each run of a hook."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kimi_hooks.events import MAX_DESCRIPTION
from kimi_hooks.journal.store import Connection

RunOutcome = Literal["delivered", "retry", "gave_up", "allowed", "blocked", "failed"]
# What stands in the column of news that is no task's: it was made to hold a task always.
_NO_TASK = ""


@dataclass(frozen=True)
class Delivery:
    """News that is owed to one hook; `task_id` is None when it is no task's news.

    `attempts` counts its runs, the one under way included; `crashes` those that the runner's own death cut. `prompt` is
    the beginning of the task's, when the delivery has been started.
    """

    event_id: str
    hook_id: str
    event: str
    task_id: str | None
    attempts: int = 0
    crashes: int = 0
    prompt: str = ""

    @property
    def about(self) -> str:
        """What a line for people begins with: the task, or the event where there is none."""
        return self.task_id or self.event_id


@dataclass(frozen=True)
class HookRun:
    """The record of one run of a hook; `stdout` and `stderr` are the ends of its outputs.

    `task_id` is None when it was no task's news. `ended_at` is in seconds since 1970. `reason` is why a gate's hook
    refused or could not be heard. `run` is the number of the record, 0 before there is one.
    """

    hook_id: str
    event: str
    event_id: str
    task_id: str | None
    attempt: int
    outcome: RunOutcome
    exit_code: int | None
    duration_ms: int
    stdout: str
    stderr: str
    ended_at: float
    http_status: int | None = None
    reason: str | None = None
    run: int = 0

    @property
    def about(self) -> str:
        """What a line for people begins with: the task, or the event where there is none."""
        return self.task_id or self.event_id


def owe(db: Connection, deliveries: Iterable[Delivery], now: float) -> None:
    """Insert the deliveries; one that is there already stays as it is."""
    db.executemany(
        "INSERT OR IGNORE INTO deliveries (event_id, hook_id, event, task_id, state, due_at) "
        "VALUES (?, ?, ?, ?, 'waiting', ?)",
        [(owed.event_id, owed.hook_id, owed.event, owed.task_id or _NO_TASK, now) for owed in deliveries],
    )


def start_due(db: Connection, now: float, limit: int, newest: int) -> list[Delivery]:
    """Mark up to `limit` deliveries whose time has come as running, none after number `newest`."""
    rows = db.execute(
        "SELECT seq, event_id, hook_id, event, nullif(task_id, ''), attempts + 1, crashes, "
        "coalesce((SELECT substr(json_extract(spec, '$.prompt'), 1, ?) FROM tasks WHERE id = task_id), '') "
        "FROM deliveries "
        "WHERE state = 'waiting' AND due_at <= ? AND seq <= ? ORDER BY due_at, seq LIMIT ?",
        (MAX_DESCRIPTION, now, newest, limit),
    ).fetchall()
    db.executemany(
        "UPDATE deliveries SET state = 'running', attempts = attempts + 1 WHERE seq = ?",
        [(row["seq"],) for row in rows],
    )
    return [Delivery(*tuple(row)[1:]) for row in rows]


def record(db: Connection, run: HookRun, retry_at: float | None) -> None:
    """Keep the record of a run and, in the same transaction, what becomes of its delivery."""
    state = "waiting" if run.outcome == "retry" else run.outcome
    db.execute(
        "UPDATE deliveries SET state = ?, due_at = ? WHERE event_id = ? AND hook_id = ?",
        (state, retry_at or run.ended_at, run.event_id, run.hook_id),
    )
    keep(db, run)


def keep(db: Connection, run: HookRun) -> None:
    """Insert the record of a run."""
    db.execute(
        "INSERT INTO hook_runs (hook_id, event, event_id, task_id, attempt, outcome, exit_code, duration_ms, stdout, "
        "stderr, ended_at, http_status, reason) VALUES (:hook_id, :event, :event_id, :task_id, :attempt, :outcome, "
        ":exit_code, :duration_ms, :stdout, :stderr, :ended_at, :http_status, :reason)",
        {**vars(run), "task_id": run.task_id or _NO_TASK},
    )


def forget_running(db: Connection) -> list[tuple[str, str]]:
    """Put back what a killed runner was delivering: those hooks run again. Return what each was about, and the hook."""
    cut = db.execute(
        "SELECT coalesce(nullif(task_id, ''), event_id) AS about, hook_id FROM deliveries WHERE state = 'running' "
        "ORDER BY seq"
    ).fetchall()
    db.execute("UPDATE deliveries SET state = 'waiting', crashes = crashes + 1 WHERE state = 'running'")
    return [(row["about"], row["hook_id"]) for row in cut]


def put_back(db: Connection, delivery: Delivery, due_at: float) -> None:
    """Let a delivery wait again whose run came to nothing for a reason that is ours."""
    db.execute(
        "UPDATE deliveries SET state = 'waiting', crashes = crashes + 1, due_at = ? WHERE event_id = ? AND hook_id = ?",
        (due_at, delivery.event_id, delivery.hook_id),
    )


def counts(db: Connection) -> dict[str, int]:
    return dict(db.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())


def runs(db: Connection, *, task_id: str | None, hook_id: str | None, limit: int) -> list[HookRun]:
    """Return the newest runs first, of one task or one hook if asked."""
    rows = db.execute(
        "SELECT hook_id, event, event_id, nullif(task_id, ''), attempt, outcome, exit_code, duration_ms, stdout, "
        "stderr, ended_at, http_status, reason, seq FROM hook_runs WHERE (:task IS NULL OR task_id = :task) "
        "AND (:hook IS NULL OR hook_id = :hook) ORDER BY seq DESC LIMIT :limit",
        {"task": task_id, "hook": hook_id, "limit": limit},
    )
    return [HookRun(*row) for row in rows]
