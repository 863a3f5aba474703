"""`kimi-hooks status`: the runner, the counts, what runs and what waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from kimi_hooks import lock
from kimi_hooks.clock import Clock, iso, parse_iso
from kimi_hooks.commands import Home, json_option, next_call, print_json
from kimi_hooks.commands.next_call import NextCall
from kimi_hooks.commands.telling import pause_told, spelt
from kimi_hooks.config import Config
from kimi_hooks.edits import content_mark
from kimi_hooks.errors import ConfigError, WorkspaceError
from kimi_hooks.journal import deliveries, facts, steering, switches, tasks
from kimi_hooks.journal.facts import Pause
from kimi_hooks.journal.store import Connection, Journal, open_existing
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.lock import Holder
from kimi_hooks.outbox.folder import dropped
from kimi_hooks.show import harmless
from kimi_hooks.states import State
from kimi_hooks.waiting import DROPPED
from kimi_hooks.workspace import GONE, Workspace, read_config

LISTED = 20
OPEN_STATES = (State.EXECUTING, State.AVAILABLE, State.RETRYABLE, State.HELD)


@dataclass(frozen=True)
class _HeldUp:
    """What holds tasks for Kimi: a pause, and a limit."""

    pause: Pause | None
    next_call: NextCall | None


@click.command("status", short_help="Tell what the runner does, what runs and what waits.")
@json_option
@click.pass_obj
def status_command(home: Home, as_json: bool) -> None:
    """Tell whether a runner is at work, how many tasks are in each state, what runs and what waits."""
    workspace = home.find()
    holder = lock.holder(workspace.lock_file)
    config, mistake = _config(workspace, holder)
    journal = open_existing(workspace.journal_file)
    held_up = _held_up(journal, holder, config)
    broken = _broken_templates(workspace, journal) if holder is not None else []
    status = {**_status(workspace, journal, holder, held_up), "config_error": mistake, "broken_templates": broken}
    journal.close()
    if as_json:
        print_json(status)
    else:
        _print(workspace, status, held_up)


def _config(workspace: Workspace, holder: Holder | None) -> tuple[Config, str | None]:
    """Return the config that counts, and what is wrong with the file: a runner at work goes on with the last good one.

    Raises WorkspaceError when there is no file and no runner.
    """
    try:
        return read_config(workspace), None
    except ConfigError as error:
        mistake = str(error)
    except WorkspaceError as error:
        if holder is None:
            raise
        mistake = str(error) if workspace.config_file.exists() else GONE.format(file=workspace.config_file)
    try:
        return read_config(workspace, or_last_good=holder is not None), mistake
    except (ConfigError, WorkspaceError):
        return Config(), mistake


def _broken_templates(workspace: Workspace, journal: Journal) -> list[dict[str, str]]:
    """Return the templates that the runner found broken, and that have not been edited since."""
    edits = journal.read(facts.broken_edits)
    return [
        {"file": file, "message": edit.message}
        for file, edit in edits.items()
        if file != str(workspace.config_file) and content_mark(Path(file)) == edit.mark
    ]


def _held_up(journal: Journal, holder: Holder | None, config: Config) -> _HeldUp:
    pause = journal.read(facts.pause_of)
    if pause is None and holder is not None and holder.lacks_key:
        pause = Pause(facts.NO_KEY)
    per_minute, now = config.limits.requests_per_minute, Clock().now()
    return _HeldUp(pause, journal.read(partial(next_call.held, per_minute=per_minute, now=now)))


def _status(workspace: Workspace, journal: Journal, holder: Holder | None, held_up: _HeldUp) -> dict[str, Any]:
    is_running = holder is not None and holder.is_at_work
    pause = held_up.pause
    waiting_files = len(dropped(workspace.outbox)) if workspace.outbox.is_dir() else 0
    counts = {DROPPED: waiting_files, **dict.fromkeys(State, 0), **journal.read(tasks.counts)}
    return {
        "home": str(workspace.home),
        "runner": {
            "state": "running" if is_running else "stopped",
            "pid": holder.pid if holder is not None and is_running else None,
            "stopping": holder is not None and holder.is_stopping,
        },
        "kimi": holder.kimi if holder is not None and is_running else None,
        "paused": pause.reason if pause else None,
        "paused_why": pause.why if pause else None,
        "paused_until": iso(pause.until) if pause else None,
        "slowed": journal.read(facts.slowed) is not None,
        "next_call_at": iso(held_up.next_call.at) if held_up.next_call else None,
        "tasks": counts,
        "unknown": journal.read(steering.unknown_count),
        "deliveries": journal.read(deliveries.counts),
        "hooks_off": list(journal.read(switches.switched_off)),
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
        "gate": None if entry.gate == tasks.PROMPTED else entry.gate,
        "priority": entry.priority,
        "attempts": entry.attempts,
        "created_at": iso(entry.created_at),
        "started_at": iso(entry.started_at),
        "due_at": iso(entry.due_at),
    }


def _print(workspace: Workspace, status: dict[str, Any], held_up: _HeldUp) -> None:
    runner = status["runner"]
    stopped = f"stopped; start it with: {spelt(workspace, 'run --detach')}"
    click.echo(f"workspace  {status['home']}")
    if status["config_error"]:
        click.echo(f"config     {status['config_error']}")
    for broken in status["broken_templates"]:
        click.echo(f"template   {broken['message']}")
    if runner["pid"] and (status["config_error"] or status["broken_templates"]):
        click.echo("           until that is mended, the runner goes on with what was there before")
    at_work = "finishing what runs, then it stops" if runner["stopping"] else "running"
    click.echo(f"runner     {at_work} (process {runner['pid']})" if runner["pid"] else f"runner     {stopped}")
    if status["kimi"]:
        click.echo(f"kimi       {status['kimi']}")
    for line in _hold_ups(workspace, held_up, status["tasks"]):
        click.echo(line)
    if status["unknown"]:
        click.echo(f"held       {_unknown_told(workspace, status['unknown'])}")
    click.echo("tasks      " + (_counts(status["tasks"]) or "none yet"))
    if status["deliveries"]:
        click.echo("hooks      " + _counts(_hook_counts(status)) + _way_back(workspace, status))
    if status["hooks_off"]:
        click.echo(f"hooks off: {', '.join(status['hooks_off'])}; see: {spelt(workspace, 'hooks list')}")
    if status["open"]:
        _print_table(status["open"])


def _unknown_told(workspace: Workspace, count: int) -> str:
    """Say what a person has to decide about calls that were cut."""
    whose = "the answer of 1 task is not known" if count == 1 else f"the answers of {count} tasks are not known"
    again, end = spelt(workspace, "release ID"), spelt(workspace, "cancel ID")
    return f"{whose}, since the runner died; send one again, which may pay twice: {again}; end one: {end}"


def _way_back(workspace: Workspace, status: dict[str, Any]) -> str:
    """Say where hooks that gave up tell why, and how their news is told again."""
    if not status["deliveries"].get("gave_up"):
        return ""
    why, again = spelt(workspace, "hooks runs --failed"), spelt(workspace, "hooks replay --failed")
    return f"; see why: {why}; have it told again: {again}"


def _hook_counts(status: dict[str, Any]) -> dict[str, int]:
    """Count the hooks; those that the journal calls running, with nobody at work, were cut."""
    counts: dict[str, int] = dict(status["deliveries"])
    counts["waiting behind an earlier one"] = counts.pop("behind", 0)
    if not status["runner"]["pid"] and "running" in counts:
        counts["cut (to be run again at the next start)"] = counts.pop("running")
    return counts


def _hold_ups(workspace: Workspace, held_up: _HeldUp, counts: dict[str, int]) -> Iterator[str]:
    """Say why tasks wait, and for how long or for what."""
    pause = held_up.pause
    if pause is not None and pause.reason == facts.NO_KEY:
        yield f"           tasks for Kimi wait until KIMI_API_KEY stands in {workspace.secrets_file}"
    elif pause is not None:
        yield f"paused     {pause_told(workspace, pause)}"
    if held_up.next_call and counts[State.AVAILABLE] + counts[State.RETRYABLE]:
        yield f"limit      {held_up.next_call.told(Clock().now())}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich import box  # noqa: PLC0415 - only where a table is drawn
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("id", "name", "state", "prio", "tries", "age"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "name")
    for row in rows:
        waits_for = row["gate"] or row["hold_reason"]
        state = f"{row['state']} ({waits_for})" if waits_for else row["state"]
        cells = [row["task_id"], harmless(row["task_name"]), state, str(row["priority"]), str(row["attempts"])]
        table.add_row(*(Text(cell) for cell in cells), Text(_age(row["created_at"])))
    Console().print(table)


def _age(created_at: str) -> str:
    seconds = max(0, int(time.time() - parse_iso(created_at)))
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
