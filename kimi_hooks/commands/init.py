"""`kimi-hooks init`: lay out a workspace."""

from __future__ import annotations

import click

from kimi_hooks.commands import Home
from kimi_hooks.layout import lay_out
from kimi_hooks.workspace import at


@click.command("init")
@click.argument("folder", metavar="[DIR]", required=False)
@click.pass_obj
def init_command(home: Home, folder: str | None) -> None:
    """Lay out a workspace in DIR: config, hooks, outbox, results.

    Nothing that exists is changed. Without DIR it is the workspace that all other verbs use.
    """
    workspace = at(folder) if folder else home.find()
    for line in lay_out(workspace):
        click.echo(line)
