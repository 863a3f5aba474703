"""`kimi-hooks cancel`: end tasks that nobody wants any more."""

from __future__ import annotations

import click

from kimi_hooks.clock import Clock
from kimi_hooks.commands import Home, completing, json_option, steering
from kimi_hooks.journal import steering as rows
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.states import Outcome
from kimi_hooks.workspace import Workspace

CUT = "its call was under way and was cut; it may have to be paid for, and nobody knows what it took"
UNDER_WAY = "a hook that looks at it, or an answer that the disk does not take"


@click.command("cancel", short_help="End tasks that nobody wants any more.")
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True, shell_complete=completing.ids_to_cancel)
@json_option
@click.pass_obj
def cancel_command(home: Home, task_ids: tuple[str, ...], as_json: bool) -> None:
    """End tasks: those that wait at once; a call that is under way is cut, and may have to be paid for.

    All of them or none. They end `cancelled`, with a result, and hooks of `TaskFailed` are told.
    """
    workspace = home.find()
    steering.steer(
        workspace,
        task_ids,
        lambda db, wanted: _cancel(db, workspace, wanted),
        as_json=as_json,
        is_settled=lambda db, wanted: not tasks.open_among(db, wanted),
        remark=_remark,
    )


def _cancel(db: Connection, workspace: Workspace, wanted: list[str]) -> dict[str, str]:
    entries = steering.checked(db, workspace, wanted, lambda entry: steering.ended(workspace, entry))
    rows.cancel(db, wanted, Clock().now())
    return {entry.id: "to be cancelled, by a person" for entry in entries if entry.cancel_at is None}


def _remark(journal: Journal, entry: Entry) -> None:
    """Say on stderr what is not as it was asked for."""
    if not tasks.is_ended(entry):
        click.echo(f"kimi-hooks: {entry.id} ends as soon as what is under way for it is over: {UNDER_WAY}", err=True)
    elif entry.outcome is not Outcome.CANCELLED:
        click.echo(f"kimi-hooks: {entry.id} has ended {entry.outcome}: its end came first", err=True)
    elif not entry.standin and journal.read(lambda db: tasks.last_call(db, entry.id)).unknown:
        click.echo(f"kimi-hooks: {entry.id}: {CUT}", err=True)
