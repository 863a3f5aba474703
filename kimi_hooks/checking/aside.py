"""What is not as it was written is kept aside, with a note of why."""

from __future__ import annotations

import os
from pathlib import Path

from kimi_hooks import atomic
from kimi_hooks.workspace import Workspace


def put(workspace: Workspace, path: Path, why: str) -> None:
    """Move a file or folder to `spool/damaged/`, under a name that is free there. Raises OSError."""
    folder = workspace.spool / "damaged"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = path.name
    number = 1
    while os.path.lexists(folder / name):
        number += 1
        name = f"{path.name}.{number}"
    atomic.write_text(folder / f"{name}.note.txt", f"{path}: {why}\n")
    path.rename(folder / name)
    atomic.sync_folder(folder)
