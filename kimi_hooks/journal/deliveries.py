"""One row for each (event, hook) that is owed, and one for each run of a hook."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kimi_hooks.errors import GateRunError, UnknownRunError
from kimi_hooks.events import MAX_DESCRIPTION
from kimi_hooks.journal import lanes
from kimi_hooks.journal.store import Connection, Row

RunOutcome = Literal["delivered", "retry", "gave_up", "allowed", "blocked", "failed"]
# How runs end that nobody delivers: somebody waited for what they say.
_AT_GATES = frozenset({"allowed", "blocked", "failed"})
# What stands in the column of news that is no task's: it was made to hold a task always.
_NO_TASK = ""
_WAITING = (
    "SELECT seq, event_id, hook_id, event, nullif(task_id, ''), attempts + 1, crashes, "
    "coalesce((SELECT substr(json_extract(spec, '$.prompt'), 1, :longest) FROM tasks WHERE id = task_id), ''), place, "
    "(SELECT why FROM switched_off WHERE switched_off.hook_id = deliveries.hook_id) "
    "FROM deliveries WHERE state = 'waiting'"
)
_LONGEST = {"longest": MAX_DESCRIPTION}
# Hooks that can be told something: their ids, each with the name of an event that it stands under; None: all.
Known = Collection[tuple[str, str]] | None


@dataclass(frozen=True)
class Delivery:
    """News that is owed to one hook; `task_id` is None when it is no task's news.

    `attempts` counts its runs, the one under way included; `crashes` those that are none of the hook's failures: the
    runner's own death cut them, or they were made before it was owed anew. `prompt` is the beginning of the task's,
    when the delivery has been started. `place` is the number of its group if that is sequential. `off` is why its hook
    is switched off, None when it is not, as it was when the delivery was started.
    """

    event_id: str
    hook_id: str
    event: str
    task_id: str | None
    attempts: int = 0
    crashes: int = 0
    prompt: str = ""
    place: int | None = None
    off: str | None = None

    @property
    def tries(self) -> int:
        """Return how many runs count against `retries`, the one under way included."""
        return self.attempts - self.crashes

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


@dataclass(frozen=True)
class Replayed:
    """News, as (event id, hook id), that is `due` again; that was `left`, for it is under way or waits anyway.

    `gone` is that of hooks that nobody knows any more.
    """

    due: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]
    gone: tuple[tuple[str, str], ...] = ()


def owe(db: Connection, deliveries: Iterable[Delivery], now: float) -> None:
    """Insert the deliveries; one that is there already stays as it is. Each waits for what is before it in `lanes`."""
    lanes.insert(db, [{**vars(owed), "task_id": owed.task_id or _NO_TASK, "due_at": now} for owed in deliveries])


def start_due(db: Connection, now: float, free: int, newest: int, *, fair: bool = False) -> list[Delivery]:
    """Mark up to `free` deliveries whose time has come as running, none after number `newest`.

    With `fair` no hook has more places than it leaves free for the others, so that one that hangs cannot take all.
    """
    if not fair:
        return _start(db, _due(db, now, newest, free))
    held = Counter(
        dict(db.execute("SELECT hook_id, count(*) FROM deliveries WHERE state = 'running' GROUP BY hook_id"))
    )
    started: list[Delivery] = []
    while rows := _within_share(held, free, _due(db, now, newest, free, [hook for hook in held if held[hook] >= free])):
        started += _start(db, rows)
        free -= len(rows)
    return started


def start_first(db: Connection, event_ids: Sequence[str], free: int) -> list[Delivery]:
    """Mark up to `free` deliveries of these events that wait for their first run as running."""
    first = "AND attempts = 0 AND event_id IN (SELECT value FROM json_each(:events)) ORDER BY seq LIMIT :free"
    values = {"events": json.dumps(event_ids), "free": free, **_LONGEST}
    return _start(db, db.execute(f"{_WAITING} {first}", values).fetchall())


def next_due(after: float) -> Callable[[Connection], float | None]:
    """Return what reads the first instant after the given one at which a delivery is due."""
    query = "SELECT min(due_at) FROM deliveries WHERE state = 'waiting' AND due_at > ?"
    return lambda db: db.execute(query, (after,)).fetchone()[0]


def _due(db: Connection, now: float, newest: int, free: int, but: Sequence[str] = ()) -> list[Row]:
    """Return what may be started, the longest due first, none of it for the hooks in `but`."""
    others = "AND hook_id NOT IN (SELECT value FROM json_each(:but))" if but else ""
    query = f"{_WAITING} AND due_at <= :now AND seq <= :newest {others} ORDER BY due_at, seq LIMIT :free"
    values = {"now": now, "newest": newest, "free": free, "but": json.dumps(but), **_LONGEST}
    return db.execute(query, values).fetchall()


def _within_share(held: Counter[str], free: int, rows: Iterable[Row]) -> list[Row]:
    """Return those whose hook then has no more places than it leaves; count them in `held`."""
    taken: list[Row] = []
    for row in rows:
        if held[row["hook_id"]] < free - len(taken):
            held[row["hook_id"]] += 1
            taken.append(row)
    return taken


def _start(db: Connection, rows: Sequence[Row]) -> list[Delivery]:
    started = "UPDATE deliveries SET state = 'running', attempts = attempts + 1 WHERE seq = ?"
    db.executemany(started, [(row["seq"],) for row in rows])
    return [Delivery(*tuple(row)[1:]) for row in rows]


def record(db: Connection, run: HookRun, retry_at: float | None) -> None:
    """Keep the record of a run and, in the same transaction, what becomes of its delivery and of what is behind it."""
    state = "waiting" if run.outcome == "retry" else run.outcome
    db.execute(
        # Given up meanwhile, since its task is run again: it is not tried again.
        "UPDATE deliveries SET state = iif(state = 'gave_up' AND ? = 'waiting', state, ?), due_at = ? "
        "WHERE event_id = ? AND hook_id = ?",
        (state, state, retry_at or run.ended_at, run.event_id, run.hook_id),
    )
    keep(db, run)
    if run.outcome != "retry":
        lanes.release(db, run.event_id, run.hook_id, run.ended_at)


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
        "UPDATE deliveries SET state = 'waiting', crashes = crashes + 1, due_at = ? "
        "WHERE event_id = ? AND hook_id = ? AND state = 'running'",
        (due_at, delivery.event_id, delivery.hook_id),
    )


def counts(db: Connection) -> dict[str, int]:
    return dict(db.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())


def runs(
    db: Connection,
    *,
    task_id: str | None = None,
    hook_id: str | None = None,
    events: Sequence[str] | None = None,
    failed: bool = False,
    since: float | None = None,
    limit: int = -1,
) -> list[HookRun]:
    """Return the newest runs first: of one task, of one hook, ended since an instant, neither delivered nor allowed.

    `events` are the names of events as configured.
    """
    rows = db.execute(
        "SELECT hook_id, event, event_id, nullif(task_id, ''), attempt, outcome, exit_code, duration_ms, stdout, "
        "stderr, ended_at, http_status, reason, seq FROM hook_runs WHERE (:task IS NULL OR task_id = :task) "
        "AND (:hook IS NULL OR hook_id = :hook) AND (NOT :failed OR outcome NOT IN ('delivered', 'allowed')) "
        "AND (:since IS NULL OR ended_at >= :since) "
        "AND (:events IS NULL OR event IN (SELECT value FROM json_each(:events))) ORDER BY seq DESC LIMIT :limit",
        {
            "task": task_id,
            "hook": hook_id,
            "events": None if events is None else json.dumps(events),
            "failed": failed,
            "since": since,
            "limit": limit,
        },
    )
    return [HookRun(*row) for row in rows]


def unfinished(db: Connection, event_id: str) -> list[tuple[str, str, float]]:
    """Return what is still owed of an event: the hook, the state, and when it is due, in seconds since 1970."""
    query = (
        "SELECT hook_id, state, due_at FROM deliveries WHERE event_id = ? AND state IN ('waiting', 'behind', 'running')"
    )
    return [(row["hook_id"], row["state"], row["due_at"]) for row in db.execute(query, (event_id,))]


def replay_run(db: Connection, run: int, now: float | None, known: Known = None) -> Replayed:
    """Let the news of the run with this number be delivered again, with all its tries; `now` None: only tell.

    Raises UnknownRunError, and GateRunError for the run of a hook that was asked at a gate.
    """
    row = db.execute("SELECT hook_id, event, event_id, outcome FROM hook_runs WHERE seq = ?", (run,)).fetchone()
    if row is None:
        raise UnknownRunError(f"{run}: no such run is on record; the numbers stand in: kimi-hooks hooks runs")
    if row["outcome"] in _AT_GATES:
        told = f"run {run}: {row['hook_id']} was asked at a gate ({row['event']}), and that cannot be decided again"
        raise GateRunError(f"{told}; to have it asked anew, dispatch the task again")
    return _replay(db, "event_id = :event_id", {"event_id": row["event_id"]}, row["hook_id"], now, known)


def replay_failed(db: Connection, now: float | None, hook_id: str | None = None, known: Known = None) -> Replayed:
    """Let all news that was given up be delivered again, of one hook if asked; `now` None: only tell."""
    return _replay(db, "(state = 'gave_up' OR (state = 'waiting' AND attempts > crashes))", {}, hook_id, now, known)


def replay_since(
    db: Connection, since: float, now: float | None, hook_id: str | None = None, known: Known = None
) -> Replayed:
    """Let all news be delivered again that hooks have run for since an instant; `now` None: only tell."""
    where = "(event_id, hook_id) IN (SELECT event_id, hook_id FROM hook_runs WHERE ended_at >= :since)"
    return _replay(db, where, {"since": since}, hook_id, now, known)


def _replay(
    db: Connection, where: str, values: Mapping[str, object], hook_id: str | None, now: float | None, known: Known
) -> Replayed:
    rows = db.execute(
        "SELECT seq, event_id, hook_id, event, state FROM deliveries "  # noqa: S608 - conditions of ours
        f"WHERE {where} AND (:hook IS NULL OR hook_id = :hook) ORDER BY seq",
        {**values, "hook": hook_id},
    ).fetchall()
    left = [row for row in rows if row["state"] in lanes.OPEN_STATES]
    ended = [row for row in rows if row["state"] not in lanes.OPEN_STATES]
    gone = [row for row in ended if known is not None and (row["hook_id"], row["event"]) not in known]
    over = [row for row in ended if row not in gone]
    if now is not None:
        lanes.repeat(db, [row["seq"] for row in over], now)
    return Replayed(*(tuple((row["event_id"], row["hook_id"]) for row in some) for some in (over, left, gone)))
