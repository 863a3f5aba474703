"""Run one hook of any type for one event, and tell how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kimi_hooks.clock import Clock
from kimi_hooks.config_hooks import Hook, HttpPart
from kimi_hooks.errors import LaunchError, TemplateError
from kimi_hooks.hooks import command
from kimi_hooks.hooks.command import Site
from kimi_hooks.process.protocol import Finished, without_exit
from kimi_hooks.settings import Settings


@dataclass(frozen=True)
class Surroundings:
    """What a hook runs in: the workspace, the runner's environment, and what the secrets files say."""

    site: Site
    environ: Mapping[str, str]
    settings: Settings
    clock: Clock = field(default_factory=Clock)


def run(hook: Hook, hook_input: Mapping[str, Any], around: Surroundings) -> Finished:
    """Run the hook to its end or its time-out. Raises StoppingError when it was cut, OSError when we lack something."""
    handler = hook.handler
    if isinstance(handler, HttpPart):
        # Only a hook that posts pays for it.
        from kimi_hooks.hooks import posting  # noqa: PLC0415

        variables = partial(around.settings.chosen, environ=around.environ)
        return posting.run(hook, handler, hook_input, variables, around.clock)
    named = around.settings.chosen(handler.env, around.environ)
    env = command.environment(hook_input, around.environ, named, around.site.home)
    try:
        return command.run(hook, handler, hook_input, env, around.site, around.settings.secrets_in(named.values()))
    except (LaunchError, TemplateError) as error:
        return without_exit(str(error))
