"""`kimi-hooks hooks`: what is configured, whether it is sound, what has run."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from kimi_hooks.commands import Home, completing, json_option, print_json
from kimi_hooks.hooks import check
from kimi_hooks.journal import deliveries
from kimi_hooks.journal.deliveries import HookRun
from kimi_hooks.journal.store import open_existing
from kimi_hooks.logs import visible
from kimi_hooks.workspace import read_config, require


@click.group("hooks")
def hooks_command() -> None:
    """List, check and look back on the user's hooks."""


@hooks_command.command("list")
@json_option
@click.pass_obj
def list_command(home: Home, as_json: bool) -> None:
    """List the configured hooks in the order of config.yaml."""
    config = read_config(home.find())
    rows = [
        {
            "id": hook.hook_id,
            "event": hook.event_name,
            "matcher": hook.group.matcher or "*",
            "command": hook.handler.command,
            "timeout": hook.handler.timeout,
            "retries": hook.handler.retries,
            "env": list(hook.handler.env),
        }
        for hook in config.each_hook()
    ]
    if as_json:
        print_json(rows)
    for row in [] if as_json else rows:
        click.echo(f"{row['event']:<14} {row['id']:<20} matcher {row['matcher']}  ->  {row['command']}")
    if not rows and not as_json:
        click.echo("no hooks: disableAllHooks is on" if config.disable_all_hooks else "no hooks are configured")


@hooks_command.command("check")
@json_option
@click.pass_obj
def check_command(home: Home, as_json: bool) -> None:
    """Check config.yaml, the hook files, their run bits and templates. Exit code 1 when something is wrong."""
    workspace = home.find()
    config = read_config(workspace)
    findings = check.check(config, workspace.home)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.level:<5} {finding.event} {finding.hook_id}: {finding.message}")
    sys.exit(int(any(finding.level == "error" for finding in findings)))


@hooks_command.command("runs")
@click.option("--task", metavar="ID", shell_complete=completing.task_ids, help="Only the runs for this task.")
@click.option("--hook", metavar="ID", help="Only the runs of this hook.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, newest first."
)
@json_option
@click.pass_obj
def runs_command(home: Home, task: str | None, hook: str | None, limit: int, as_json: bool) -> None:
    """Show the record of hook runs, newest first."""
    workspace = home.find()
    require(workspace)
    journal = open_existing(workspace.journal_file)
    runs = journal.read(lambda db: deliveries.runs(db, task_id=task, hook_id=hook, limit=limit))
    journal.close()
    if as_json:
        print_json([asdict(run) for run in runs])
    for run in [] if as_json else runs:
        click.echo(_line(run))
    if not runs and not as_json:
        click.echo("no hook has run yet")


def _line(run: HookRun) -> str:
    code = "no exit code" if run.exit_code is None else f"exit {run.exit_code}"
    said = (run.stderr.strip() or run.stdout.strip()).splitlines()
    told = f"  {visible(said[-1])[:300]}" if said else ""
    who = f"{run.task_id}  {run.event:<14} {run.hook_id:<18}"
    return f"{who} try {run.attempt}  {run.outcome:<9} {code}, {run.duration_ms} ms{told}"
