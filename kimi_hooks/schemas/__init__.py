"""JSON Schemas of config.yaml and task files, for editors: made from the code by scripts/docs, laid into workspaces."""

from __future__ import annotations

import contextlib
from pathlib import Path

from kimi_hooks import atomic

_FOLDER = Path(__file__).parent
NAMES = ("config.schema.json", "task.schema.json")


def shipped(name: str) -> Path:
    """Return the schema that came with this version of the program."""
    return _FOLDER / name


def lay_out(folder: Path) -> None:
    """Put this version's schemas into a workspace's folder, where its config.yaml says that they are.

    They only help editors, so a folder that cannot be written raises nothing.
    """
    for name in NAMES:
        data = shipped(name).read_bytes()
        with contextlib.suppress(OSError):
            if not (folder / name).is_file() or (folder / name).read_bytes() != data:
                atomic.write_bytes(folder / name, data, synced=False)
