"""`kimi-hooks show`: one task, its state or its result."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from kimi_hooks import results, waiting
from kimi_hooks.clock import Clock, iso
from kimi_hooks.commands import Home, completing, json_option, print_json, require_home
from kimi_hooks.commands.ended import lost
from kimi_hooks.commands.telling import spelt, warn_of_queue
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import open_existing
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.show import harmless, print_result

_HELD = {
    "person": "held by a person; let it go on with: {call}",
    "unknown": "a call was cut when the runner died, and its answer is not known; send it again, which may pay twice,"
    " with: {call}",
}
HIDDEN = frozenset({"id", "seq", "acknowledged_at", "taken"})


@click.command("show", short_help="Show a task: where it stands, or its answer.")
@click.argument("task_id", metavar="ID", shell_complete=completing.task_ids)
@json_option
@click.pass_obj
def show_command(home: Home, task_id: str, as_json: bool) -> None:
    """Show a task: where it stands, or its answer."""
    workspace = home.find()
    require_home(workspace)
    journal = open_existing(workspace.journal_file)
    found = waiting.whereabouts(workspace, journal, task_id)
    journal.close()
    result = results.read(workspace.results, task_id)
    if result is not None and isinstance(found, Entry) and tasks.is_ended(found):
        print_json(result) if as_json else print_result(workspace, result)
    elif isinstance(found, Entry) and tasks.is_ended(found) and not as_json:
        raise lost(workspace, task_id)
    elif as_json:
        print_json(_as_json(task_id, found))
    else:
        _print(task_id, found)
        if isinstance(found, Entry) and found.hold_reason in _HELD:
            click.echo(_HELD[found.hold_reason].format(call=spelt(workspace, f"release {task_id}")))
        warn_of_queue(workspace, standin=isinstance(found, Entry) and found.standin)


def _as_json(task_id: str, found: Entry | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"task_id": task_id, "state": found}
    times = {name: iso(getattr(found, name)) for name in ("due_at", "created_at", "started_at", "deadline_at")}
    kept = {name: value for name, value in asdict(found).items() if name not in HIDDEN}
    return {"task_id": task_id, **kept, **times, "completed_at": iso(found.completed_at)}


def _print(task_id: str, found: Entry | str) -> None:
    if isinstance(found, str):
        click.echo(f"{task_id} {found}: no runner has taken it yet")
        return
    held = f" ({found.hold_reason})" if found.hold_reason else ""
    click.echo(f"{task_id} {found.state}{held}")
    click.echo(f"name: {harmless(found.name)}")
    click.echo(f"accepted: {iso(found.created_at)}, attempts: {found.attempts}")
    if found.due_at > Clock().now():
        click.echo(f"not before: {iso(found.due_at)}")
    if found.last_error:
        click.echo(f"last error: {harmless(found.last_error)}")
