"""`kimi-hooks init`: lay out a workspace."""

from __future__ import annotations

import click

from kimi_hooks import layout
from kimi_hooks.commands import Home, completing
from kimi_hooks.commands.telling import spelt
from kimi_hooks.show import harmless
from kimi_hooks.workspace import Workspace, at, require


@click.command("init")
@click.argument("folder", metavar="[DIR]", required=False, shell_complete=completing.folder)
@click.option("--diff", is_flag=True, help="Only show how config.yaml and hooks differ from the shipped ones.")
@click.pass_obj
def init_command(home: Home, folder: str | None, diff: bool) -> None:
    """Lay out a workspace in DIR: config, hooks, outbox, results.

    Nothing that exists is changed. Without DIR it is the workspace that all other verbs use.
    """
    workspace = at(folder) if folder else home.find()
    if diff:
        require(workspace)
        click.echo(harmless(layout.differences(workspace)), nl=False)
    else:
        _lay_out(workspace)


def _lay_out(workspace: Workspace) -> None:
    for line in layout.lay_out(workspace):
        click.echo(line)
    for path in layout.differing(workspace):
        click.echo(f"kept  {path} differs from the shipped one; to see: {spelt(workspace, 'init --diff')}")
