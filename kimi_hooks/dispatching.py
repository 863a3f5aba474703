"""Drop a checked task into the outbox, at most once for each dedupe key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kimi_hooks import hindrances
from kimi_hooks.clock import Clock
from kimi_hooks.errors import TaskError, WorkspaceError
from kimi_hooks.outbox.drop import drop
from kimi_hooks.task_id import new_id
from kimi_hooks.workspace import Workspace

if TYPE_CHECKING:
    from kimi_hooks.journal.store import Connection


@dataclass(frozen=True)
class Dropped:
    """The id that stands for the task; `is_repeat` when its dedupe key was seen before and nothing was dropped."""

    task_id: str
    is_repeat: bool


def dispatch(workspace: Workspace, data: Mapping[str, Any], max_bytes: int, clock: Clock) -> Dropped:
    """Write the task file, whole. Raises TaskError when it is too large, WorkspaceError when it cannot be written."""
    size = len(json.dumps(data, ensure_ascii=False, indent=1).encode())
    if size > max_bytes:
        raise TaskError(f"the task is larger than {max_bytes} bytes; shorten it or raise max_task_bytes in config.yaml")
    workspace.make_folders()
    key = data.get("dedupe_key")
    try:
        return _drop_once(workspace, data, key, clock) if key else _drop(workspace, data, clock)
    except OSError as error:
        raise WorkspaceError(f"the task cannot be written: {hindrances.told(error)}") from error


def _drop(workspace: Workspace, data: Mapping[str, Any], clock: Clock) -> Dropped:
    task_id = new_id(clock.now())
    drop(workspace.outbox, task_id, data)
    return Dropped(task_id, is_repeat=False)


def _drop_once(workspace: Workspace, data: Mapping[str, Any], key: str, clock: Clock) -> Dropped:
    """Look the key up, drop the file and bind the key, in one transaction.

    A crash between file and commit leaves the key unbound and the file whole: the runner binds it then.
    """
    from kimi_hooks.journal import dedupe  # noqa: PLC0415 - a dispatch without a key must be quick
    from kimi_hooks.journal.store import Journal  # noqa: PLC0415 - as above

    def once(db: Connection) -> Dropped:
        seen = dedupe.seen_key(db, key, clock.now())
        if seen is not None:
            return Dropped(seen, is_repeat=True)
        dropped = _drop(workspace, data, clock)
        dedupe.remember_key(db, key, dropped.task_id, clock.now())
        return dropped

    journal = Journal(workspace.journal_file)
    try:
        return journal.write(once)
    finally:
        journal.close()
