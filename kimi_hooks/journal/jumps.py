"""The wall clock was set: what is a span of time in the journal moves along, so that no span gets longer or shorter.

The times at which something happened stay as they were written, and so does what a person has given as a time of day.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from kimi_hooks.clock import Clock
from kimi_hooks.journal import facts
from kimi_hooks.journal.store import Connection

# Less than this is the two clocks being read one after the other.
SMALLEST_SECONDS = 0.5


@dataclass(frozen=True)
class Reading:
    """How far the wall clock is ahead of the time since boot, in which boot."""

    ahead: float
    boot_id: str


def read(clock: Clock) -> Reading:
    return Reading(clock.now() - clock.since_boot(), clock.boot_id())


def again(before: Reading, clock: Clock) -> Reading:
    """Read the clocks once more in the same boot."""
    return replace(before, ahead=clock.now() - clock.since_boot())


def last(db: Connection) -> Reading | None:
    """Return the reading that was kept last, None where the system does not tell one boot from another.

    What cannot be read is none.
    """
    try:
        reading = Reading(**json.loads(facts.value(db, facts.CLOCK) or "{}"))
        return Reading(float(reading.ahead), str(reading.boot_id)) if reading.boot_id else None
    except (ValueError, TypeError):
        return None


def between(before: Reading | None, after: Reading) -> float:
    """Return by how many seconds the wall clock was set; 0 where nobody can tell, such as after a reboot."""
    if before is None or before.boot_id != after.boot_id:
        return 0.0
    jump = after.ahead - before.ahead
    return jump if abs(jump) >= SMALLEST_SECONDS else 0.0


def settle(db: Connection, reading: Reading, jump: float, now: float, window: float) -> None:
    """Keep the reading, and move what is still to come, or still counts, by the jump."""
    facts.put(db, facts.CLOCK, json.dumps({"ahead": reading.ahead, "boot_id": reading.boot_id}))
    if not jump:
        return
    began = now - jump - window
    db.execute("UPDATE sends SET sent_at = min(?, sent_at + ?) WHERE sent_at > ?", (now, jump, began))
    db.execute(
        "UPDATE tasks SET deadline_at = deadline_at + ? WHERE ended IS NULL AND deadline_at IS NOT NULL", (jump,)
    )
    db.execute("UPDATE tasks SET due_at = due_at + ? WHERE state = 'retryable'", (jump,))
    # Those that wait for no time of day are due since they came, and those that have been sent before are due as well.
    db.execute(
        "UPDATE tasks SET due_at = min(due_at, ?) WHERE (state = 'available' AND started_at IS NOT NULL) "
        "OR (state IN ('available', 'held') AND due_at = created_at)",
        (now,),
    )
    db.execute("UPDATE deliveries SET due_at = due_at + ? WHERE state = 'waiting'", (jump,))
    slowed = facts.slowed(db)
    if slowed is not None:
        facts.slow(db, replace(slowed, until=slowed.until + jump, since=slowed.since + jump))
