"""`kimi-hooks hooks runs` and `hooks replay`: the record of what hooks have done, and news delivered again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import click

from kimi_hooks import lock
from kimi_hooks.clock import Clock, iso
from kimi_hooks.commands import Home, completing, in_force, instant, json_option, print_json, require_home
from kimi_hooks.commands.hooks_shared import known_event, require_hook
from kimi_hooks.commands.telling import spelt
from kimi_hooks.config import Config
from kimi_hooks.events import KINDS
from kimi_hooks.journal import deliveries
from kimi_hooks.journal.deliveries import HookRun, Known, Replayed
from kimi_hooks.journal.store import Connection, open_existing
from kimi_hooks.logs import visible
from kimi_hooks.verbs import change
from kimi_hooks.waiting import whereabouts
from kimi_hooks.workspace import Workspace, read_config

LONGEST_SAID = 300


@click.command("runs", short_help="Show the record of hook runs, newest first.")
@click.option("--task", metavar="ID", shell_complete=completing.task_ids, help="Only the runs for this task.")
@click.option("--hook", metavar="ID", shell_complete=completing.hook_ids, help="Only the runs of this hook.")
@click.option(
    "--event", metavar="EVENT", callback=known_event, shell_complete=completing.event_names, help="Only for this event."
)
@click.option("--failed", is_flag=True, help="Only those that were neither delivered nor allowed.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, newest first."
)
@json_option
@click.pass_obj
def runs_command(
    home: Home, task: str | None, hook: str | None, event: str | None, failed: bool, limit: int, as_json: bool
) -> None:
    """Show the record of hook runs, newest first: those for news and those at gates, each with its number.

    `hooks replay` takes such a number.
    """
    workspace = home.find()
    require_home(workspace)
    names = None if event is None else [name for name, kind in KINDS.items() if kind == KINDS[event]]
    journal = open_existing(workspace.journal_file)
    try:
        runs = journal.read(
            lambda db: deliveries.runs(db, task_id=task, hook_id=hook, events=names, failed=failed, limit=limit)
        )
        if task is not None and not runs:
            whereabouts(workspace, journal, task)
        can_be_told = failed and bool(journal.read(lambda db: deliveries.replay_failed(db, None, hook)).due)
    finally:
        journal.close()
    if hook is not None and not runs:
        require_hook(in_force(workspace, read_config), hook)
    if as_json:
        print_json([_row(run) for run in runs])
    for run in [] if as_json else runs:
        click.echo(_line(run))
    if not runs and not as_json:
        click.echo("no such run is on record yet" if task or hook or event or failed else "no hook has run yet")
    if runs and can_be_told and not as_json:
        again = spelt(workspace, "hooks replay --failed" + (f" --hook {hook}" if hook else ""))
        click.echo(f"kimi-hooks: when the reason is mended, have the news told again with: {again}", err=True)


def _row(run: HookRun) -> dict[str, Any]:
    return {**asdict(run), "ended_at": iso(run.ended_at)}


def _line(run: HookRun) -> str:
    code = "no exit code" if run.exit_code is None else f"exit {run.exit_code}"
    if run.http_status is not None:
        code = f"HTTP {run.http_status}"
    said = (run.reason or run.stderr.strip() or run.stdout.strip()).splitlines()
    told = f"  {_cut(visible(said[-1]))}" if said else ""
    who = f"{run.run:>4}  {iso(run.ended_at)}  {run.about:<24}  {run.event:<14} {run.hook_id:<18}"
    return f"{who} try {run.attempt}  {run.outcome:<9} {code}, {run.duration_ms} ms{told}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SAID else text[:LONGEST_SAID] + " ..."


@click.command("replay", short_help="Deliver news again that hooks have had.")
@click.argument("run", metavar="[RUN]", type=int, required=False, shell_complete=completing.run_numbers)
@click.option("--failed", is_flag=True, help="All news that was given up.")
@click.option(
    "--since", metavar="AGE|TIME", help="All news that hooks ran for since then: 2h, 7d, or an ISO day or time."
)
@click.option("--hook", metavar="ID", shell_complete=completing.hook_ids, help="Of these, only the news of this hook.")
@click.option("--dry-run", is_flag=True, help="Change nothing: tell what would be delivered again.")
@json_option
@click.pass_obj
def replay_command(
    home: Home, run: int | None, failed: bool, since: str | None, hook: str | None, dry_run: bool, as_json: bool
) -> None:
    """Deliver news to hooks again, with all its tries: that of the run with the number RUN, or more of it.

    The hook reads the same event, with the same event_id, from the result as it is now. News that is still owed is
    left as it is, and so is that of hooks which are not in config.yaml any more. A runner must be at work; without one
    it is done at its next start. What a gate decided cannot be decided again.
    """
    if [run is not None, failed, since is not None].count(True) != 1:
        raise click.UsageError("give the number of a run (see `hooks runs`), --failed or --since")
    if run is not None and hook is not None:
        raise click.UsageError("--hook goes with --failed and --since; a run is of one hook anyway")
    workspace = home.find()
    config = in_force(workspace, read_config)
    known = frozenset((found.hook_id, found.event_name) for found in config.each_hook())
    operation = _operation(run, since, hook, None if dry_run else Clock().now(), known)
    found = _looked(workspace, operation) if dry_run else change(workspace, operation)
    if hook is not None and not (found.due or found.left or found.gone):
        require_hook(config, hook)
    if as_json:
        pairs = {name: _pairs(some) for name, some in vars(found).items()}
        print_json({**pairs, "dry_run": dry_run})
    else:
        _print(workspace, found, dry_run=dry_run)
        _print_gone(config, [hook_id for _, hook_id in found.gone])


def _operation(
    run: int | None, since: str | None, hook: str | None, now: float | None, known: Known
) -> Callable[[Connection], Replayed]:
    """Return what makes the news due at `now`; None only looks."""
    if run is not None:
        return lambda db: deliveries.replay_run(db, run, now, known)
    if since is not None:
        began = instant(since)
        return lambda db: deliveries.replay_since(db, began, now, hook, known)
    return lambda db: deliveries.replay_failed(db, now, hook, known)


def _looked(workspace: Workspace, operation: Callable[[Connection], Replayed]) -> Replayed:
    journal = open_existing(workspace.journal_file)
    try:
        return journal.read(operation)
    finally:
        journal.close()


def _pairs(found: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"event_id": event_id, "hook_id": hook_id} for event_id, hook_id in found]


def _print(workspace: Workspace, found: Replayed, *, dry_run: bool) -> None:
    for event_id, hook_id in found.due:
        click.echo(f"{event_id}  {hook_id}")
    many = "1 delivery" if len(found.due) == 1 else f"{len(found.due)} deliveries"
    would = "would be made due" if dry_run else "made due"
    click.echo(f"{many} {would} again" if found.due else "there is nothing to deliver again")
    if found.left:
        click.echo(f"{len(found.left)} left as they are: they are still owed, or under way")
    if found.due and not dry_run and lock.holder(workspace.lock_file) is None:
        click.echo(f"kimi-hooks: no runner is at work; start one with: {spelt(workspace, 'run --detach')}", err=True)


def _print_gone(config: Config, hook_ids: Sequence[str]) -> None:
    """Say what was left out since nobody would be told by it: the hook is gone, or kept off there."""
    named = {hook.hook_id for hook in config.named_hooks()}
    off = [hook_id for hook_id in hook_ids if hook_id in named]
    gone = [hook_id for hook_id in hook_ids if hook_id not in named]
    for some, why in ((gone, "not in config.yaml any more"), (off, "kept off by config.yaml")):
        if some:
            whose = "1 is of a hook that is" if len(some) == 1 else f"{len(some)} are of hooks that are"
            click.echo(f"{whose} {why}: {', '.join(dict.fromkeys(some))}")
