"""When the limits let the next call to Kimi leave, and which of them holds it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kimi_hooks import limits
from kimi_hooks.journal import facts, sends
from kimi_hooks.journal.store import Connection

_PATIENCE = "Kimi has asked for patience"
_USED_UP = "requests_per_minute is used up"


@dataclass(frozen=True)
class NextCall:
    """A call that may not leave yet: the instant from which on it may, in seconds since 1970, and what holds it."""

    at: float
    why: str

    def told(self, now: float) -> str:
        """Return in words what holds it, and for how long."""
        return f"{self.why}: the next call may leave in {max(1, math.ceil(self.at - now))} s"


def held(db: Connection, per_minute: int, now: float) -> NextCall | None:
    """Return when the next call may leave, None when one may at once; where two limits hold it, the longer one counts.

    `per_minute` is `limits.requests_per_minute`.
    """
    slot = limits.next_slot(sends.newest(db, per_minute, now), now)
    slowed = facts.slowed(db)
    until = slowed.until if slowed else now
    if max(slot, until) <= now:
        return None
    return NextCall(until, _PATIENCE) if until > slot else NextCall(slot, _USED_UP)
