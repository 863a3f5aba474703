"""`kimi-hooks ack`: somebody has seen these results."""

from __future__ import annotations

import click

from kimi_hooks.clock import Clock
from kimi_hooks.commands import Home, completing, in_force
from kimi_hooks.commands.ended import not_ended
from kimi_hooks.errors import NotEndedError, UnknownTaskError
from kimi_hooks.journal import acks, tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.outbox.folder import is_dropped
from kimi_hooks.verbs import change
from kimi_hooks.waiting import DROPPED, NO_SUCH_TASK
from kimi_hooks.workspace import Workspace, read_config


@click.command("ack", short_help="Say that the results of ended tasks have been seen.")
@click.argument("task_ids", metavar="ID...", nargs=-1, shell_complete=completing.ids_to_acknowledge)
@click.option("--all", "all_of_them", is_flag=True, help="Acknowledge every ended task.")
@click.pass_obj
def ack_command(home: Home, task_ids: tuple[str, ...], all_of_them: bool) -> None:
    """Acknowledge ended tasks: their status becomes `acknowledged`, and they leave pending-wake.json."""
    if bool(task_ids) == all_of_them:
        raise click.UsageError("name the tasks, or say --all")
    workspace = home.find()
    in_force(workspace, read_config)
    acknowledged = change(workspace, lambda db: _acknowledge(db, workspace, task_ids))
    click.echo(f"acknowledged: {acknowledged}")


def _acknowledge(db: Connection, workspace: Workspace, task_ids: tuple[str, ...]) -> int:
    wanted = tuple(dict.fromkeys(task_ids)) or tuple(acks.unacknowledged_ids(db))
    for task_id in task_ids:
        _check(tasks.get(db, task_id), task_id, workspace)
    acks.acknowledge(db, wanted, Clock().now())
    return len(wanted)


def _check(entry: Entry | None, task_id: str, workspace: Workspace) -> None:
    if entry is None and not is_dropped(workspace.outbox, task_id):
        raise UnknownTaskError(f"{task_id}: {NO_SUCH_TASK.format(home=workspace.home)}")
    if entry is None or not tasks.is_ended(entry):
        raise NotEndedError(not_ended(workspace, task_id, entry.state if entry else DROPPED))
