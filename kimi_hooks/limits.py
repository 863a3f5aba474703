"""How many calls may leave now: a sliding window over the recorded sends."""

from __future__ import annotations

from collections.abc import Sequence

# A call is recorded before it leaves; the second more covers the way to Kimi, where the minute is counted.
WINDOW_SECONDS = 61.0


def free_slots(sends: Sequence[float], now: float, per_window: int) -> int:
    """Return how many calls may leave at `now`, given the times of the earlier ones."""
    return max(0, per_window - sum(sent > now - WINDOW_SECONDS for sent in sends))


def next_slot(sends: Sequence[float], now: float, per_window: int) -> float:
    """Return the first instant at which a call may leave: `now` when one may leave at once."""
    recent = sorted(sent for sent in sends if sent > now - WINDOW_SECONDS)
    if len(recent) < per_window:
        return now
    return recent[len(recent) - per_window] + WINDOW_SECONDS
