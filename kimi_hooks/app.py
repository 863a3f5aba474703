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
from kimi_hooks.config import Config
from kimi_hooks.extracts import Extracts
from kimi_hooks.hooks.command import Site
from kimi_hooks.journal.store import Journal
from kimi_hooks.kimi import catalogue
from kimi_hooks.kimi.client import Client, Endpoint
from kimi_hooks.logs import LOGGER
from kimi_hooks.outbox.folder import Outbox
from kimi_hooks.parts import Parts
from kimi_hooks.process.client import Processes
from kimi_hooks.settings import Settings
from kimi_hooks.standin.server import Standin
from kimi_hooks.watcher import Bell
from kimi_hooks.workspace import Workspace, read_config


def assemble(workspace: Workspace, environ: Mapping[str, str] = os.environ, clock: Clock | None = None) -> Parts:
    """Put together what a runner of this workspace needs. Raises WorkspaceError and ConfigError."""
    clock = clock or Clock()
    config = read_config(workspace)
    workspace.make_folders()
    return Parts(
        workspace=workspace,
        config=config,
        environ=environ,
        settings=WatchedSettings(workspace, config, environ),
        clock=clock,
        bell=Bell(),
        journal=Journal(workspace.journal_file),
        extracts=Extracts(workspace.extracts),
        outbox=Outbox(workspace.outbox, workspace.incoming, clock, config.settle_seconds),
        catalogue=catalogue.make(config.kimi, lambda: today(clock.now())),
        client=Client(
            connect_timeout=config.kimi.connect_timeout,
            idle_timeout=config.kimi.idle_timeout,
            clock=clock,
            stream=config.kimi.stream,
        ),
        standin=LazyStandin(),
        site=Site(workspace.home, workspace.hook_runs, config.model_dump(mode="json", by_alias=True), Processes()),
    )


class WatchedSettings:
    """The settings as they were when the runner last looked; it looks at every turn."""

    def __init__(self, workspace: Workspace, config: Config, environ: Mapping[str, str]) -> None:
        user_home = Path(environ.get("HOME") or "/nonexistent")
        said = config.basics.settings
        self._read: Callable[[], Settings] = lambda: settings_module.read(workspace, said, environ, user_home)
        self._files = [str(file) for file in settings_module.secrets_files(workspace, user_home)]
        self._seen = [atomic.stamp(file) for file in self._files]
        self.current = self._read()

    def renew(self) -> None:
        """Look the settings up again if a file that they come from has changed."""
        stamps = [atomic.stamp(file) for file in self._files]
        if stamps != self._seen:
            self.current, self._seen = self._read(), stamps


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
