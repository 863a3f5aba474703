"""Which ended tasks may be forgotten, and forgetting them: the rows of what `clean` removes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kimi_hooks.journal import moments
from kimi_hooks.journal.dedupe import DEDUPE_SECONDS
from kimi_hooks.journal.store import Connection

# The budget is that of a day, which may have 25 hours.
KEEP_SENDS_SECONDS = 25 * 3600.0
ROWS = 500
_OPEN_NEEDS = "needs JOIN tasks AS later ON later.id = needs.task_id WHERE later.outcome IS NULL"
# The task that ended last stays: endings are counted from it, and `latest.json` is its copy.
_OLD = f"""
    SELECT id FROM tasks WHERE outcome IS NOT NULL AND ended < (SELECT max(ended) FROM tasks)
    AND coalesce(completed_at, created_at) < :before
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.task_id = tasks.id
        AND deliveries.state IN ('waiting', 'behind', 'running'))
    AND id NOT IN (SELECT needed_id FROM {_OPEN_NEEDS} AND needed_id IS NOT NULL)
    AND id NOT IN (SELECT ref FROM {_OPEN_NEEDS} AND needed_id IS NULL)
    AND name NOT IN (SELECT ref FROM {_OPEN_NEEDS} AND needed_id IS NULL)
"""  # noqa: S608 - constants
# What hooks were told of no task, long ago.
_OLD_NEWS = "task_id = '' AND state NOT IN ('waiting', 'behind', 'running') AND due_at < :before"
_OLD_RUNS = "task_id = '' AND ended_at < :before"
_OLD_NOTIFICATIONS = (
    "at < :before AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.event_id = notifications.event_id "  # noqa: S608 - constants
    f"AND NOT ({_OLD_NEWS}))"
)
_OLD_SENDS = (
    "sent_at < :sent_before AND ended_at IS NOT NULL "
    "AND (task_id IN gone OR NOT EXISTS (SELECT 1 FROM tasks WHERE id = task_id))"
)
_OLD_KEYS = "seen_at < :seen_before"


@dataclass(frozen=True)
class Old:
    """An ended task that may be forgotten; `file` is its name in `spool/accepted/`, should it still lie there.

    Not `is_seen`: nobody has acknowledged it. `ended_at` is in seconds since 1970.
    """

    id: str
    file: str | None
    is_seen: bool
    name: str
    outcome: str
    ended_at: float


def old(db: Connection, before: float) -> list[Old]:
    """Return the tasks that ended before the instant (seconds since 1970) and that nobody and nothing needs.

    Needed are those of which hooks are still to be told, those that open tasks come after, and the last one.
    """
    columns = "id, file, acknowledged_at IS NOT NULL, name, outcome, coalesce(completed_at, created_at)"
    query = f"SELECT {columns} FROM tasks WHERE id IN ({_OLD}) ORDER BY ended"  # noqa: S608 - ours
    found = db.execute(query, {"before": before})
    return [Old(id_, file, bool(is_seen), name, outcome, at) for id_, file, is_seen, name, outcome, at in found]


def still_old(db: Connection, task_ids: Sequence[str], before: float) -> set[str]:
    """Return those of the tasks that may still be forgotten, and of which `results/` says that they were seen."""
    query = f"SELECT id FROM tasks WHERE id IN (SELECT value FROM json_each(:ids)) AND id IN ({_OLD}) {_SEEN}"  # noqa: S608 - ours
    return {row["id"] for row in db.execute(query, {"ids": json.dumps(task_ids), "before": before})}


_SEEN = "AND acknowledged_at IS NOT NULL AND ack_written = 1"


def forget(db: Connection, task_ids: Sequence[str], before: float) -> dict[str, int]:
    """Remove the rows of these tasks, but for calls, which count for the limits; return how many of which kind.

    A task that is needed again since, or was not acknowledged, stays.
    """
    gone = json.dumps(sorted(still_old(db, task_ids, before)))
    ours = "IN (SELECT value FROM json_each(?))"
    # By the index that there is: the ids of a task's events begin with its own.
    events = "WHERE event_id > value || '-' AND event_id < value || '.' AND deliveries.task_id = value"
    news = f"SELECT deliveries.seq FROM json_each(?), deliveries {events}"  # noqa: S608 - ours
    steps = {
        "hook_runs": f"DELETE FROM hook_runs WHERE task_id {ours}",  # noqa: S608 - ours
        "deliveries": f"DELETE FROM deliveries WHERE seq IN ({news})",  # noqa: S608 - ours
        "said": f"DELETE FROM said WHERE task_id {ours}",  # noqa: S608 - ours
        "needs": f"DELETE FROM needs WHERE task_id {ours}",  # noqa: S608 - ours
        "tasks": f"DELETE FROM tasks WHERE id {ours}",  # noqa: S608 - ours
    }
    return {kind: db.execute(statement, (gone,)).rowcount for kind, statement in steps.items()}


def forget_rest(db: Connection, before: float, now: float) -> dict[str, int]:
    """Remove some of the old rows that belong to no task that is there; return how many, nothing when none is left."""
    values = _instants(before, now)
    some = f"LIMIT {ROWS}"
    sends = f"SELECT seq FROM sends WHERE {_OLD_SENDS.replace('task_id IN gone OR ', '')} {some}"  # noqa: S608 - ours
    steps = {
        "deliveries": f"DELETE FROM deliveries WHERE seq IN (SELECT seq FROM deliveries WHERE {_OLD_NEWS} {some})",  # noqa: S608 - ours
        "hook_runs": f"DELETE FROM hook_runs WHERE seq IN (SELECT seq FROM hook_runs WHERE {_OLD_RUNS} {some})",  # noqa: S608 - ours
        "notifications": "DELETE FROM notifications WHERE seq IN "  # noqa: S608 - ours
        f"(SELECT seq FROM notifications WHERE {_OLD_NOTIFICATIONS} {some})",
        "sends": f"DELETE FROM sends WHERE seq IN ({sends})",  # noqa: S608 - ours
        "dedupe": f"DELETE FROM dedupe WHERE {_OLD_KEYS}",  # noqa: S608 - ours
    }
    counts = {kind: db.execute(statement, values).rowcount for kind, statement in steps.items()}
    return {kind: count for kind, count in counts.items() if count}


def forget_moments(db: Connection, before: float) -> int:
    """Remove the events of which every hook was told before the instant, and return how many."""
    many = _count(db, "SELECT count(*) FROM moments", {})
    moments.forget(db, before)
    return many - _count(db, "SELECT count(*) FROM moments", {})


def counts(db: Connection, before: float, now: float) -> dict[str, int]:
    """Return how many rows of which kind would be removed."""
    values = _instants(before, now)
    of_tasks = {kind: f"SELECT count(*) FROM {kind} WHERE task_id IN gone" for kind in _OF_TASKS}  # noqa: S608 - ours
    rest = {
        "deliveries": f"SELECT count(*) FROM deliveries WHERE {_OLD_NEWS}",  # noqa: S608 - ours
        "hook_runs": f"SELECT count(*) FROM hook_runs WHERE {_OLD_RUNS}",  # noqa: S608 - ours
        "notifications": f"SELECT count(*) FROM notifications WHERE {_OLD_NOTIFICATIONS}",  # noqa: S608 - ours
        "moments": f"SELECT count(*) FROM moments WHERE {_OLD_MOMENTS}",  # noqa: S608 - ours
        "sends": f"SELECT count(*) FROM sends WHERE {_OLD_SENDS}",  # noqa: S608 - ours
        "dedupe": f"SELECT count(*) FROM dedupe WHERE {_OLD_KEYS}",  # noqa: S608 - ours
    }
    found = {"tasks": _count(db, "SELECT count(*) FROM gone", values)}
    for queries in (of_tasks, rest):
        for kind, query in queries.items():
            found[kind] = found.get(kind, 0) + _count(db, query, values)
    return {kind: count for kind, count in found.items() if count}


_OF_TASKS = ("hook_runs", "deliveries", "said", "needs")
_OLD_MOMENTS = (
    "NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.event_id = moments.event_id AND task_id NOT IN gone "
    "AND (state IN ('waiting', 'behind', 'running') OR due_at >= :before))"
)


def _count(db: Connection, query: str, values: Mapping[str, float]) -> int:
    return int(db.execute(f"WITH gone AS ({_OLD}) {query}" if values else query, values).fetchone()[0])


def _instants(before: float, now: float) -> dict[str, float]:
    return {
        "before": before,
        "sent_before": min(before, now - KEEP_SENDS_SECONDS),
        "seen_before": min(before, now - DEDUPE_SECONDS),
    }
