"""Keep `results/` in step with the journal: acknowledgements and the three derived files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from kimi_hooks import crash_points, results
from kimi_hooks.clock import iso
from kimi_hooks.crash_points import Point
from kimi_hooks.journal import acks, tasks
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.workspace import Workspace

ACKS_AT_ONCE = 64


def write_acks(workspace: Workspace, journal: Journal) -> bool:
    """Write new acknowledgements into their result files; tell whether there were any, for then there may be more.

    No more than some at once: tasks must not wait until thousands are on the disk.
    """
    entries = journal.read(partial(acks.unwritten_acks, limit=ACKS_AT_ONCE))
    for entry in entries:
        if entry.acknowledged_at is not None:
            results.acknowledge(workspace.results, entry.id, entry.acknowledged_at)
            crash_points.reached(Point.ACK_WRITTEN)
    if entries:
        journal.write(partial(acks.acks_written, task_ids=[entry.id for entry in entries]))
        crash_points.reached(Point.ACK_NOTED)
    return bool(entries)


class Derived:
    """Writes `latest.json`, `task-output.txt` and `pending-wake.json`.

    It remembers what it has listed as pending, so that a task that ends costs one row and not a thousand.
    """

    def __init__(self, workspace: Workspace, journal: Journal) -> None:
        self._workspace = workspace
        self._journal = journal
        self._pending: list[str] = []
        self._more = 0
        self._ended = 0

    def refresh(self, *, anew: bool = True) -> None:
        """Write the three files; not `anew`, only what has ended since the last time is looked up. Raises OSError."""
        seen = self._journal.read(lambda db: _look(db, None if anew else self._ended))
        new = [_listed(self._workspace, entry) for entry in seen.entries]
        known = [] if anew else self._pending
        self._more = seen.more if anew else self._more + max(0, len(new) + len(known) - results.MAX_PENDING)
        self._pending, self._ended = [*new, *known][: results.MAX_PENDING], seen.ended
        results.write_pending(self._workspace.results, self._pending, self._more)
        crash_points.reached(Point.PENDING_WRITTEN)
        results.write_latest(self._workspace.results, seen.latest)
        crash_points.reached(Point.LATEST_WRITTEN)


@dataclass(frozen=True)
class _Seen:
    """`entries` are the pending tasks that are new to us, the newest first; `more` those beyond the limit."""

    ended: int
    latest: str | None
    entries: list[Entry]
    more: int


def _look(db: Connection, after: int | None) -> _Seen:
    """Return what has ended after the `after`th; None for all, as far as there is room for them."""
    limit = results.MAX_PENDING if after is None else -1
    entries = acks.pending(db, after or 0, limit)
    more = acks.pending_count(db) - len(entries) if after is None else 0
    return _Seen(tasks.ended_count(db), tasks.latest_ended(db), entries, more)


def _listed(workspace: Workspace, entry: Entry) -> str:
    return results.listed(
        {
            "task_id": entry.id,
            "task_name": entry.name,
            "status": entry.outcome,
            "group": entry.group,
            "completed_at": iso(entry.completed_at),
            "result_file": str(workspace.result_file(entry.id)),
        }
    )
