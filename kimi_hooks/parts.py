"""What the runner's rooms work with, put together once by `app`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from kimi_hooks import backoff, limits
from kimi_hooks.clock import Clock
from kimi_hooks.config import Config
from kimi_hooks.edits import Broken, LastGood
from kimi_hooks.extracts import Extracts
from kimi_hooks.hooks import command
from kimi_hooks.hooks.command import Site
from kimi_hooks.hooks.running import Surroundings
from kimi_hooks.hooks.template import ScriptTemplate
from kimi_hooks.journal import standing
from kimi_hooks.journal.standing import Standing
from kimi_hooks.journal.store import Journal
from kimi_hooks.outbox.folder import Outbox
from kimi_hooks.pool import Pool
from kimi_hooks.process.client import Processes
from kimi_hooks.settings import Settings
from kimi_hooks.watcher import Bell
from kimi_hooks.workspace import Workspace

if TYPE_CHECKING:
    from kimi_hooks.kimi.catalogue import Catalogue
    from kimi_hooks.kimi.client import Client, Endpoint


class WatchedSettings(Protocol):
    """`current` is what the settings were when `renew` was last called."""

    @property
    def current(self) -> Settings: ...

    def renew(self) -> None: ...


@dataclass(frozen=True)
class Configured:
    """What one state of config.yaml makes; all of it changes at once. `values` are the config's, for templates."""

    config: Config
    catalogue: Catalogue
    client: Client
    values: Mapping[str, Any]


class WatchedConfig(Protocol):
    """`current` is what config.yaml made, when `renew` was last called, in its last good state, whose bytes are `data`.

    `broken` is its newest state where that cannot be used.
    """

    @property
    def current(self) -> Configured: ...

    @property
    def data(self) -> bytes: ...

    @property
    def broken(self) -> Broken | None: ...

    def renew(self) -> None: ...

    def is_outdated(self) -> bool: ...

    def seconds_to_look(self) -> float | None:
        """Return in how many seconds an edit may be whole; None when there is none, or the bell will tell."""


@dataclass(frozen=True)
class _Still:
    """Settings that do not change any more, though their `source` does."""

    current: Settings
    source: WatchedSettings

    def renew(self) -> None:
        """There is nothing to look for."""


@dataclass(frozen=True)
class Parts:
    """`standin` starts the imitation when it is first needed. What config.yaml makes follows its edits.

    In `gates` the hooks run that a task waits for. `pinned` is what config.yaml makes for something that has begun and
    goes on with what it began with.
    """

    workspace: Workspace
    live: WatchedConfig
    environ: Mapping[str, str]
    settings: WatchedSettings
    clock: Clock
    bell: Bell
    journal: Journal
    extracts: Extracts
    outbox: Outbox
    standin: Callable[[], Endpoint]
    processes: Processes
    gates: Pool
    templates: LastGood[ScriptTemplate] = field(default_factory=lambda: LastGood(command.load_template))
    pinned: Configured | None = None
    # What `fixed` returned last: most calls and hooks begin with the same.
    newest: list[Parts] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.pinned is None:
            # Not those of what these were made from, with other parts in them.
            object.__setattr__(self, "newest", [])

    @property
    def config(self) -> Config:
        return self._made.config

    @property
    def newest_config(self) -> Config:
        """The config as it is now, whatever is pinned: which hooks an event is owed to, it says when that happens."""
        return self.live.current.config

    @property
    def catalogue(self) -> Catalogue:
        return self._made.catalogue

    @property
    def client(self) -> Client:
        return self._made.client

    @property
    def site(self) -> Site:
        home, runs = self.workspace.home, self.workspace.hook_runs
        return Site(home, runs, self._made.values, self.processes, self.templates)

    @property
    def _made(self) -> Configured:
        return self.pinned or self.live.current

    def is_outdated(self) -> bool:
        """Tell whether config.yaml was edited since these parts were made of it."""
        return self._made is not self.live.current or self.live.is_outdated()

    def fixed(self) -> Parts:
        """Return the parts for a call or a hook that begins now: neither config nor settings change under it.

        Those of a call give the newest again, for a hook that is asked at a gate of it.
        """
        source = self.settings.source if isinstance(self.settings, _Still) else self.settings
        made, settings = self.live.current, source.current
        known = self.newest[-1] if self.newest else None
        if known is None or known.pinned is not made or known.settings.current is not settings:
            known = replace(self, pinned=made, settings=_Still(settings, source))
            self.newest[:] = [known]
        return known

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
