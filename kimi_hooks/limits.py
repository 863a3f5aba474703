"""How much may leave now: sliding windows over the recorded sends."""

from __future__ import annotations

from collections.abc import Sequence

# A call counts at Kimi when it arrives there, up to a second after it has left here; see `sends.move` for slow ones.
WINDOW_SECONDS = 61.0


def free_slots(recent: int, per_window: int) -> int:
    """Return how many calls may leave now, when `recent` ones left within the window before now."""
    return max(0, per_window - recent)


def next_slot(newest: float | None, now: float) -> float:
    """Return the first instant at which a call may leave: `now` when one may leave at once.

    `newest` is when the newest call left after which the window is full: the last but `per_window - 1`.
    """
    return now if newest is None else max(now, newest + WINDOW_SECONDS)


def fitting(recent: int, wanted: Sequence[int], per_window: int) -> int:
    """Return how many of the calls may leave now, in their order, when `recent` tokens left within the window.

    `wanted` is the most tokens that each may take. One that does not fit holds back those behind it: otherwise a large
    one would never leave.
    """
    left = per_window - recent
    for number, tokens in enumerate(wanted):
        left -= tokens
        if left < 0:
            return number
    return len(wanted)


def tokens_free_at(recent: Sequence[tuple[float, int]], wanted: int, per_window: int, now: float) -> float:
    """Return the first instant at which a call may leave that may take `wanted` tokens, at most `per_window`.

    `recent` are the calls within the window, the oldest first: when each left, and the most that it may take.
    """
    left = per_window - wanted - sum(tokens for _, tokens in recent)
    if left >= 0:
        return now
    for sent_at, tokens in recent:
        left += tokens
        if left >= 0:
            return max(now, sent_at + WINDOW_SECONDS)
    return now + WINDOW_SECONDS
