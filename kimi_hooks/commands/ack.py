"""`kimi-hooks ack`: somebody has seen these results."""

from __future__ import annotations

import click

from kimi_hooks.clock import Clock
from kimi_hooks.commands import Home, completing
from kimi_hooks.errors import UnknownTaskError
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.outbox.folder import is_dropped
from kimi_hooks.verbs import change
from kimi_hooks.waiting import NO_SUCH_TASK
from kimi_hooks.workspace import Workspace, read_config


@click.command("ack")
@click.argument("task_ids", metavar="ID...", nargs=-1, shell_complete=completing.ids_to_acknowledge)
@click.option("--all", "all_of_them", is_flag=True, help="Acknowledge every ended task.")
@click.pass_obj
def ack_command(home: Home, task_ids: tuple[str, ...], all_of_them: bool) -> None:
    """Acknowledge ended tasks: their status becomes `acknowledged`, and they leave pending-wake.json."""
    if bool(task_ids) == all_of_them:
        raise click.UsageError("name the tasks, or say --all")
    workspace = home.find()
    read_config(workspace)
    acknowledged = change(workspace, lambda db: _acknowledge(db, workspace, task_ids))
    click.echo(f"acknowledged: {acknowledged}")


def _acknowledge(db: Connection, workspace: Workspace, task_ids: tuple[str, ...]) -> int:
    wanted = tuple(dict.fromkeys(task_ids)) or tuple(tasks.unacknowledged_ids(db))
    for task_id in task_ids:
        _check(tasks.get(db, task_id), task_id, workspace)
    tasks.acknowledge(db, wanted, Clock().now())
    return len(wanted)


def _check(entry: Entry | None, task_id: str, workspace: Workspace) -> None:
    if entry is None:
        told = "has not ended; no runner has taken it yet" if is_dropped(workspace.outbox, task_id) else NO_SUCH_TASK
        raise UnknownTaskError(f"{task_id}: {told.format(home=workspace.home)}")
    if not tasks.is_ended(entry):
        raise UnknownTaskError(f"{task_id} has not ended (it is {entry.state}); wait for it first: kimi-hooks wait")
