"""Which ended task a verb is about, and how somebody else calls this program."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path
from typing import Any

from kimi_hooks import results, waiting
from kimi_hooks.commands.telling import spelt
from kimi_hooks.errors import NotEndedError, ResultError, UnknownTaskError
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import open_existing
from kimi_hooks.workspace import Workspace


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
        file = workspace.result_file(wanted)
        raise ResultError(f"{file}: the task has ended, but this file is missing or spoilt; put it back from a copy")
    return result


def not_ended(workspace: Workspace, task_id: str, state: str) -> str:
    """Return what is told of a task that is still open, with the command that waits for it."""
    wait = spelt(workspace, f"wait {task_id}")
    return f"{task_id} has not ended (it is {state}); wait for it first: {wait}"


def program() -> str:
    """Return the path of this program, for somebody whose PATH is not ours."""
    beside = Path(sysconfig.get_path("scripts")) / "kimi-hooks"
    return str(beside) if beside.exists() else shutil.which("kimi-hooks") or "kimi-hooks"
