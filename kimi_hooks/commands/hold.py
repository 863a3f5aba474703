"""`kimi-hooks hold` and `kimi-hooks release`: let single tasks wait for a person, and go on."""

from __future__ import annotations

from dataclasses import replace

import click

from kimi_hooks.commands import Home, completing, json_option, steering
from kimi_hooks.commands.telling import spelt, warn_of_queue
from kimi_hooks.events import CREATED
from kimi_hooks.journal import steering as rows
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.states import State
from kimi_hooks.workspace import Workspace

REPEATED = "a person let the task go on after a call of it was cut; that was sent again, and may have been paid twice"


@click.command("hold", short_help="Let waiting tasks wait until `release`.")
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True, shell_complete=completing.ids_to_hold)
@json_option
@click.pass_obj
def hold_command(home: Home, task_ids: tuple[str, ...], as_json: bool) -> None:
    """Let waiting tasks wait until `release`; their time-outs do not run meanwhile. All of them or none."""
    workspace = home.find()
    steering.steer(workspace, task_ids, lambda db, wanted: _hold(db, workspace, wanted), as_json=as_json)


@click.command("release", short_help="Let held tasks go on.")
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True, shell_complete=completing.ids_to_release)
@json_option
@click.pass_obj
def release_command(home: Home, task_ids: tuple[str, ...], as_json: bool) -> None:
    """Let tasks go on that `hold` holds, or whose answer got lost: those are sent again, and may be paid twice.

    All of them or none.
    """
    workspace = home.find()
    steering.steer(workspace, task_ids, lambda db, wanted: _release(db, workspace, wanted), as_json=as_json)
    warn_of_queue(workspace)


def _hold(db: Connection, workspace: Workspace, wanted: list[str]) -> dict[str, str]:
    entries = steering.checked(db, workspace, wanted, lambda entry: _why_not_hold(workspace, entry))
    # One whose answer got lost waits for a person as it is, and must not forget why.
    rows.hold(db, [entry.id for entry in entries if entry.hold_reason != "unknown"])
    return {entry.id: "held by a person" for entry in entries if entry.hold_reason not in {"person", "unknown"}}


def _why_not_hold(workspace: Workspace, entry: Entry) -> str | None:
    if entry.state is State.EXECUTING:
        return f"is being answered; to end it, run: {spelt(workspace, f'cancel {entry.id}')}"
    if entry.cancel_at is not None:
        return f"is being cancelled; wait for its end: {spelt(workspace, f'wait {entry.id}')}"
    return steering.ended(workspace, entry)


def _release(db: Connection, workspace: Workspace, wanted: list[str]) -> dict[str, str]:
    entries = steering.checked(db, workspace, wanted, lambda entry: _why_not_release(workspace, entry))
    for entry in entries:
        added = (REPEATED,) if entry.hold_reason == "unknown" and REPEATED not in entry.warnings else ()
        rows.release(db, replace(entry, warnings=(*entry.warnings, *added)), CREATED.name)
    return {entry.id: "released by a person" for entry in entries}


def _why_not_release(workspace: Workspace, entry: Entry) -> str | None:
    if entry.state is State.HELD and entry.hold_reason in {"person", "unknown"}:
        return None
    return steering.ended(workspace, entry) or steering.held_for(workspace, entry)
