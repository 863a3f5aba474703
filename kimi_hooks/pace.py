"""How many calls to Kimi may leave now, and when the next one may."""

from __future__ import annotations

from dataclasses import dataclass

from kimi_hooks import limits
from kimi_hooks.journal.standing import Standing


@dataclass(frozen=True)
class UnderWay:
    """Calls to Kimi that are not answered yet.

    `late` ones were recorded so long ago that the window has forgotten them, and have still not left.
    """

    calls: int
    late: int


def room(standing: Standing, per_minute: int, free: int, under_way: UnderWay) -> int:
    """Return how many calls may leave now."""
    slots = limits.free_slots(standing.recent_sends + under_way.late, per_minute)
    slowed = standing.slowed
    if slowed is None:
        return min(free, slots)
    if standing.now < slowed.until:
        return 0
    return max(0, min(free, slots, slowed.room - under_way.calls))


def next_start(standing: Standing, due: float, per_minute: int, under_way: UnderWay) -> float | None:
    """Return when a call may leave that is due at an instant; None when another call has to end or leave first."""
    slot = limits.next_slot(standing.blocking_send, standing.now)
    until = standing.slowed.until if standing.slowed else 0.0
    instant = max(due, slot, until)
    is_full = standing.slowed is not None and under_way.calls >= standing.slowed.room
    if instant > standing.now:
        return instant
    has_late = under_way.late and standing.recent_sends + under_way.late >= per_minute
    if has_late and not is_full and standing.oldest_recent is not None:
        # A late one may stay for long; the oldest that the window still holds gives way before.
        return standing.oldest_recent + limits.WINDOW_SECONDS
    return None if is_full or has_late else instant
