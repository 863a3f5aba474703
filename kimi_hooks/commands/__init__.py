"""One module per verb. What most verbs share stands here."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kimi_hooks import workspace
from kimi_hooks.clock import Clock, parse_age, parse_iso
from kimi_hooks.workspace import Workspace

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@dataclass
class Home:
    """What was said about the workspace on the command line; `option` is set when `--home` has been read."""

    option: str | None = None

    def find(self, environ: Mapping[str, str] = os.environ) -> Workspace:
        """Return the workspace that is meant, whether it exists or not."""
        return workspace.find(self.option, environ, Path.cwd())


def print_json(value: Any) -> None:
    """Print a value as indented JSON on stdout, for scripts and people."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def is_in_hook(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether we were called by a hook of a runner, which may know a better config.yaml than there is just now."""
    return bool(environ.get("KIMI_EVENT_ID"))


def instant(since: str) -> float:
    """Return the instant, in seconds since 1970, that `--since` means. Raises UsageError."""
    with contextlib.suppress(ValueError):
        return Clock().now() - parse_age(since)
    try:
        return parse_iso(since)
    except ValueError:
        raise click.UsageError(f"--since {since!r}: give an age such as 24h or 7d, or an ISO day or time") from None
