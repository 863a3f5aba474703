"""The wiring: config in, parts out. The only place where the parts meet."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from kimi_hooks import atomic
from kimi_hooks import settings as settings_module
from kimi_hooks.clock import Clock, today
from kimi_hooks.edits import Broken, ConfigFile
from kimi_hooks.extracts import Extracts
from kimi_hooks.journal.store import Journal
from kimi_hooks.kimi import catalogue
from kimi_hooks.kimi.client import Client, Endpoint
from kimi_hooks.logs import LOGGER
from kimi_hooks.outbox.folder import Outbox
from kimi_hooks.parts import Configured, Parts
from kimi_hooks.pool import Pool
from kimi_hooks.process.client import Processes
from kimi_hooks.settings import Settings
from kimi_hooks.standin.server import Standin
from kimi_hooks.watcher import Bell
from kimi_hooks.workspace import Workspace


def assemble(
    workspace: Workspace,
    environ: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
    journal: Journal | None = None,
) -> Parts:
    """Put together what a runner of this workspace needs, around its journal unless another one is given.

    Raises WorkspaceError, ConfigError and DamagedJournalError.
    """
    clock = clock or Clock()
    live = WatchedConfig(workspace, clock)
    workspace.make_folders()
    bell = Bell()
    return Parts(
        workspace=workspace,
        live=live,
        environ=environ,
        settings=WatchedSettings(workspace, live, environ),
        clock=clock,
        bell=bell,
        journal=journal or Journal(workspace.journal_file),
        extracts=Extracts(workspace.extracts),
        outbox=Outbox(workspace.outbox, workspace.incoming, clock, live.current.config.settle_seconds),
        standin=LazyStandin(),
        processes=Processes(),
        gates=Pool("gate", live.current.config.limits.hooks, bell.ring),
    )


class WatchedConfig:
    """What config.yaml made when the runner last looked; it looks at every turn."""

    def __init__(self, workspace: Workspace, clock: Clock) -> None:
        """Read it. Raises WorkspaceError and ConfigError."""
        self._file = ConfigFile(workspace, clock)
        self._today = lambda: today(clock.now())
        kimi = self._file.config.kimi
        self._client = Client(
            connect_timeout=kimi.connect_timeout, idle_timeout=kimi.idle_timeout, clock=clock, stream=kimi.stream
        )
        self.current = self._made()

    @property
    def data(self) -> bytes:
        return self._file.data

    @property
    def broken(self) -> Broken | None:
        return self._file.broken

    def renew(self) -> None:
        """Make all anew if the file has changed and is in order."""
        self._file.look()
        if self._file.config is not self.current.config:
            self.current = self._made()

    def is_outdated(self) -> bool:
        """Tell whether the file has changed since."""
        return self._file.is_outdated()

    def seconds_to_look(self) -> float | None:
        return self._file.seconds_to_look()

    def _made(self) -> Configured:
        config = self._file.config
        kimi = config.kimi
        return Configured(
            config,
            catalogue.make(kimi, self._today),
            self._client.tuned(kimi.connect_timeout, kimi.idle_timeout, stream=kimi.stream),
            config.model_dump(mode="json", by_alias=True),
        )


class WatchedSettings:
    """The settings as they were when the runner last looked; it looks at every turn."""

    def __init__(self, workspace: Workspace, live: WatchedConfig, environ: Mapping[str, str]) -> None:
        user_home = Path(environ.get("HOME") or "/nonexistent")
        self._live = live
        self._read: Callable[[], Settings] = lambda: settings_module.read(
            workspace, live.current.config.basics.settings, environ, user_home
        )
        self._files = [str(file) for file in settings_module.secrets_files(workspace, user_home)]
        self._seen = self._sources()
        self.current = self._read()

    def renew(self) -> None:
        """Look the settings up again if a file that they come from has changed."""
        sources = self._sources()
        if sources != self._seen:
            self.current, self._seen = self._read(), sources

    def _sources(self) -> list[object]:
        return [self._live.current.config, *(atomic.stamp(file) for file in self._files)]


class LazyStandin:
    """The imitation of Kimi, started when a task first asks for it and reachable by this runner only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._endpoint: Endpoint | None = None

    def __call__(self) -> Endpoint:
        with self._lock:
            self._endpoint = self._endpoint or _start_standin()
        return self._endpoint


def _start_standin() -> Endpoint:
    key = f"standin-{secrets.token_hex(16)}"
    # It lives as long as the runner, so it must not remember what it was asked.
    server = Standin(keys=frozenset({key}), keep=0)
    server.start()
    LOGGER.info("the local imitation of Kimi answers at %s; it is not Kimi", server.url)
    return Endpoint(url=server.url, key=key, standin=True)
