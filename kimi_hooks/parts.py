"""What the runner's rooms work with, put together once by `app`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kimi_hooks.clock import Clock
from kimi_hooks.config import Config
from kimi_hooks.hooks.command import Site
from kimi_hooks.journal.store import Journal
from kimi_hooks.outbox.folder import Outbox
from kimi_hooks.settings import Settings
from kimi_hooks.watcher import Bell
from kimi_hooks.workspace import Workspace

if TYPE_CHECKING:
    from kimi_hooks.kimi.client import Client, Endpoint


@dataclass(frozen=True)
class Parts:
    """`read_settings` looks the secrets up again; `standin` starts the imitation when it is first needed."""

    workspace: Workspace
    config: Config
    environ: Mapping[str, str]
    read_settings: Callable[[], Settings]
    clock: Clock
    bell: Bell
    journal: Journal
    outbox: Outbox
    client: Client
    standin: Callable[[], Endpoint]
    site: Site
