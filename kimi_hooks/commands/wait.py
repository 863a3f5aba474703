"""`kimi-hooks wait`: block until tasks have ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import click

from kimi_hooks import lock, results, waiting
from kimi_hooks.clock import LONGEST_WAIT, Clock
from kimi_hooks.commands import Home, completing, json_option, next_call, print_json, require_home
from kimi_hooks.commands.telling import spelt, tell_pause
from kimi_hooks.journal import facts
from kimi_hooks.journal.facts import Pause
from kimi_hooks.journal.store import open_existing
from kimi_hooks.show import print_result
from kimi_hooks.states import Outcome, State
from kimi_hooks.workspace import Workspace

# A wait that is over before it has been read is not worth a line.
SOON_SECONDS = 2.0


@click.command("wait", short_help="Wait until the tasks have ended.")
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True, shell_complete=completing.task_ids)
@click.option("--timeout", type=float, metavar="SECONDS", help="Give up after this long, with exit code 124.")
@json_option
@click.pass_obj
def wait_command(home: Home, task_ids: tuple[str, ...], timeout: float | None, as_json: bool) -> None:
    """Wait until the tasks have ended. Exit code 0 when all are done, 1 when one is not."""
    workspace = home.find()
    require_home(workspace)
    if timeout is not None and not 0 <= timeout <= LONGEST_WAIT:
        raise click.UsageError(f"--timeout takes seconds, from 0 to {LONGEST_WAIT:.0f}")
    if lock.holder(workspace.lock_file) is None:
        start = spelt(workspace, "run --detach")
        click.echo(f"kimi-hooks: no runner is at work; if the task has not ended, start one with: {start}", err=True)
    sys.exit(wait_and_print(workspace, task_ids, timeout, as_json=as_json, short=True))


def tell_limit(workspace: Workspace, task_id: str, per_minute: int) -> None:
    """Say on stderr when the limits let a task leave that was dispatched for Kimi just now, if that is not soon.

    Of a task that has left nothing is said, nor of a paused queue, about which more is told elsewhere.
    """
    now = Clock().now()
    journal = open_existing(workspace.journal_file)
    try:
        # First this, then the task: its own call may be the one that uses the minute up.
        held = journal.read(partial(next_call.held, per_minute=per_minute, now=now))
        paused, found = journal.read(facts.pause_of), waiting.whereabouts(workspace, journal, task_id)
    finally:
        journal.close()
    is_waiting = isinstance(found, str) or found.state is State.AVAILABLE
    if held is not None and held.at > now + SOON_SECONDS and paused is None and is_waiting:
        click.echo(f"kimi-hooks: the task waits: {held.told(now)}", err=True)


def wait_and_print(
    workspace: Workspace,
    task_ids: Sequence[str],
    timeout: float | None,
    *,
    as_json: bool,
    short: bool = False,
    told: Pause | None = None,
) -> int:
    """Wait, print how each task ended, and return the exit code; `told` is a pause that the reader knows of."""
    workspace.make_folders()
    on_pause = partial(tell_pause, workspace)
    entries = waiting.wait(workspace, list(dict.fromkeys(task_ids)), timeout, Clock(), on_pause, told)
    found = [results.read(workspace.results, entry.id) or {} for entry in entries]
    if as_json:
        print_json(found if short else found[0])
    elif short:
        for entry in entries:
            click.echo(f"{entry.id} {entry.outcome}")
    else:
        for result in found:
            print_result(workspace, result)
    return 0 if all(entry.outcome is Outcome.DONE for entry in entries) else 1
