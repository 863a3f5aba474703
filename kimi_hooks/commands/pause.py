"""`kimi-hooks pause` and `kimi-hooks resume`: hold the queue, and let it go on."""

from __future__ import annotations

import click

from kimi_hooks.commands import Home
from kimi_hooks.journal import facts, tasks
from kimi_hooks.verbs import change
from kimi_hooks.workspace import read_config


@click.command("pause", short_help="Start no more tasks until `resume`.")
@click.pass_obj
def pause_command(home: Home) -> None:
    """Start no more tasks until `resume`; what runs is finished."""
    workspace = home.find()
    read_config(workspace)
    change(workspace, lambda db: facts.pause(db, facts.Pause(facts.BY_PERSON)))
    click.echo("paused; go on with: kimi-hooks resume")


@click.command("resume", short_help="Let a paused queue go on.")
@click.pass_obj
def resume_command(home: Home) -> None:
    """Go on after `pause`, or after Kimi refused the key or the account had no credit."""
    workspace = home.find()
    read_config(workspace)
    was_paused = change(workspace, tasks.resume_queue)
    click.echo("resumed" if was_paused else "the queue was not paused")
