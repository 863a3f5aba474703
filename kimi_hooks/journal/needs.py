"""Tasks that come after other tasks.

Whatever may let one start or doom it puts it among the `unsettled` (triggers of the tables do, so that nothing is
forgotten): a look costs what has changed, however many wait.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from kimi_hooks.journal.store import Connection, Row

# A reference that is no id is a name: the newest other task of that name at the time of binding is meant.
_BIND = """
    UPDATE needs SET needed_id = coalesce(
        (SELECT id FROM tasks WHERE id = needs.ref),
        (SELECT id FROM tasks WHERE name = needs.ref AND id != needs.task_id ORDER BY seq DESC LIMIT 1)
    ) WHERE needed_id IS NULL AND task_id IN (SELECT task_id FROM unsettled) AND (
        ref IN (SELECT id FROM tasks) OR EXISTS (SELECT 1 FROM tasks WHERE name = needs.ref AND id != needs.task_id)
    )
"""
_UNSETTLED = "SELECT task_id FROM unsettled"
# Plus signs and CROSS keep the planner from walking through all that are held, or have failed.
_HELD = "+tasks.state = 'held' AND +tasks.hold_reason = 'after'"
_RELEASE = f"""
    UPDATE tasks SET state = 'available', hold_reason = NULL
    WHERE id IN ({_UNSETTLED}) AND {_HELD} AND NOT EXISTS (
        SELECT 1 FROM needs LEFT JOIN tasks needed ON needed.id = needs.needed_id
        WHERE needs.task_id = tasks.id AND (needed.state IS NULL OR needed.state != 'completed'))
    RETURNING id
"""  # noqa: S608 - constants
_FAILED = f"""
    SELECT tasks.id, needs.ref, needed.id AS needed_id, needed.outcome FROM unsettled
    CROSS JOIN tasks ON tasks.id = unsettled.task_id CROSS JOIN needs ON needs.task_id = tasks.id
    CROSS JOIN tasks needed ON needed.id = needs.needed_id
    WHERE {_HELD} AND +needed.state IN ('failed', 'cancelled') GROUP BY tasks.id
"""  # noqa: S608 - as above
# Who waits for tasks that have been looked at now, and themselves wait for held ones, and so on: a circle that was
# closed since is among them.
_NEAR = f"""
    WITH RECURSIVE near (id) AS (
        SELECT unsettled.task_id FROM unsettled CROSS JOIN tasks ON tasks.id = unsettled.task_id
        WHERE {_HELD} AND EXISTS (
            SELECT 1 FROM needs CROSS JOIN tasks needed ON needed.id = needs.needed_id
            WHERE needs.task_id = unsettled.task_id AND +needed.state = 'held')
        UNION
        SELECT needs.task_id FROM near CROSS JOIN needs ON needs.needed_id = near.id
    ) SELECT needs.task_id, needs.needed_id FROM near CROSS JOIN needs ON needs.needed_id = near.id
    CROSS JOIN tasks ON tasks.id = needs.task_id WHERE {_HELD}
"""  # noqa: S608 - as above
_CIRCLE = "the tasks named under `after` wait for each other in a circle"


@dataclass(frozen=True)
class Doomed:
    """A held task that can never start, and why."""

    task_id: str
    reason: str


@dataclass(frozen=True)
class Settled:
    """What has become of held tasks: the `released` ones may start, the `doomed` ones are to be failed."""

    released: tuple[str, ...]
    doomed: tuple[Doomed, ...]


def unsettle(db: Connection) -> None:
    """Let all held tasks be looked at again: nobody knows what was not finished before."""
    db.execute("INSERT OR IGNORE INTO unsettled SELECT id FROM tasks WHERE state = 'held' AND hold_reason = 'after'")


def settle(db: Connection) -> Settled:
    """Find the task that each open reference means, release the tasks whose needed ones are completed, name the doomed.

    Those stay unsettled until they have been failed.
    """
    db.execute(_BIND)
    released = tuple(row["id"] for row in db.execute(_RELEASE).fetchall())
    circles = {task_id: Doomed(task_id, _CIRCLE) for task_id in _in_circles(db)}
    doomed = {**circles, **{row["id"]: Doomed(row["id"], _why(row)) for row in db.execute(_FAILED).fetchall()}}
    settled = "DELETE FROM unsettled WHERE task_id NOT IN (SELECT value FROM json_each(?))"
    db.execute(settled, (json.dumps(list(doomed)),))
    return Settled(released, tuple(doomed.values()))


def _why(row: Row) -> str:
    return f"it comes after {row['ref']!r} ({row['needed_id']}), which ended {row['outcome']}"


def _in_circles(db: Connection) -> set[str]:
    """Return held tasks that wait for each other in a circle."""
    needed: dict[str, set[str]] = {}
    for row in db.execute(_NEAR):
        needed.setdefault(row["task_id"], set()).add(row["needed_id"])
    found: set[str] = set()
    while circle := _circle(needed):
        found |= circle
        needed = {task: others - circle for task, others in needed.items() if task not in circle}
    return found


def _circle(needed: Mapping[str, Collection[str]]) -> set[str]:
    """Return the tasks of one circle; none is left when there is none."""
    try:
        TopologicalSorter(needed).prepare()
    except CycleError as error:
        return set(error.args[1])
    return set()
