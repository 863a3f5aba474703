"""The life of one runner, of which hooks are told at both ends."""

from __future__ import annotations

from functools import partial
from typing import Literal

from kimi_hooks import events, owing
from kimi_hooks.errors import JournalError
from kimi_hooks.events import SESSION_END, SESSION_START, EventKind
from kimi_hooks.journal import deliveries
from kimi_hooks.journal.deliveries import Delivery
from kimi_hooks.logs import LOGGER
from kimi_hooks.parts import Parts
from kimi_hooks.task_id import new_run_id

EndReason = Literal["stopped", "drained"]


class Session:
    """From when a runner is at work until it stops; nothing is written where no hook wants to know."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._run_id = new_run_id(parts.clock.now())
        self._owed: list[str] = []
        self._has_ended = False

    def begin(self) -> None:
        """Owe the hooks of `SessionStart` that the runner is at work."""
        self._owe(SESSION_START, "startup")

    def end(self, reason: EndReason) -> bool:
        """Owe the hooks of `SessionEnd` that the runner is about to stop; tell whether one is owed that now."""
        if self._has_ended:
            return False
        self._has_ended = True
        return self._owe(SESSION_END, reason)

    def take_last(self, free: int) -> list[Delivery]:
        """Return what is still to be told of this session for the first time, up to `free` of it, marked as running."""
        if not self._owed or not free:
            return []
        try:
            return self._parts.journal.write(partial(deliveries.start_first, event_ids=self._owed, free=free))
        except JournalError as error:
            LOGGER.error("%s; hooks are told of the end of this runner at the next start", error)
            return []

    def _owe(self, kind: EventKind, why: str) -> bool:
        parts, now = self._parts, self._parts.clock.now()
        if not any(hook.kind == kind for hook in parts.config.each_hook()):
            return False
        news = events.of_session(kind, self._run_id, why, now)
        try:
            parts.journal.write(lambda db: owing.owe(db, parts.config, news, now))
        except JournalError as error:
            LOGGER.error("%s: no hook is told of it: %s", news.event_id, error)
            return False
        self._owed.append(news.event_id)
        parts.bell.ring()
        return True
