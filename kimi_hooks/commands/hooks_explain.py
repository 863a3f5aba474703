"""`kimi-hooks hooks explain`: why each hook did or did not run for an event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from kimi_hooks import results
from kimi_hooks.clock import iso
from kimi_hooks.commands import Home, json_option, print_json
from kimi_hooks.commands.hooks_shared import accepted, event_argument, fixture_option, occasion_of, task_option
from kimi_hooks.config import Config
from kimi_hooks.events import KINDS, EventKind
from kimi_hooks.hooks import engine
from kimi_hooks.hooks.engine import Considered
from kimi_hooks.journal import deliveries, switches, tasks
from kimi_hooks.journal.deliveries import HookRun
from kimi_hooks.journal.store import Journal, open_existing
from kimi_hooks.show import harmless
from kimi_hooks.trying import past
from kimi_hooks.workspace import Workspace, read_config

WIDEST = 24
MOST_RUNS = 1000
STATES = {
    "waiting": "owed: its next run is due at {due}",
    "behind": "owed: it waits for earlier news of the same task",
    "running": "it is run just now",
}


@dataclass(frozen=True)
class _Explained:
    """What is told: `absence` says why there was no such event; `owed` has a line for news that is still open."""

    about: str
    absence: str | None
    considered: Sequence[Considered]
    runs: Sequence[HookRun] = ()
    owed: dict[str, str] | None = None


@click.command("explain", short_help="Tell why each hook did or did not run.")
@event_argument
@task_option
@fixture_option
@json_option
@click.pass_obj
def explain_command(home: Home, event: str, task: str | None, fixture: str | None, as_json: bool) -> None:
    """Tell of each hook under EVENT whether it runs for it and why not, by config.yaml as it is now.

    With --task also what is on record: the runs of each hook for this event of the task. Without --task and --fixture
    the event is made up.
    """
    workspace = home.find()
    config = read_config(workspace)
    journal = open_existing(workspace.journal_file)
    try:
        found = _explained(workspace, journal, config, event, task, fixture)
    finally:
        journal.close()
    elsewhere = _elsewhere(config, KINDS[event])
    if as_json:
        told = {"event": event, "about": found.about, "absence": found.absence}
        print_json({**told, "hooks": [_row(item, found) for item in found.considered], "elsewhere": elsewhere})
    else:
        _print(event, found, elsewhere)


def _explained(
    workspace: Workspace, journal: Journal, config: Config, name: str, task: str | None, fixture: str | None
) -> _Explained:
    off = journal.read(switches.switched_off)
    if task is None or fixture is not None:
        occasion = occasion_of(workspace, journal, name, task, fixture)
        return _Explained(occasion.told, None, engine.consider(config, occasion.event, off))
    entry = accepted(workspace, journal, task)
    result = results.read(workspace.results, task) if tasks.is_ended(entry) else None
    absence = past.absence(workspace, name, entry, result)
    if absence is not None:
        return _Explained(f"of {task}", absence, ())
    occasion = occasion_of(workspace, journal, name, task, None)
    runs = journal.read(lambda db: deliveries.runs(db, task_id=task, hook_id=None, limit=MOST_RUNS))
    of_kind = [run for run in runs if KINDS.get(run.event) == KINDS[name]]
    owed = journal.read(lambda db: deliveries.unfinished(db, occasion.event.event_id))
    told = {hook_id: STATES[state].format(due=iso(due)) for hook_id, state, due in owed}
    return _Explained(occasion.told, None, engine.consider(config, occasion.event, off), of_kind, told)


def _elsewhere(config: Config, kind: EventKind) -> dict[str, list[str]]:
    """Return the hooks that stand under other events, and those events."""
    found: dict[str, list[str]] = {}
    for hook in config.named_hooks():
        if hook.kind != kind and hook.event_name not in found.setdefault(hook.hook_id, []):
            found[hook.hook_id].append(hook.event_name)
    return found


def _print(event: str, found: _Explained, elsewhere: dict[str, list[str]]) -> None:
    click.echo(f"{event} {harmless(found.about)}")
    if found.absence is not None:
        click.echo(f"there was none: {harmless(found.absence)}")
    elif not found.considered:
        click.echo("no hook stands under it in config.yaml")
    width = min(WIDEST, max((len(item.hook.hook_id) for item in found.considered), default=0))
    for item in found.considered:
        for label, line in zip([item.hook.hook_id, *[""] * MOST_RUNS], _lines(item, found), strict=False):
            click.echo(f"  {label:<{width}}  {harmless(line)}")
    for run in _gone(found):
        click.echo(f"  {run.hook_id:<{width}}  no longer in config.yaml; {_told(run)}")
    if elsewhere:
        told = [f"{hook_id} ({', '.join(names)})" for hook_id, names in elsewhere.items()]
        click.echo(f"under other events: {', '.join(told)}")


def _lines(item: Considered, found: _Explained) -> Iterable[str]:
    """Yield what is to be said of one hook, the newest of its runs first."""
    runs = [run for run in found.runs if run.hook_id == item.hook.hook_id]
    owed = (found.owed or {}).get(item.hook.hook_id)
    if item.why_not is not None:
        yield f"does not run: {item.why_not}"
    else:
        yield "runs" if found.owed is None or runs or owed else "runs by config.yaml as it is now; no run is on record"
    if item.remark:
        yield item.remark
    if owed:
        yield owed
    for run in runs:
        yield _told(run)


def _gone(found: _Explained) -> list[HookRun]:
    known = {item.hook.hook_id for item in found.considered}
    return [run for run in found.runs if run.hook_id not in known]


def _told(run: HookRun) -> str:
    how = f"HTTP {run.http_status}" if run.http_status is not None else f"exit {run.exit_code}"
    how = "no exit code" if run.exit_code is None and run.http_status is None else how
    why = f": {run.reason}" if run.reason else ""
    return f"run {run.run} {run.outcome} at {iso(run.ended_at)}, try {run.attempt}, {how}{why}"


def _row(item: Considered, found: _Explained) -> dict[str, Any]:
    hook_id = item.hook.hook_id
    return {
        "hook_id": hook_id,
        "event": item.hook.event_name,
        "why_not": item.why_not,
        "remark": item.remark or None,
        "owed": (found.owed or {}).get(hook_id),
        "runs": [
            {"run": run.run, "outcome": run.outcome, "attempt": run.attempt, "ended_at": iso(run.ended_at)}
            for run in found.runs
            if run.hook_id == hook_id
        ],
    }
