"""What the runner's rooms work with, put together once by `app`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kimi_hooks import backoff, limits
from kimi_hooks.clock import Clock
from kimi_hooks.config import Config
from kimi_hooks.extracts import Extracts
from kimi_hooks.hooks.command import Site
from kimi_hooks.hooks.running import Surroundings
from kimi_hooks.journal import standing
from kimi_hooks.journal.standing import Standing
from kimi_hooks.journal.store import Journal
from kimi_hooks.outbox.folder import Outbox
from kimi_hooks.settings import Settings
from kimi_hooks.watcher import Bell
from kimi_hooks.workspace import Workspace

if TYPE_CHECKING:
    from kimi_hooks.kimi.catalogue import Catalogue
    from kimi_hooks.kimi.client import Client, Endpoint


class WatchedSettings(Protocol):
    """`current` is what the settings were when `renew` was last called."""

    current: Settings

    def renew(self) -> None: ...


@dataclass(frozen=True)
class Parts:
    """`standin` starts the imitation when it is first needed."""

    workspace: Workspace
    config: Config
    environ: Mapping[str, str]
    settings: WatchedSettings
    clock: Clock
    bell: Bell
    journal: Journal
    extracts: Extracts
    outbox: Outbox
    catalogue: Catalogue
    client: Client
    standin: Callable[[], Endpoint]
    site: Site

    @property
    def surroundings(self) -> Surroundings:
        """Return what hooks run in now."""
        return Surroundings(self.site, self.environ, self.settings.current, self.clock)

    def look(self) -> Standing:
        """Return where the queue stands now."""
        now, per_window = self.clock.now(), self.config.limits.requests_per_minute
        return self.journal.read(lambda db: standing.look(db, now, limits.WINDOW_SECONDS, per_window))

    def pause_after(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        retry = self.config.retry
        return backoff.pause(failures, first=retry.first_pause, cap=retry.max_pause, jitter=self.clock.chance)
