"""Time and chance as arguments, so that no test waits."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from datetime import time as time_of_day
from pathlib import Path

# Ten years, in seconds: nobody means to wait longer.
LONGEST_WAIT = 10 * 366 * 24 * 3600.0


_AGE = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,3})?) ?(?P<unit>[smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _since_boot() -> float:
    # Linux stops its monotonic clock while the machine sleeps; macOS stops the one that Python's monotonic() reads.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _boot_id() -> str:
    """Return a word that changes with each boot; empty where the system tells none."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True)
class Clock:
    """`now` is wall time in seconds since 1970, for what is written down; `monotonic` measures spans.

    `since_boot` goes on while the machine sleeps and is set by nobody: beside it a jump of the wall time is seen.
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    since_boot: Callable[[], float] = _since_boot
    boot_id: Callable[[], str] = _boot_id
    chance: Callable[[], float] = random.random


def today(now: float) -> str:
    """Return the day in this machine's time zone, such as `2026-11-22`."""
    return datetime.fromtimestamp(now).date().isoformat()  # noqa: DTZ006 - the local day is meant


def next_day(now: float) -> float:
    """Return the next midnight of this machine's time zone, in seconds since 1970."""
    tomorrow = datetime.fromtimestamp(now).date() + timedelta(days=1)  # noqa: DTZ006 - the local day is meant
    return datetime.combine(tomorrow, datetime.min.time()).timestamp()


def kimi_day(now: float) -> float:
    """Return when Kimi's next day may begin: at midnight here, in UTC or in Beijing, for nobody has said which."""
    zones = (UTC, timezone(timedelta(hours=8)))
    midnights = [datetime.combine(datetime.fromtimestamp(now, zone).date(), time_of_day.min, zone) for zone in zones]
    return min(next_day(now), *((midnight + timedelta(days=1)).timestamp() for midnight in midnights))


def day_began(now: float) -> float:
    """Return the last midnight of this machine's time zone, in seconds since 1970."""
    return datetime.combine(datetime.fromtimestamp(now).date(), datetime.min.time()).timestamp()  # noqa: DTZ006 - as above


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


def parse_age(text: str, *, needs_unit: bool = False) -> float:
    """Read a span of time, `90`, `90s`, `30m` (minutes), `24h` or `7d`, as seconds; `needs_unit` refuses `90`.

    Raises ValueError.
    """
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no span of time such as {'90s' if needs_unit else '90'}, 30m, 24h or 7d")
    if needs_unit and not found["unit"]:
        number = found["number"]
        raise ValueError(f"{text!r} has no unit; write {number}d for days, {number}h for hours, {number}m for minutes")
    return float(found["number"]) * _UNITS[found["unit"]]
