"""How many calls may leave now: a sliding window over the recorded sends."""

from __future__ import annotations

# A call is recorded before it leaves; the second more covers the way to Kimi, where the minute is counted.
WINDOW_SECONDS = 61.0


def free_slots(recent: int, per_window: int) -> int:
    """Return how many calls may leave now, when `recent` ones left within the window before now."""
    return max(0, per_window - recent)


def next_slot(newest: float | None, now: float) -> float:
    """Return the first instant at which a call may leave: `now` when one may leave at once.

    `newest` is when the newest call left after which the window is full: the last but `per_window - 1`.
    """
    return now if newest is None else max(now, newest + WINDOW_SECONDS)
