"""Growing, jittered pauses, and those that a server asks for: pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

# No limit of Kimi's lasts longer; milliseconds, or an instant, would hold the whole queue for years.
LONGEST_ASKED_FOR = 86_400.0


def pause(attempt: int, *, first: float, cap: float, jitter: Callable[[], float]) -> float:
    """Return the seconds to wait after the given failed attempt (1 is the first).

    The pause doubles from `first` up to `cap`; `jitter` returns a number in [0, 1) and takes away up to half,
    so that tasks that failed together do not come back together.
    """
    doubled: float = min(cap, first * 2.0 ** min(attempt - 1, 64))
    return doubled * (1.0 - jitter() / 2.0)


def asked_for(headers: Mapping[str, str], now: Callable[[], float], name: str = "retry-after") -> float | None:
    """Return how many seconds an answer asks to wait, if it does, at most a day; `now` is wall time.

    The names of the headers are in lower case. Their form, seconds or a date: RFC 9110, 10.2.3.
    """
    value = headers.get(name)
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        date = _date(value)
        if date is None:
            return None
        # The server's own Date is the better reference: our clock may be wrong.
        seconds = date - (_date(headers.get("date", "")) or now())
    return min(max(seconds, 0.0), LONGEST_ASKED_FOR) if math.isfinite(seconds) else None


def _date(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
