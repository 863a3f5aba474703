"""What hooks are owed of an event: a delivery for each that wants it."""

from __future__ import annotations

from kimi_hooks.config import Config
from kimi_hooks.events import Event, Moment
from kimi_hooks.hooks import engine
from kimi_hooks.journal import deliveries, moments
from kimi_hooks.journal.store import Connection


def owe(db: Connection, config: Config, event: Event, now: float) -> None:
    """Write down, in the caller's transaction, that each hook which wants this event is owed it."""
    owed = engine.owed(config, event)
    if owed and isinstance(event, Moment):
        moments.add(db, event)
    deliveries.owe(db, owed, now)
