"""`kimi-hooks stop`: end the runner."""

from __future__ import annotations

import click

from kimi_hooks.commands import Home
from kimi_hooks.control import stop_runner


@click.command("stop", short_help="Stop the runner; what runs may finish first.")
@click.option("--now", is_flag=True, help="Do not wait for running calls and hooks; the journal makes that safe.")
@click.pass_obj
def stop_command(home: Home, now: bool) -> None:
    """Stop the runner: it finishes what runs, up to its grace time, and leaves the rest for the next start.

    Exit code 1: answers could not be written in time and are lost.
    """
    workspace = home.find()
    pid = stop_runner(workspace, now=now, tell=lambda told: click.echo(f"kimi-hooks: {told}", err=True))
    click.echo(f"stopped (process {pid})" if pid else f"no runner was at work in {workspace.home}")
