"""The pace of the whole queue when Kimi asks for patience: one call at a time, and more again as they are answered."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from kimi_hooks.errors import JournalError
from kimi_hooks.journal import facts, sends
from kimi_hooks.journal.facts import Slowed
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.failure import Failure
from kimi_hooks.parts import Parts

# Kinds of failure that another call would meet as well.
KINDS = frozenset({"rate_limit", "overloaded"})
_MINUTE = 60.0


def slow_down(db: Connection, parts: Parts, entry: Entry, failure: Failure, now: float) -> Slowed | None:
    """Slow the queue after a call that Kimi had no room for; None for a task of the imitation, which slows nobody.

    A call that left before the queue was slowed last tells nothing new, but for how long Kimi wants to be left alone.
    """
    if entry.standin:
        return None
    before = facts.slowed(db)
    sent_at = sends.under_way_since(db, entry.id)
    asked_for = now + (failure.retry_after or 0.0)
    if before is not None and sent_at is not None and sent_at < before.since:
        slowed = replace(before, until=max(before.until, asked_for))
    else:
        times = before.times + 1 if before else 1
        wait = max(parts.pause_after(times), _spacing(failure))
        slowed = Slowed(until=max(now + wait, asked_for), since=now, times=times)
    facts.slow(db, slowed)
    return slowed


def note_answer(parts: Parts, sent_at: float) -> None:
    """Give the queue more room after an answer, unless the journal is in trouble: that must not cost the answer."""
    with suppress(JournalError):
        parts.journal.write(lambda db: speed_up(db, sent_at, parts.config.limits.concurrency))


def speed_up(db: Connection, sent_at: float, concurrency: int) -> None:
    """Give the queue more room after an answer to a call that left since it was slowed."""
    slowed = facts.slowed(db)
    if slowed is None or sent_at < slowed.since:
        return
    room = 2 * slowed.room
    facts.slow(db, None if room > concurrency else replace(slowed, room=room, times=0))


def told(failure: Failure, seconds: float) -> str:
    """Say in the log that all tasks wait, and which limit to set if Kimi has named it."""
    hint = (
        f"; Kimi names a limit: {failure.limit_told}: set it under limits in config.yaml" if failure.limit_told else ""
    )
    return (
        f"Kimi asks for patience ({failure.kind}): all tasks wait {seconds:.0f} s, then go one at a time at first{hint}"
    )


def _spacing(failure: Failure) -> float:
    """Return how far calls are apart, in seconds, at the rate that Kimi has named; 0 if it named none."""
    limit, _, number = (failure.limit_told or "").partition(" ")
    return _MINUTE / int(number) if limit == "requests_per_minute" and int(number) else 0.0
