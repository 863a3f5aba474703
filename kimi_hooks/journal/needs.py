"""Tasks that come after other tasks."""

from __future__ import annotations

from dataclasses import dataclass

from kimi_hooks.journal.store import Connection

# A reference that is no id is a name: the newest other task of that name at the time of binding is meant.
_BIND = """
    UPDATE needs SET needed_id = coalesce(
        (SELECT id FROM tasks WHERE id = needs.ref),
        (SELECT id FROM tasks WHERE name = needs.ref AND id != needs.task_id ORDER BY seq DESC LIMIT 1)
    ) WHERE needed_id IS NULL AND (
        ref IN (SELECT id FROM tasks) OR EXISTS (SELECT 1 FROM tasks WHERE name = needs.ref AND id != needs.task_id)
    )
"""
_IN_CIRCLE = """
    WITH RECURSIVE chain (id) AS (
        SELECT needed_id FROM needs WHERE task_id = :id AND needed_id IS NOT NULL
        UNION
        SELECT needs.needed_id FROM needs JOIN chain ON needs.task_id = chain.id WHERE needs.needed_id IS NOT NULL
    ) SELECT 1 FROM chain WHERE id = :id
"""


@dataclass(frozen=True)
class Doomed:
    """A held task that can never start, and why."""

    task_id: str
    reason: str


def bind(db: Connection) -> bool:
    """Find the task that each open reference means; tell whether one was found."""
    return db.execute(_BIND).rowcount > 0


def release(db: Connection) -> list[str]:
    """Make available the held tasks whose needed tasks are all completed, and return their ids."""
    released = db.execute(
        "UPDATE tasks SET state = 'available', hold_reason = NULL "
        "WHERE state = 'held' AND hold_reason = 'after' AND NOT EXISTS ("
        "SELECT 1 FROM needs LEFT JOIN tasks needed ON needed.id = needs.needed_id "
        "WHERE needs.task_id = tasks.id AND (needed.state IS NULL OR needed.state != 'completed')) RETURNING id"
    )
    return [row["id"] for row in released.fetchall()]


def doomed(db: Connection, *, look_for_circles: bool) -> list[Doomed]:
    """Return the held tasks that wait for a failed task, or for each other in a circle.

    A circle can only be closed by a reference that was newly bound: otherwise it need not be looked for.
    """
    failed = db.execute(
        "SELECT tasks.id, needs.ref, needed.id AS needed_id, needed.outcome FROM tasks "
        "JOIN needs ON needs.task_id = tasks.id JOIN tasks needed ON needed.id = needs.needed_id "
        "WHERE tasks.state = 'held' AND tasks.hold_reason = 'after' "
        "AND needed.state IN ('failed', 'cancelled') GROUP BY tasks.id"
    ).fetchall()
    found = {
        row["id"]: Doomed(
            row["id"], f"it comes after {row['ref']!r} ({row['needed_id']}), which ended {row['outcome']}"
        )
        for row in failed
    }
    held = "SELECT id FROM tasks WHERE state = 'held' AND hold_reason = 'after'"
    for row in db.execute(held).fetchall() if look_for_circles else ():
        if row["id"] not in found and db.execute(_IN_CIRCLE, {"id": row["id"]}).fetchone():
            found[row["id"]] = Doomed(row["id"], "the tasks named under `after` wait for each other in a circle")
    return list(found.values())
