"""Keep `results/` in step with the journal: acknowledgements and the three derived files."""

from __future__ import annotations

from collections import deque

from kimi_hooks import results
from kimi_hooks.clock import iso
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.workspace import Workspace


def write_acks(workspace: Workspace, journal: Journal) -> bool:
    """Write new acknowledgements into their result files; tell whether there were any."""
    entries = journal.read(tasks.unwritten_acks)
    for entry in entries:
        if entry.acknowledged_at is not None:
            results.acknowledge(workspace.results, entry.id, entry.acknowledged_at)
        journal.write(lambda db, task_id=entry.id: tasks.ack_written(db, task_id))  # type: ignore[misc]
    return bool(entries)


class Derived:
    """Writes `latest.json`, `task-output.txt` and `pending-wake.json`.

    It remembers what it has listed as pending, so that a task that ends costs one row and not a thousand.
    """

    def __init__(self, workspace: Workspace, journal: Journal) -> None:
        self._workspace = workspace
        self._journal = journal
        self._pending: deque[str] = deque()
        self._more = 0
        self._ended = 0

    def refresh(self, *, anew: bool = True) -> None:
        """Write the three files; not `anew`, only what has ended since the last time is looked up. Raises OSError."""
        after = 0 if anew else self._ended
        ended, latest, entries = self._journal.read(lambda db: _look(db, after))
        if anew:
            self._pending.clear()
            self._more = self._journal.read(tasks.pending_count) - len(entries)
        self._pending.extendleft(_listed(self._workspace, entry) for entry in reversed(entries))
        self._ended = ended
        while len(self._pending) > results.MAX_PENDING:
            self._pending.pop()
            self._more += 1
        results.write_pending(self._workspace.results, self._pending, self._more)
        results.write_latest(self._workspace.results, latest)


def _look(db: Connection, after: int) -> tuple[int, str | None, list[Entry]]:
    limit = results.MAX_PENDING if after == 0 else -1
    return tasks.ended_count(db), tasks.latest_ended(db), tasks.pending(db, after, limit)


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
