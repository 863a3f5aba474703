"""The files in `results/`: one for each ended task, and three that are derived from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kimi_hooks import atomic
from kimi_hooks.clock import iso
from kimi_hooks.states import is_of_run

LATEST = "latest.json"
OUTPUT = "task-output.txt"
PENDING = "pending-wake.json"
MAX_PENDING = 1000
STANDIN_WARNING = "answered by the local imitation, not by Kimi: no cost"
# What a turn says when Kimi has not answered.
NO_TURN: Mapping[str, Any] = {
    "text": "",
    "reasoning": None,
    "finish_reason": None,
    "model": None,
    "warnings": [],
}


def path_of(results: Path, task_id: str) -> Path:
    return results / f"{task_id}.json"


def write(results: Path, result: Mapping[str, Any]) -> None:
    """Put the result on the disk, whole. Raises OSError."""
    atomic.write_text(path_of(results, result["task_id"]), _json(result))


def read(results: Path, task_id: str) -> dict[str, Any] | None:
    """Return the result, None when there is none or it is not ours. Raises OSError when it cannot be read just now."""
    try:
        result = json.loads(atomic.read_bytes(path_of(results, task_id)))
    except (FileNotFoundError, ValueError):
        return None
    return result if isinstance(result, dict) and result.get("task_id") == task_id else None


def of_run(results: Path, task_id: str, retried: int) -> dict[str, Any] | None:
    """Return the result of the run that begins after so many retries: that of an earlier one says nothing of it.

    Raises as `read`.
    """
    result = read(results, task_id)
    return result if result is not None and is_of_run(result, retried) else None


def acknowledge(results: Path, task_id: str, at: float) -> None:
    """Write into the result that somebody has seen it. Raises OSError."""
    result = read(results, task_id)
    if result is not None:
        write(results, {**result, "status": "acknowledged", "acknowledged_at": iso(at)})


def listed(entry: Mapping[str, Any]) -> str:
    """Return the text of one entry of the pending list."""
    return json.dumps(entry, ensure_ascii=False)


def write_pending(results: Path, pending: Iterable[str], more: int) -> None:
    """Write the list of what is pending; it is made anew at every start. Raises OSError."""
    entries = ",\n    ".join(pending)
    listing = f"[\n    {entries}\n  ]" if entries else "[]"
    text = f'{{\n  "pending": {listing},\n  "more": {more}\n}}\n'
    atomic.write_text(results / PENDING, text, synced=False)


def write_latest(results: Path, task_id: str | None) -> None:
    """Copy the newest result, whole and its text alone; they are made anew at every start. Raises OSError."""
    latest = read(results, task_id) if task_id else None
    if latest is not None:
        atomic.write_text(results / OUTPUT, latest["output"], synced=False)
        atomic.write_text(results / LATEST, _json(latest), synced=False)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
