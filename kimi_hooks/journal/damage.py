"""A journal that is not as it was written, or gone: how that is seen, and the one line in which it is told."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from kimi_hooks.errors import DamagedJournalError
from kimi_hooks.task_id import is_id
from kimi_hooks.workspace import Workspace


def error(file: Path, what: str) -> DamagedJournalError:
    """Return the error that says what is wrong with the journal, and how it is mended."""
    home = shlex.quote(str(file.parent.parent))
    rebuild = f"kimi-hooks --home {home} fsck --rebuild"
    told = f"{file}: the journal is damaged: {what}; stop the runner and make a new one from what is left with"
    return DamagedJournalError(f"{told}: {rebuild}")


def stamp(file: Path) -> tuple[int, int] | None:
    """Return what tells this file from another one under its name; None when there is none."""
    try:
        status = os.stat(file)  # noqa: PTH116 - asked before every transaction
    except FileNotFoundError:
        return None
    except OSError:
        return -1, -1
    return status.st_dev, status.st_ino


def no_journal(file: Path) -> str | None:
    """Return what is there instead of a file, None when it is one."""
    if file.is_symlink() and not file.exists():
        return "it is a link to nowhere"
    return "it is a folder" if file.is_dir() else None


def refuse_lost(file: Path) -> None:
    """Raise DamagedJournalError where a journal is empty or gone, and other files tell that there was one.

    To begin a new one there would be to forget open tasks, and what is owed of ended ones.
    """
    if (trace := _trace(Workspace(file.parent.parent))) is not None:
        raise error(file, f"it is {'empty' if file.exists() else 'gone'}, and {trace} tells of tasks")


def _trace(workspace: Workspace) -> Path | None:
    """Return something that only a runner with a journal leaves behind."""
    for folder in (workspace.accepted, workspace.turns, workspace.results):
        try:
            with os.scandir(folder) as found:
                for entry in found:
                    if is_id(entry.name.partition("__")[0].removesuffix(".json")):
                        return Path(entry.path)
        except OSError:
            continue
    return None
