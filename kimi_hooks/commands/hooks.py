"""`kimi-hooks hooks`: what is configured, whether it is sound, what has run."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click

from kimi_hooks.clock import iso
from kimi_hooks.commands import Home, completing, json_option, print_json
from kimi_hooks.config_hooks import CommandPart
from kimi_hooks.errors import UnknownHookError
from kimi_hooks.hooks import check
from kimi_hooks.journal import deliveries
from kimi_hooks.journal.deliveries import HookRun
from kimi_hooks.journal.store import open_existing
from kimi_hooks.logs import visible
from kimi_hooks.reports import check as report_check
from kimi_hooks.waiting import whereabouts
from kimi_hooks.workspace import CONFIG_NAME, Workspace, read_config, require

LONGEST_SAID = 300


@click.group("hooks", short_help="List, check and look back on your hooks.")
def hooks_command() -> None:
    """List, check and look back on the user's hooks."""


@hooks_command.command("list", short_help="List the hooks in the order of config.yaml.")
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
            "type": hook.handler.type,
            "command": hook.handler.told,
            "timeout": hook.timeout,
            "retries": hook.handler.retries,
            "env": list(hook.handler.env) if isinstance(hook.handler, CommandPart) else [],
        }
        for hook in config.each_hook()
    ]
    if as_json:
        print_json(rows)
    for row in [] if as_json else rows:
        click.echo(f"{row['event']:<14} {row['id']:<20} matcher {row['matcher']}  ->  {row['command']}")
    if not rows and not as_json:
        click.echo("no hooks: disableAllHooks is on" if config.disable_all_hooks else "no hooks are configured")


@hooks_command.command("check", short_help="Check config.yaml, hook files and templates.")
@json_option
@click.pass_obj
def check_command(home: Home, as_json: bool) -> None:
    """Check config.yaml, the hook files, their run bits and templates, and your own templates for reports.

    Exit code 1 when something is wrong.
    """
    workspace = home.find()
    config = read_config(workspace)
    findings = [*check.check(config, workspace.home), *report_check.check(workspace.hooks)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.level:<5} {finding.event} {finding.hook_id}: {finding.message}")
    sys.exit(int(any(finding.level == "error" for finding in findings)))


@hooks_command.command("runs", short_help="Show the record of hook runs, newest first.")
@click.option("--task", metavar="ID", shell_complete=completing.task_ids, help="Only the runs for this task.")
@click.option("--hook", metavar="ID", shell_complete=completing.hook_ids, help="Only the runs of this hook.")
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
    try:
        runs = journal.read(lambda db: deliveries.runs(db, task_id=task, hook_id=hook, limit=limit))
        if task is not None and not runs:
            whereabouts(workspace, journal, task)
    finally:
        journal.close()
    if hook is not None and not runs:
        _require_hook(workspace, hook)
    if as_json:
        print_json([_row(run) for run in runs])
    for run in [] if as_json else runs:
        click.echo(_line(run))
    if not runs and not as_json:
        click.echo("no such run is on record yet" if task or hook else "no hook has run yet")


def _row(run: HookRun) -> dict[str, Any]:
    return {**asdict(run), "ended_at": iso(run.ended_at)}


def _require_hook(workspace: Workspace, hook_id: str) -> None:
    known = list(dict.fromkeys(hook.hook_id for hook in read_config(workspace).each_hook()))
    if hook_id not in known:
        there = f"there are: {', '.join(known)}" if known else "there are none"
        raise UnknownHookError(f"{hook_id}: no such hook in {CONFIG_NAME}; {there}")


def _line(run: HookRun) -> str:
    code = "no exit code" if run.exit_code is None else f"exit {run.exit_code}"
    said = (run.stderr.strip() or run.stdout.strip()).splitlines()
    told = f"  {_cut(visible(said[-1]))}" if said else ""
    who = f"{iso(run.ended_at)}  {run.about:<24}  {run.event:<14} {run.hook_id:<18}"
    return f"{who} try {run.attempt}  {run.outcome:<9} {code}, {run.duration_ms} ms{told}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SAID else text[:LONGEST_SAID] + " ..."
