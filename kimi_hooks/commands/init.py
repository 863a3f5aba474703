"""`kimi-hooks init`: lay out a workspace."""

from __future__ import annotations

import click

from kimi_hooks import layout
from kimi_hooks.commands import Home, completing
from kimi_hooks.commands.telling import spelt
from kimi_hooks.show import harmless
from kimi_hooks.workspace import Workspace, at, is_marked, require

UNMARKED = (
    "it lacks the line `workspace: 1`, which must stand by itself: until it does, only --home finds this workspace"
)


@click.command("init", short_help="Lay out a workspace: config, hooks, outbox, results.")
@click.argument("folder", metavar="[DIR]", required=False, shell_complete=completing.folder)
@click.option("--diff", is_flag=True, help="Only show how config.yaml and hooks differ from the shipped ones.")
@click.pass_obj
def init_command(home: Home, folder: str | None, diff: bool) -> None:
    """Lay out a workspace in DIR: config, hooks, outbox, results.

    Nothing that exists is changed. Without DIR it is the workspace that all other verbs use.
    """
    workspace = at(folder) if folder else home.find()
    if diff:
        _tell_differences(workspace)
    else:
        _lay_out(workspace)


def _tell_differences(workspace: Workspace) -> None:
    require(workspace)
    if layout.is_source(workspace):
        click.echo("kimi-hooks: this workspace is the clone itself: see `git diff`", err=True)
    else:
        click.echo(harmless(layout.differences(workspace)), nl=False)


def _lay_out(workspace: Workspace) -> None:
    is_fresh = not workspace.config_file.exists()
    told = layout.lay_out(workspace)
    made = [line for line in told if line.startswith("made")]
    for line in made:
        click.echo(line)
    if len(made) < len(told):
        click.echo(f"kept everything{' else' if made else ''} ({len(told) - len(made)})")
    if is_fresh:
        click.echo(
            f"next  put KIMI_API_KEY=sk-... into {workspace.secrets_file}, then: {spelt(workspace, 'run --detach')}"
        )
    if not is_marked(workspace.config_file):
        click.echo(f"kimi-hooks: {workspace.config_file}: {UNMARKED}", err=True)
    for path in layout.differing(workspace):
        click.echo(f"kept  {path} differs from the shipped one; to see: {spelt(workspace, 'init --diff')}")
