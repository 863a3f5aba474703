"""What is on our own disk of a task that has not ended yet: `spool/turns/<id>/`.

`<n>.json` is the nth answer of Kimi, when another one is needed or a gate is asked about it; `result.json` is a
finished result which cannot be put into `results/` just now. Each tells how often the task had been run again before
(`retried`): what an earlier run has left counts for nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kimi_hooks import atomic
from kimi_hooks.states import is_of_run

_NAME = "result.json"
# What every answer that was kept tells. One that lacks any of it is not as it was written, and as good as gone.
_KEYS = frozenset({"text", "reasoning", "finish_reason", "model", "warnings", "took"})


def keep_turn(turns: Path, task_id: str, number: int, turn: Mapping[str, Any]) -> None:
    """Put an answer on the disk. From here on, no crash leads to a second call for it. Raises OSError."""
    _write(turns, task_id, f"{number}.json", turn)


def earlier(turns: Path, task_id: str, count: int, retried: int = 0) -> list[dict[str, Any]]:
    """Return the first `count` answers that were kept, without those that are gone. Raises OSError."""
    found = (_turn(turns, task_id, number, retried) for number in range(1, count + 1))
    return [turn for turn in found if turn is not None]


def all_of(turns: Path, task_id: str, retried: int = 0) -> list[dict[str, Any]]:
    """Return all answers that were kept of a task, up to the first that is gone. Raises OSError."""
    found: list[dict[str, Any]] = []
    while (turn := newer(turns, task_id, len(found), retried)) is not None:
        found.append(turn)
    return found


def newer(turns: Path, task_id: str, count: int, retried: int = 0) -> dict[str, Any] | None:
    """Return the answer after the first `count` ones, None when there is none. Raises OSError."""
    return _turn(turns, task_id, count + 1, retried)


def is_whole(turn: Mapping[str, Any]) -> bool:
    """Tell whether an answer that was kept is whole, and for a gate to judge; the others are parts of one."""
    return bool(turn.get("whole"))


def joined(turns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return several answers as the one that they are parts of: the texts without a seam, the end of the last."""
    reasoning = "".join(turn["reasoning"] or "" for turn in turns)
    return {
        **turns[-1],
        "text": "".join(turn["text"] for turn in turns),
        "reasoning": reasoning or None,
        "model": next((turn["model"] for turn in reversed(turns) if turn["model"]), None),
        "warnings": list(dict.fromkeys(warning for turn in turns for warning in turn["warnings"])),
    }


def keep(turns: Path, result: Mapping[str, Any]) -> None:
    """Put a result on the disk. From here on, no crash leads to a second call for it. Raises OSError."""
    _write(turns, result["task_id"], _NAME, result)


def kept(turns: Path, task_id: str, retried: int = 0) -> dict[str, Any] | None:
    """Return the result that was kept for the task, None when there is none. Raises OSError."""
    result = _read_if_there(turns / task_id / _NAME)
    return result if result is not None and is_of_run(result, retried) else None


def forget(turns: Path, task_id: str) -> None:
    """Remove what was kept for a task whose result is where it belongs."""
    folder = turns / task_id
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def _turn(turns: Path, task_id: str, number: int, retried: int) -> dict[str, Any] | None:
    turn = _read_if_there(turns / task_id / f"{number}.json")
    is_ours = isinstance(turn, dict) and turn.keys() >= _KEYS and is_of_run(turn, retried)
    return turn if is_ours else None


def _write(turns: Path, task_id: str, name: str, value: Mapping[str, Any]) -> None:
    folder = turns / task_id
    atomic.write_text(folder / name, json.dumps(value, ensure_ascii=False))
    atomic.sync_folder(turns)


def _read_if_there(file: Path) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = json.loads(atomic.read_bytes(file))
    except (FileNotFoundError, ValueError):
        return None
    return value
