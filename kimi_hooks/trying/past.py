"""The event of a task that is on record, as a hook would be told of it now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kimi_hooks import events, results
from kimi_hooks.errors import EventError
from kimi_hooks.events import COMPLETED, FAILED, KINDS, NOTIFICATION, SESSION_END, SESSION_START, STOP, Event
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Journal
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.task import Task
from kimi_hooks.trying.occasion import Occasion, asked
from kimi_hooks.workspace import Workspace

_OF_NO_TASK = (NOTIFICATION, SESSION_START, SESSION_END)


def of_task(workspace: Workspace, journal: Journal, name: str, entry: Entry, model: str | None) -> Occasion:
    """Return the event of this name that the task had, or would have; `model` is asked where a task names none.

    Raises EventError when it cannot have had it.
    """
    result = results.read(workspace.results, entry.id) if tasks.is_ended(entry) else None
    problem = absence(workspace, name, entry, result)
    if problem is not None:
        raise EventError(problem)
    task = _task(journal, entry)
    return Occasion(
        event=_event(name, entry, task, result, model),
        origin="task",
        told=f"of {entry.id} ({entry.name}), which is {entry.outcome or entry.state}",
        prompt=task.prompt if task else "",
        result_file=str(workspace.result_file(entry.id)) if result else None,
        transcript=_existing_transcript(workspace, entry.id),
    )


def absence(workspace: Workspace, name: str, entry: Entry, result: Mapping[str, Any] | None) -> str | None:
    """Return in words why this task has not had this event; None when it has, or may have had it."""
    kind = KINDS[name]
    if kind in _OF_NO_TASK:
        return f"{name} is no event of a task; leave --task out"
    if kind in (COMPLETED, FAILED, STOP) and not tasks.is_ended(entry):
        return f"{entry.id} has not ended (it is {entry.state}), so there was no {name} yet; wait for it"
    if kind in (COMPLETED, FAILED):
        real = COMPLETED if entry.outcome == "done" else FAILED
        if real != kind:
            return f"{entry.id} ended {entry.outcome}: {real.name}, not {name}; ask about {real.name}"
    if kind in (COMPLETED, FAILED, STOP) and result is None:
        return f"{workspace.result_file(entry.id)} is missing or spoilt, and only it tells of the end; put it back"
    if kind == STOP and not (result or {}).get("output"):
        return f"{entry.id} ended {entry.outcome} without an answer, so there was no {name}"
    return None


def _task(journal: Journal, entry: Entry) -> Task | None:
    try:
        return journal.read(lambda db: tasks.task_of(db, entry.id))
    except ValueError:
        # Another version wrote it; what the row itself says is enough for most hooks.
        return None


def _event(name: str, entry: Entry, task: Task | None, result: Mapping[str, Any] | None, model: str | None) -> Event:
    kind = KINDS[name]
    if kind in (COMPLETED, FAILED) and result is not None:
        return events.of_result(result)
    if task is None:
        raise EventError(
            f"{entry.id}: another version of kimi-hooks wrote this task; dispatch it again, or use --fixture"
        )
    requested = task.model or (result or {}).get("requested_model") or model
    at = (entry.completed_at if result else None) or entry.created_at
    return asked(kind, entry.id, task, result, requested, at)


def _existing_transcript(workspace: Workspace, task_id: str) -> str | None:
    file = workspace.transcript_file(task_id)
    return str(file) if file.exists() else None
