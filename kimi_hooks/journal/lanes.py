"""Which delivery waits for which: when one is `behind`, and when that ends.

A lane is what one hook is owed of one task, or of what is no task's: it is delivered in the order in which it happened.
A chain is what a group with `sequential` is owed of one event. What is behind another one, in its lane or in its chain,
is released in the transaction in which that one is delivered or given up: so whatever is killed when, nothing waits
for what is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kimi_hooks.journal.store import Connection, Row

OPEN_STATES = frozenset({"waiting", "behind", "running"})
# Word for word as the index `deliveries_open` has it: the planner finds it by this.
_OPEN = "other.state IN ('waiting', 'behind', 'running')"


def _lane(task_id: str, hook_id: str) -> str:
    """Return the query for what is open in a lane."""
    return (
        f"SELECT other.seq FROM deliveries AS other WHERE other.task_id = {task_id} "  # noqa: S608 - columns of ours
        f"AND other.hook_id = {hook_id} AND {_OPEN}"
    )


def _chain(event_id: str, event: str, place: str) -> str:
    """Return the query for what is open in a chain; nothing is where there is no place."""
    return (
        f"SELECT other.seq FROM deliveries AS other WHERE other.event_id = {event_id} "  # noqa: S608 - as above
        f"AND other.event = {event} AND other.place = {place} AND {_OPEN}"
    )


_INSERT = f"""
    INSERT OR IGNORE INTO deliveries (event_id, hook_id, event, task_id, due_at, place, state)
    SELECT :event_id, :hook_id, :event, :task_id, :due_at, :place, CASE
        WHEN EXISTS ({_lane(":task_id", ":hook_id")}) THEN 'behind'
        WHEN :place IS NOT NULL AND EXISTS ({_chain(":event_id", ":event", ":place")}) THEN 'behind'
        ELSE 'waiting' END
    WHERE NOT EXISTS (SELECT 1 FROM switched_off WHERE switched_off.hook_id = :hook_id)
"""  # noqa: S608 - columns of ours
_REPEAT = f"""
    UPDATE deliveries SET seq = (SELECT max(seq) + 1 FROM deliveries), due_at = :due_at, crashes = attempts,
    state = CASE
        WHEN EXISTS ({_lane("deliveries.task_id", "deliveries.hook_id")}) THEN 'behind'
        WHEN EXISTS ({_chain("deliveries.event_id", "deliveries.event", "deliveries.place")}) THEN 'behind'
        ELSE 'waiting' END
    WHERE seq = :seq
"""  # noqa: S608 - as above
_NEXT = f"""
    SELECT first.seq FROM deliveries AS first JOIN deliveries AS done ON done.event_id = :event_id
        AND done.hook_id = :hook_id
    WHERE first.state = 'behind' AND first.seq IN (
        ({_lane("done.task_id", "done.hook_id")} ORDER BY other.seq LIMIT 1),
        ({_chain("done.event_id", "done.event", "done.place")} ORDER BY other.seq LIMIT 1))
    AND first.seq = ({_lane("first.task_id", "first.hook_id")} ORDER BY other.seq LIMIT 1)
    AND first.seq = coalesce(
        ({_chain("first.event_id", "first.event", "first.place")} ORDER BY other.seq LIMIT 1), first.seq)
"""  # noqa: S608 - as above


_STUCK = f"""
    SELECT first.seq, first.event_id, first.hook_id FROM deliveries AS first WHERE first.state = 'behind'
    AND first.seq = ({_lane("first.task_id", "first.hook_id")} ORDER BY other.seq LIMIT 1)
    AND first.seq = coalesce(
        ({_chain("first.event_id", "first.event", "first.place")} ORDER BY other.seq LIMIT 1), first.seq)
"""  # noqa: S608 - as above


def insert(db: Connection, deliveries: Iterable[Mapping[str, object]]) -> None:
    """Insert deliveries, each waiting or behind an earlier one; one that is there already stays as it is.

    Hooks that are switched off are owed nothing.

    Each has `event_id`, `hook_id`, `event`, `task_id` (empty where there is none), `due_at`, and `place`: the number of
    its group if that is sequential, else None.
    """
    db.executemany(_INSERT, deliveries)


def release(db: Connection, event_id: str, hook_id: str, now: float) -> None:
    """Let go of what was behind this delivery and nothing else, now that it is over."""
    found = db.execute(_NEXT, {"event_id": event_id, "hook_id": hook_id}).fetchall()
    db.executemany(
        "UPDATE deliveries SET state = 'waiting', due_at = ? WHERE seq = ?", [(now, row["seq"]) for row in found]
    )


def stuck(db: Connection) -> list[Row]:
    """Return the deliveries that are behind nothing, though they wait for something."""
    return db.execute(_STUCK).fetchall()


def repeat(db: Connection, numbers: Iterable[int], now: float) -> None:
    """Let deliveries that are over be owed again, each as the last of its lane and with all its tries."""
    db.executemany(_REPEAT, [{"seq": number, "due_at": now} for number in numbers])
