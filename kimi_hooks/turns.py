"""An answer of Kimi that cannot become a result yet, on the disk: `spool/turns/<id>/<n>.json`."""

from __future__ import annotations

import json
import os
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
    numbers = [int(stem) for stem, _, ending in _files(turns, task_id) if stem.isdigit() and ending == "json"]
    if not numbers:
        return None
    turn: dict[str, Any] = json.loads((turns / task_id / f"{max(numbers)}.json").read_text("utf-8"))
    return turn


def _files(turns: Path, task_id: str) -> list[tuple[str, str, str]]:
    try:
        return [name.partition(".") for name in os.listdir(turns / task_id)]  # noqa: PTH208 - once for each task
    except FileNotFoundError:
        return []


def forget(turns: Path, task_id: str) -> None:
    """Remove the turns of a task whose result is on the disk."""
    folder = turns / task_id
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
