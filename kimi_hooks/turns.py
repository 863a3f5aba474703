"""What is on our own disk of a task that has not ended yet: `spool/turns/<id>/`.

So far that is a finished result, `result.json`, which cannot be put into `results/` just now.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kimi_hooks import atomic

_NAME = "result.json"


def keep(turns: Path, result: Mapping[str, Any]) -> None:
    """Put a result on the disk. From here on, no crash leads to a second call for it. Raises OSError."""
    folder = turns / result["task_id"]
    atomic.write_text(folder / _NAME, json.dumps(result, ensure_ascii=False))
    atomic.sync_folder(turns)


def kept(turns: Path, task_id: str) -> dict[str, Any] | None:
    """Return the result that was kept for the task, None when there is none. Raises OSError."""
    try:
        result: dict[str, Any] = json.loads(atomic.read_bytes(turns / task_id / _NAME))
    except (FileNotFoundError, ValueError):
        return None
    return result


def forget(turns: Path, task_id: str) -> None:
    """Remove what was kept for a task whose result is where it belongs."""
    folder = turns / task_id
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
