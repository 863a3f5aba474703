"""Time and chance as arguments, so that no test waits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

# Ten years, in seconds: nobody means to wait longer.
LONGEST_WAIT = 10 * 366 * 24 * 3600.0


@dataclass(frozen=True)
class Clock:
    """`now` is wall time in seconds since 1970, for what is written down; `monotonic` measures spans."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


def iso(seconds: float | None) -> str | None:
    """Write an instant as ISO 8601 in UTC with a Z, to the second: `2026-02-17T15:30:00Z`."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "9999-12-31T23:59:59Z"


def parse_iso(text: str) -> float:
    """Read an ISO 8601 instant; one without an offset is local time. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()
