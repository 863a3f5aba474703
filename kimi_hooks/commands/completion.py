"""`kimi-hooks completion`: the script with which a shell completes verbs, options and task ids."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "kimi-hooks"
VARIABLE = "_KIMI_HOOKS_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Print the script that lets your shell complete words.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the script with which bash, zsh or fish completes verbs, options and ids.

    docs/command-line.md has the line for each shell that loads it.
    """
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"click does not know {shell}; upgrade it")
    click.echo(script(context.find_root().command, {}, PROGRAM, VARIABLE).source())
