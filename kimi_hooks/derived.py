"""Keep `results/` in step with the journal: acknowledgements and the three derived files."""

from __future__ import annotations

from typing import Any

from kimi_hooks import results
from kimi_hooks.clock import iso
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Journal
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


def refresh(workspace: Workspace, journal: Journal) -> None:
    """Write `latest.json`, `task-output.txt` and `pending-wake.json` anew. Raises OSError."""
    entries, more = journal.read(lambda db: tasks.pending(db, results.MAX_PENDING))
    latest = journal.read(tasks.latest_ended)
    results.refresh(workspace.results, latest, [_pending(workspace, entry) for entry in entries], more)


def _pending(workspace: Workspace, entry: Entry) -> dict[str, Any]:
    return {
        "task_id": entry.id,
        "task_name": entry.name,
        "status": entry.outcome,
        "group": entry.group,
        "completed_at": iso(entry.completed_at),
        "result_file": str(workspace.result_file(entry.id)),
    }
