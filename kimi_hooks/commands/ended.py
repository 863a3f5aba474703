"""Which ended task or which notification a verb is about, and how somebody else calls this program."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kimi_hooks import results, waiting
from kimi_hooks.commands.telling import spelt
from kimi_hooks.errors import NotEndedError, ResultError, UnknownNotificationError, UnknownTaskError
from kimi_hooks.events import NOTIFICATION_ID, Notification
from kimi_hooks.journal import notifications, tasks
from kimi_hooks.journal.store import open_existing
from kimi_hooks.workspace import Workspace


def meant(given: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the id that a verb is about: the given one, else, in a hook, that of its notification or of its task.

    An empty one is what a hook hands on that knows of tasks only and is told of the queue; elsewhere it is a mistake.
    """
    event_id = environ.get("KIMI_EVENT_ID", "")
    if not given and is_notification(event_id):
        return event_id
    return given if given is not None else environ.get("KIMI_TASK_ID") or None


def is_notification(id_: str | None) -> bool:
    """Tell whether this is the id of a notification, and not of a task."""
    return id_ is not None and id_.startswith(NOTIFICATION_ID)


def notification(workspace: Workspace, event_id: str) -> Notification:
    """Return the news about the queue that has this id. Raises UnknownNotificationError where there is none."""
    journal = open_existing(workspace.journal_file)
    try:
        found = journal.read(lambda db: notifications.get(db, event_id))
    finally:
        journal.close()
    if found is None:
        look = spelt(workspace, "hooks runs")
        raise UnknownNotificationError(f"{event_id}: no such notification in {workspace.home}; see: {look}")
    return found


def ended_result(workspace: Workspace, task_id: str | None) -> dict[str, Any]:
    """Return the result of the task, or of the one that ended last.

    Raises UnknownTaskError, NotEndedError or ResultError where there is none.
    """
    journal = open_existing(workspace.journal_file)
    try:
        wanted = journal.read(tasks.latest_ended) if task_id is None else task_id
        if wanted is None:
            raise UnknownTaskError(f"{workspace.home}: no task has ended yet; see: {spelt(workspace, 'status')}")
        found = waiting.whereabouts(workspace, journal, wanted)
    finally:
        journal.close()
    if isinstance(found, str) or not tasks.is_ended(found):
        state = found if isinstance(found, str) else found.state
        raise NotEndedError(not_ended(workspace, wanted, state))
    result = results.read(workspace.results, wanted)
    if result is None:
        raise lost(workspace, wanted)
    return result


def lost(workspace: Workspace, task_id: str) -> ResultError:
    """Return the error of an ended task whose result is not there."""
    file, again = workspace.result_file(task_id), spelt(workspace, f"retry {task_id}")
    gone = "the task has ended, but this file is missing or spoilt"
    return ResultError(f"{file}: {gone}; put it back from a copy, or have it asked, and paid for, again: {again}")


def not_ended(workspace: Workspace, task_id: str, state: str) -> str:
    """Return what is told of a task that is still open, with the command that waits for it."""
    wait = spelt(workspace, f"wait {task_id}")
    return f"{task_id} has not ended (it is {state}); wait for it first: {wait}"


def program() -> str:
    """Return the path of this program, for somebody whose PATH is not ours."""
    beside = Path(sysconfig.get_path("scripts")) / "kimi-hooks"
    return str(beside) if beside.exists() else shutil.which("kimi-hooks") or "kimi-hooks"
