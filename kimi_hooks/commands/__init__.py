"""One module per verb. What most verbs share stands here."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from kimi_hooks import lock, workspace
from kimi_hooks.clock import Clock, parse_age, parse_iso
from kimi_hooks.errors import ConfigError, WorkspaceError
from kimi_hooks.workspace import GONE, Workspace, require

T = TypeVar("T")
LAST_GOOD = "kimi-hooks: {mistake}; until it is mended, the last good config.yaml counts, here and for the runner"
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@dataclass
class Home:
    """What was said about the workspace on the command line; `option` is set when `--home` has been read."""

    option: str | None = None

    def find(self, environ: Mapping[str, str] = os.environ) -> Workspace:
        """Return the workspace that is meant, whether it exists or not."""
        return workspace.find(self.option, environ, Path.cwd())


def print_json(value: Any) -> None:
    """Print a value as indented JSON on stdout, for scripts and people; no character of it steers a terminal."""
    from kimi_hooks.show import as_json  # noqa: PLC0415 - most calls of `dispatch` print none

    click.echo(as_json(value, is_utf8=sys.stdout.encoding.lower() == "utf-8"))


def is_in_hook(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether we were called by a hook of a runner, which may know a better config.yaml than there is just now."""
    return bool(environ.get("KIMI_EVENT_ID"))


def in_force(workspace: Workspace, read: Callable[..., T]) -> T:
    """Return what `read_config` or `read_basics` reads; of a broken config.yaml the last good state, as for the runner.

    A person is told so on stderr. Raises what `read` raises where no runner is at work, or no good state is known.
    """
    try:
        return read(workspace)
    except (ConfigError, WorkspaceError) as error:
        if not _has_runner(workspace):
            raise
        found = read(workspace, or_last_good=True)
        if not is_in_hook():
            from kimi_hooks.show import harmless  # noqa: PLC0415 - dispatch must be quick where all is well

            mistake = str(error) if workspace.config_file.exists() else GONE.format(file=workspace.config_file)
            click.echo(harmless(LAST_GOOD.format(mistake=mistake)), err=True)
        return found


def require_home(workspace: Workspace) -> None:
    """Raise WorkspaceError unless this is a workspace, or was one until a moment ago: a runner is at work in it."""
    try:
        require(workspace)
    except WorkspaceError:
        if not _has_runner(workspace):
            raise


def _has_runner(workspace: Workspace) -> bool:
    """Tell whether a last good state is in force: a runner is at work, or we are called by its hook."""
    if is_in_hook():
        return True
    holder = lock.holder(workspace.lock_file)
    return holder is not None and holder.is_at_work


def instant(since: str) -> float:
    """Return the instant, in seconds since 1970, that `--since` means. Raises UsageError."""
    with contextlib.suppress(ValueError):
        return Clock().now() - parse_age(since)
    try:
        return parse_iso(since)
    except ValueError:
        raise click.UsageError(f"--since {since!r}: give an age such as 24h or 7d, or an ISO day or time") from None
