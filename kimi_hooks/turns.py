"""An answer of Kimi on the disk before anything is made of it: `spool/turns/<id>/<n>.json`."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kimi_hooks import atomic


def write(turns: Path, task_id: str, number: int, turn: Mapping[str, Any]) -> None:
    """Put one turn on the disk. From here on, no crash leads to a second call for it. Raises OSError."""
    folder = turns / task_id
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(folder / f"{number}.json", json.dumps(turn, ensure_ascii=False))
    atomic.sync_folder(turns)


def last(turns: Path, task_id: str) -> dict[str, Any] | None:
    """Return the newest turn of the task, None when Kimi has not answered it yet."""
    numbers = [int(file.stem) for file in (turns / task_id).glob("[0-9]*.json") if file.stem.isdigit()]
    if not numbers:
        return None
    turn: dict[str, Any] = json.loads((turns / task_id / f"{max(numbers)}.json").read_text("utf-8"))
    return turn


def forget(turns: Path, task_id: str) -> None:
    """Remove the turns of a task whose result is on the disk."""
    with contextlib.suppress(OSError):
        shutil.rmtree(turns / task_id)
