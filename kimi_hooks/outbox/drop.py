"""Put a task file into the outbox, whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kimi_hooks import atomic


def drop(outbox: Path, task_id: str, data: Mapping[str, Any]) -> Path:
    """Write `<task_id>.json` under a temporary name, fsync it and rename it into the outbox. Raises OSError."""
    path = outbox / f"{task_id}.json"
    atomic.write_bytes(path, json.dumps(data, ensure_ascii=False, indent=1).encode())
    return path
