"""Tasks that a person had run again, and of which only the files tell: they are open, whatever their results say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from kimi_hooks import gates, intake, results
from kimi_hooks.checking.findings import Case, Finding
from kimi_hooks.events import CREATED
from kimi_hooks.journal import checks, dedupe, restoring, tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.outbox.folder import again_in
from kimi_hooks.task import Task
from kimi_hooks.task_id import is_id


def run_again(case: Case) -> Iterator[Finding]:
    """Of a task that is to be run again the journal knows, unless the result of that run is there."""
    workspace = case.parts.workspace
    known = {row["id"] for row in case.parts.journal.read(checks.task_rows)}
    # The newest first: an earlier one may have been left by a crash.
    found = sorted(((again_in(file.name), file) for file in workspace.accepted.iterdir()), reverse=True)
    for retried, file in found:
        task_id = file.name.partition("__")[0]
        if not retried or not is_id(task_id) or task_id in known:
            continue
        result = results.read(workspace.results, task_id)
        if result is not None and result.get("retried", 0) >= retried:
            continue
        if (task := _task_in(file)) is not None:
            known.add(task_id)
            insert = partial(_insert, case, task_id, retried, file.name, task)
            what = "a person had its task run again, and the journal does not know of it"
            yield Finding(f"spool/accepted/{file.name}", what, "it is open again", insert)


def _insert(case: Case, task_id: str, retried: int, file: str, task: Task) -> None:
    parts = case.parts
    result = results.read(parts.workspace.results, task_id)
    gate = CREATED.name if gates.any_for(parts, CREATED, task.name) else None

    fresh = tasks.fresh(task_id, task, (), case.now, gate)
    entry = intake.doubted(parts, replace(fresh, retried=retried))

    def insert(db: Connection) -> None:
        tasks.accept(db, entry, task, file)
        if task.dedupe_key:
            dedupe.remember_key(db, task.dedupe_key, task_id, case.now)
        restoring.run_again(db, task_id, retried, result, case.now)
        intake.tell_if_held(db, parts, entry, case.now)

    parts.journal.write(insert)
    for other in parts.workspace.accepted.glob(f"{task_id}__*"):
        # Of an earlier run: a crash has left it.
        if other.name != file:
            other.unlink(missing_ok=True)


def _task_in(file: Path) -> Task | None:
    """Return what is to be asked; None when it cannot be read any more: then the result stands."""
    try:
        return Task.model_validate_json(file.read_bytes())
    except (OSError, ValueError):
        return None
