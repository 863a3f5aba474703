"""`kimi-hooks status`: the runner, the counts, what runs and what waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from kimi_hooks import lock
from kimi_hooks.clock import iso, parse_iso
from kimi_hooks.commands import Home, json_option, print_json
from kimi_hooks.journal import deliveries, facts, tasks
from kimi_hooks.journal.store import Connection, Journal, open_existing
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.outbox.folder import dropped
from kimi_hooks.show import harmless
from kimi_hooks.states import State
from kimi_hooks.waiting import DROPPED
from kimi_hooks.workspace import Workspace, read_config

LISTED = 20
OPEN_STATES = (State.EXECUTING, State.AVAILABLE, State.RETRYABLE, State.HELD)
RESUME = "put it right, then: kimi-hooks resume"


@click.command("status")
@json_option
@click.pass_obj
def status_command(home: Home, as_json: bool) -> None:
    """Tell whether a runner is at work, how many tasks are in each state, what runs and what waits."""
    workspace = home.find()
    read_config(workspace)
    journal = open_existing(workspace.journal_file)
    status = _status(workspace, journal)
    journal.close()
    if as_json:
        print_json(status)
    else:
        _print(status)


def _status(workspace: Workspace, journal: Journal) -> dict[str, Any]:
    holder = lock.holder(workspace.lock_file)
    is_running = holder is not None and holder.ready
    paused = journal.read(facts.paused)
    if paused is None and holder is not None and holder.lacks_key:
        paused = facts.NO_KEY
    waiting_files = len(dropped(workspace.outbox)) if workspace.outbox.is_dir() else 0
    counts = {DROPPED: waiting_files, **dict.fromkeys(State, 0), **journal.read(tasks.counts)}
    return {
        "home": str(workspace.home),
        "runner": {
            "state": "running" if is_running else "stopped",
            "pid": holder.pid if holder is not None and is_running else None,
        },
        "paused": paused,
        "tasks": counts,
        "deliveries": journal.read(deliveries.counts),
        "open": [_row(entry) for state in OPEN_STATES for entry in journal.read(_listed(state))],
    }


def _listed(state: State) -> Callable[[Connection], list[Entry]]:
    return partial(tasks.in_state, state=state, limit=LISTED)


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "task_id": entry.id,
        "task_name": entry.name,
        "state": entry.state,
        "hold_reason": entry.hold_reason,
        "priority": entry.priority,
        "attempts": entry.attempts,
        "created_at": iso(entry.created_at),
        "started_at": iso(entry.started_at),
        "due_at": iso(entry.due_at),
    }


def _print(status: dict[str, Any]) -> None:
    runner = status["runner"]
    at_work = (
        f"running (process {runner['pid']})" if runner["pid"] else "stopped; start it with: kimi-hooks run --detach"
    )
    click.echo(f"workspace  {status['home']}")
    click.echo(f"runner     {at_work}")
    if status["paused"] == facts.NO_KEY:
        click.echo(f"key        none: tasks for Kimi wait until KIMI_API_KEY stands in {status['home']}/.env.kimi")
    elif status["paused"]:
        click.echo(f"paused     {status['paused']}: {_remedy(status)}")
    click.echo("tasks      " + (_counts(status["tasks"]) or "none yet"))
    if status["deliveries"]:
        click.echo("hooks      " + _counts(status["deliveries"]))
    if status["open"]:
        _print_table(status["open"])


def _remedy(status: dict[str, Any]) -> str:
    return "go on with: kimi-hooks resume" if status["paused"] == facts.BY_PERSON else RESUME


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich import box  # noqa: PLC0415 - only where a table is drawn
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("id", "name", "state", "prio", "tries", "for"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "name")
    for row in rows:
        state = f"{row['state']} ({row['hold_reason']})" if row["hold_reason"] else row["state"]
        cells = [row["task_id"], harmless(row["task_name"]), state, str(row["priority"]), str(row["attempts"])]
        table.add_row(*(Text(cell) for cell in cells), Text(_age(row["created_at"])))
    Console().print(table)


def _age(created_at: str) -> str:
    seconds = max(0, int(time.time() - parse_iso(created_at)))
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
