"""`kimi-hooks hooks disable` and `hooks enable`: switch one hook off without an edit, and on again."""

from __future__ import annotations

import contextlib

import click

from kimi_hooks import logs
from kimi_hooks.clock import Clock
from kimi_hooks.commands import Home, completing, in_force
from kimi_hooks.commands.hooks_shared import require_hook, switched_off
from kimi_hooks.commands.telling import spelt
from kimi_hooks.config import Config
from kimi_hooks.errors import ConfigError
from kimi_hooks.hooks.engine import off_because
from kimi_hooks.journal import switches
from kimi_hooks.verbs import change
from kimi_hooks.workspace import Workspace, read_config


@click.command("disable", short_help="Switch a hook off, under every event.")
@click.argument("hook_id", metavar="ID", shell_complete=completing.hook_ids)
@click.pass_obj
def disable_command(home: Home, hook_id: str) -> None:
    """Switch the hook ID off, under every event, until `hooks enable`. It counts at once, and over restarts.

    What happens meanwhile is not kept for it, and news that it is owed is given up: `hooks replay` has that delivered
    later. What it does just now, it finishes.
    """
    workspace = home.find()
    config = in_force(workspace, read_config)
    require_hook(config, hook_id)
    now = Clock().now()
    if change(workspace, lambda db: switches.switch_off(db, hook_id, switches.BY_PERSON, now)):
        _log(workspace, f"hook {hook_id} is switched off: somebody said hooks disable")
        click.echo(f"{hook_id} is off; switch it on with: {spelt(workspace, f'hooks enable {hook_id}')}")
    else:
        click.echo(f"{hook_id} was off already: {off_because(switched_off(workspace)[hook_id])}")


@click.command("enable", short_help="Switch a hook on again.")
@click.argument("hook_id", metavar="ID", shell_complete=completing.hooks_off)
@click.pass_obj
def enable_command(home: Home, hook_id: str) -> None:
    """Switch the hook ID on again, after `hooks disable` or because its receiver was gone. It counts at once."""
    workspace = home.find()
    config = in_force(workspace, read_config)
    require_hook(config, hook_id, besides=switched_off(workspace))
    was_off = change(workspace, lambda db: switches.switch_on(db, hook_id))
    if was_off:
        _log(workspace, f"hook {hook_id} is switched on: somebody said hooks enable")
    _refuse_disabled(workspace, config, hook_id)
    click.echo(f"{hook_id} is on" if was_off else f"{hook_id} was not off")


def _refuse_disabled(workspace: Workspace, config: Config, hook_id: str) -> None:
    """Raise ConfigError when config.yaml keeps the hook off, so that nobody waits for it."""
    named = [hook for hook in config.named_hooks() if hook.hook_id == hook_id]
    off = [hook.event_name for hook in named if not hook.handler.enabled]
    if off:
        where = f"{workspace.config_file}: hooks: {' and '.join(dict.fromkeys(off))}: {hook_id}"
        raise ConfigError(f"{where}: `enabled: false` stands there, and keeps it off; take that out")


def _log(workspace: Workspace, told: str) -> None:
    # It is done by now: a log that cannot be written to must not say otherwise.
    with contextlib.suppress(OSError):
        logs.set_up(workspace.log_file, console=False, secrets=tuple)
        logs.LOGGER.info("%s", told)
