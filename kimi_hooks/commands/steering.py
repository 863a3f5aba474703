"""How a verb steers single tasks: all of them or none, in one transaction; without a runner it does the rest itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from kimi_hooks import app, crash_points, derived, intake, lock, logs, worker
from kimi_hooks.commands import in_force, print_json
from kimi_hooks.commands.telling import spelt
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import LockHeldError, SteeringError, UnknownTaskError
from kimi_hooks.journal import steering, tasks
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.lock import Lock
from kimi_hooks.outbox.folder import dropped_as, is_claimed, is_dropped
from kimi_hooks.parts import Parts
from kimi_hooks.waiting import NO_SUCH_TASK
from kimi_hooks.workspace import Workspace, read_config

PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.01


def steer(
    workspace: Workspace,
    task_ids: Sequence[str],
    operation: Callable[[Connection, list[str]], dict[str, str]],
    *,
    as_json: bool,
    is_settled: Callable[[Connection, list[str]], bool] = lambda _db, _wanted: True,
    remark: Callable[[Journal, Entry], None] = lambda _journal, _entry: None,
) -> None:
    """Do to these tasks what a verb says, as `change` does it, and print where they stand then.

    `remark` may say on stderr what is not as it was asked for.
    """
    wanted = list(dict.fromkeys(task_ids))
    in_force(workspace, read_config)
    workspace.make_folders()
    set_up_log(workspace)
    journal = Journal(workspace.journal_file)
    try:
        take_in(workspace, journal, wanted)
        change(workspace, journal, lambda db: operation(db, wanted), lambda db: is_settled(db, wanted))
        for entry in tell(journal, wanted, as_json=as_json):
            remark(journal, entry)
    finally:
        journal.close()


def take_in(workspace: Workspace, journal: Journal, task_ids: Sequence[str]) -> None:
    """See to it that tasks which are still in `outbox/` get their rows: by the runner, or by us if there is none."""
    end = time.monotonic() + PATIENCE_SECONDS
    workspace.ring()
    while waiting := _without_row(workspace, journal, task_ids):
        with _alone(workspace) as parts:
            if parts is not None:
                intake.take_now(parts, [name for task_id in waiting for name in dropped_as(workspace.outbox, task_id)])
        if time.monotonic() > end:
            told = ", ".join(waiting)
            raise SteeringError(f"{workspace.outbox}: {told} cannot be taken yet; close the file, and try again")
        time.sleep(LOOK_SECONDS)


def _without_row(workspace: Workspace, journal: Journal, task_ids: Sequence[str]) -> list[str]:
    """Return those of the ids whose file lies in `outbox/`, or is on its way from there."""
    # In the order in which a file travels, so that one on its way is not missed.
    coming = [
        task_id
        for task_id in task_ids
        if is_dropped(workspace.outbox, task_id) or is_claimed(workspace.outbox, workspace.incoming, task_id)
    ]
    known = journal.read(lambda db: tasks.known(db, coming)) if coming else set()
    return [task_id for task_id in coming if task_id not in known]


def change(
    workspace: Workspace,
    journal: Journal,
    operation: Callable[[Connection], Mapping[str, str]],
    is_settled: Callable[[Connection], bool] = lambda _: True,
) -> None:
    """Run the operation in one transaction, and wait a while until all that follows of it is done.

    The runner does that; where there is none, or it leaves meanwhile, we do. The operation returns by the task's id
    what it has changed, for the log.
    """
    changed = journal.write(operation)
    crash_points.reached(Point.VERB_RECORDED)
    for task_id, what in changed.items():
        logs.LOGGER.info("%s %s", task_id, what)
    end = time.monotonic() + PATIENCE_SECONDS
    workspace.ring()
    while True:
        with _alone(workspace) as parts:
            if parts is not None:
                _finish(parts)
                return
        if journal.read(is_settled) or time.monotonic() > end:
            return
        time.sleep(LOOK_SECONDS)


def _finish(parts: Parts) -> None:
    """End the tasks that are to be ended, and bring `results/` in step, as the runner would."""
    for entry in parts.journal.read(steering.cancelled):
        worker.cancel(parts, entry)
    while derived.write_acks(parts.workspace, parts.journal):
        pass
    derived.Derived(parts.workspace, parts.journal).refresh()


@contextlib.contextmanager
def _alone(workspace: Workspace) -> Iterator[Parts | None]:
    """Give what a runner works with, as long as nobody else can be one; None while somebody is at work."""
    if lock.holder(workspace.lock_file) is not None:
        yield None
        return
    parts, held = app.assemble(workspace), Lock(workspace.lock_file)
    try:
        if _taken(held):
            yield parts
        else:
            yield None
    finally:
        parts.processes.close()
        parts.journal.close()
        held.release()


def _taken(held: Lock) -> bool:
    try:
        held.take(is_runner=False)
    except LockHeldError:
        # A runner has just started.
        return False
    return True


def checked(
    db: Connection, workspace: Workspace, task_ids: Sequence[str], why_not: Callable[[Entry], str | None]
) -> list[Entry]:
    """Return the tasks of these ids. Raises SteeringError that names each that `why_not` refuses, UnknownTaskError."""
    found = {task_id: tasks.get(db, task_id) for task_id in task_ids}
    unknown = [task_id for task_id, entry in found.items() if entry is None]
    entries = [entry for entry in found.values() if entry is not None]
    refused = [f"{entry.id} {reason}" for entry in entries if (reason := why_not(entry)) is not None]
    told = [f"{task_id}: {NO_SUCH_TASK.format(home=workspace.home)}" for task_id in unknown] + refused
    if told:
        nothing = "nothing was changed: " if len(task_ids) > 1 else ""
        raise (SteeringError if refused else UnknownTaskError)(nothing + "; ".join(told))
    return entries


def ended(workspace: Workspace, entry: Entry) -> str | None:
    """Say that a task has ended, if it has, and where to look."""
    if not tasks.is_ended(entry):
        return None
    return f"has ended {entry.outcome}; see: {spelt(workspace, f'show {entry.id}')}"


def held_for(workspace: Workspace, entry: Entry) -> str:
    """Say what a task waits for that nobody holds, and what helps."""
    if entry.hold_reason == "after":
        return f"is not held by a person: it waits for the tasks that it comes after; see: {spelt(workspace, 'status')}"
    if entry.hold_reason == "gate":
        return f"is not held by a person: it waits for a hook ({entry.gate}); see: {spelt(workspace, 'hooks list')}"
    return f"is not held (it is {entry.state}); there is nothing to release"


def set_up_log(workspace: Workspace) -> None:
    """Let the runner's log say what a verb did in its place."""
    # What is done is done: a log that cannot be written to must not say otherwise.
    with contextlib.suppress(OSError):
        logs.set_up(workspace.log_file, console=False, secrets=tuple)


def tell(journal: Journal, task_ids: Sequence[str], *, as_json: bool) -> list[Entry]:
    """Print where the tasks stand now: their ids, one a line, or all of it as JSON. Return their rows."""
    rows = [journal.read(lambda db, task_id=task_id: tasks.get(db, task_id)) for task_id in task_ids]  # type: ignore[misc]
    entries = [entry for entry in rows if entry is not None]
    if as_json:
        print_json([_row(entry) for entry in entries])
    else:
        for entry in entries:
            click.echo(entry.id)
    return entries


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "task_id": entry.id,
        "task_name": entry.name,
        "state": entry.state,
        "hold_reason": entry.hold_reason,
        "outcome": entry.outcome,
        "retried": entry.retried,
    }
