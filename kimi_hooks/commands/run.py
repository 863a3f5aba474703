"""`kimi-hooks run`: the runner, in the foreground or the background."""

from __future__ import annotations

import os
import sys

import click

from kimi_hooks import control, logs, schemas
from kimi_hooks.commands import Home
from kimi_hooks.commands.telling import spelt
from kimi_hooks.log_file import Rotation
from kimi_hooks.workspace import Workspace, read_config


@click.command("run", short_help="Watch the outbox, ask Kimi, write results, fire hooks.")
@click.option("--detach", is_flag=True, help="Run in the background; returns once the runner is ready.")
@click.option("--drain", is_flag=True, help="Finish what is there and exit: 1 if a task failed or cannot go on.")
@click.pass_obj
def run_command(home: Home, detach: bool, drain: bool) -> None:
    """Watch the outbox, ask Kimi, write results, fire hooks - until stopped (^C, SIGTERM, kimi-hooks stop)."""
    if drain and detach:
        raise click.UsageError("--drain works in the foreground")
    workspace = home.find()
    if detach:
        pid = control.start_runner(workspace)
        told = f"runner started in the background (process {pid}); stop it with: {spelt(workspace, 'stop')}"
        click.echo(told, err=True)
        _warn_of_hooks(workspace)
    else:
        sys.exit(_run(workspace, drain=drain))


def _warn_of_hooks(workspace: Workspace) -> None:
    from kimi_hooks.hooks.check import problems  # noqa: PLC0415 - only where it is said

    for problem in problems(read_config(workspace), workspace.home):
        click.echo(f"hook {problem.hook_id} ({problem.event}) is not in order: {problem.message}", err=True)


def _run(workspace: Workspace, *, drain: bool) -> int:
    from kimi_hooks.app import assemble  # noqa: PLC0415 - starting one in the background must be quick
    from kimi_hooks.runner import Runner  # noqa: PLC0415 - as above

    parts = assemble(workspace)
    # After an upgrade nobody may think of `init`.
    schemas.lay_out(workspace.schemas)
    logs.set_up(
        workspace.log_file,
        console=not control.is_in_background(),
        secrets=lambda: parts.settings.current.secrets,
        rotation=lambda: Rotation(parts.config.log.max_bytes, parts.config.log.keep),
    )
    runner = Runner(parts, on_ready=control.say_ready)
    runner.heed_signals()
    runner.run(drain=drain)
    code = int(drain and runner.has_failures)
    if sys.stdout is not None:
        sys.stdout.flush()
    if runner.left_work_behind:
        # Threads that still wait for Kimi must not hold up the exit.
        os._exit(code)
    return code
