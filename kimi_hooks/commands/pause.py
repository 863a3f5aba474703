"""`kimi-hooks pause` and `kimi-hooks resume`: hold the queue, and let it go on."""

from __future__ import annotations

import contextlib

import click

from kimi_hooks import logs, notifying
from kimi_hooks.clock import Clock
from kimi_hooks.commands import Home, in_force
from kimi_hooks.events import Notification
from kimi_hooks.journal import facts
from kimi_hooks.verbs import change
from kimi_hooks.workspace import Workspace, read_config


@click.command("pause", short_help="Start no more tasks until `resume`.")
@click.pass_obj
def pause_command(home: Home) -> None:
    """Start no more tasks until `resume`; what runs is finished."""
    workspace = home.find()
    config = in_force(workspace, read_config)
    by_person = facts.Pause(facts.BY_PERSON)
    _log(workspace, change(workspace, lambda db: notifying.pause(db, config, by_person, Clock().now())))
    click.echo("paused; go on with: kimi-hooks resume")


@click.command("resume", short_help="Let a paused queue go on.")
@click.pass_obj
def resume_command(home: Home) -> None:
    """Go on after `pause`, or after Kimi refused the key or the account had no credit."""
    workspace = home.find()
    config = in_force(workspace, read_config)
    told = change(workspace, lambda db: notifying.resume(db, config, "person", Clock().now()))
    _log(workspace, told)
    click.echo("resumed" if told else "the queue was not paused")


def _log(workspace: Workspace, told: Notification | None) -> None:
    """Let the runner's log say what was done to its queue."""
    if told is not None:
        # It is done by now: a log that cannot be written to must not say otherwise.
        with contextlib.suppress(OSError):
            logs.set_up(workspace.log_file, console=False, secrets=tuple)
            logs.LOGGER.info("%s %s: %s", told.event_id, told.type, told.message)
