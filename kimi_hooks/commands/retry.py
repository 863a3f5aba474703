"""`kimi-hooks retry`: run tasks again that did not end well."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click

from kimi_hooks import atomic, crash_points, results
from kimi_hooks.clock import Clock
from kimi_hooks.commands import Home, completing, in_force, json_option, steering
from kimi_hooks.commands.telling import spelt, warn_of_queue
from kimi_hooks.config import Config
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import SteeringError
from kimi_hooks.events import CREATED
from kimi_hooks.journal import steering as rows
from kimi_hooks.journal import tasks
from kimi_hooks.journal.steering import Again
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.outbox.folder import again_name
from kimi_hooks.states import Outcome, State
from kimi_hooks.workspace import Workspace, read_config


@dataclass
class _Verb:
    """One call of the verb; `written` are the files of the tasks that are to be run again."""

    workspace: Workspace
    config: Config
    journal: Journal
    written: dict[str, Path] = field(default_factory=dict)


@click.command("retry", short_help="Run tasks again that failed or were cancelled.")
@click.argument("task_ids", metavar="ID...", nargs=-1, shell_complete=completing.ids_to_retry)
@click.option(
    "--failed", "all_failed", is_flag=True, help="Run every failed task again that can be; the others are told."
)
@json_option
@click.pass_obj
def retry_command(home: Home, task_ids: tuple[str, ...], all_failed: bool, as_json: bool) -> None:
    """Run tasks again under their old ids: those that failed, were too late or were cancelled.

    One that waits for another try anyway is tried now. All of them or none.
    """
    if bool(task_ids) == all_failed:
        raise click.UsageError("name the tasks, or say --failed")
    workspace = home.find()
    config = in_force(workspace, read_config)
    workspace.make_folders()
    steering.set_up_log(workspace)
    journal = Journal(workspace.journal_file)
    try:
        verb = _Verb(workspace, config, journal)
        wanted = _failed(verb) if all_failed else list(dict.fromkeys(task_ids))
        _retry(verb, wanted)
        steering.tell(journal, wanted, as_json=as_json)
    finally:
        journal.close()
    if wanted:
        warn_of_queue(workspace)
    else:
        click.echo("kimi-hooks: no task has failed that can be run again", err=True)


def _failed(verb: _Verb) -> list[str]:
    """Return the failed tasks that can be run again, and tell of the others."""
    found = verb.journal.read(lambda db: tasks.in_state(db, State.FAILED))
    refused = {entry.id: reason for entry in found if (reason := _why_not(verb.workspace, entry))}
    if refused:
        count, files = len(refused), "a refused file" if len(refused) == 1 else "refused files"
        click.echo(f"kimi-hooks: {count:,} of {len(found):,} failed are left out ({files}):", err=True)
    for task_id, reason in refused.items():
        click.echo(f"kimi-hooks: {task_id} {reason}", err=True)
    if cancelled := len(verb.journal.read(lambda db: tasks.in_state(db, State.CANCELLED))):
        were = "1 task was" if cancelled == 1 else f"{cancelled:,} tasks were"
        click.echo(f"kimi-hooks: {were} cancelled, and not failed: to run one again, name it", err=True)
    return [entry.id for entry in found if entry.id not in refused]


def _retry(verb: _Verb, wanted: Sequence[str]) -> None:
    """Write the files first: without the journal, only they tell that the tasks are open again."""
    check = partial(
        steering.checked, workspace=verb.workspace, task_ids=wanted, why_not=partial(_why_not, verb.workspace)
    )
    for entry in verb.journal.read(check):
        if tasks.is_ended(entry):
            _write_file(verb, entry)
    try:
        steering.change(
            verb.workspace, verb.journal, lambda db: _run_again(db, verb, check(db)), lambda _: _is_listed_no_more(verb)
        )
    finally:
        _tidy_files(verb)


def _write_file(verb: _Verb, entry: Entry) -> None:
    verb.written[entry.id] = verb.workspace.accepted / again_name(entry.id, entry.retried + 1)
    _write(verb, entry.id)
    crash_points.reached(Point.AGAIN_WRITTEN)


def _write(verb: _Verb, task_id: str) -> None:
    task = verb.journal.read(lambda db: tasks.task_of(db, task_id))
    # It is due now, whatever it was to wait for when it was new.
    kept = task.model_dump(mode="json", exclude_defaults=True, exclude={"not_before"})
    atomic.write_text(verb.written[task_id], json.dumps(kept, ensure_ascii=False), mode=0o600)


def _run_again(db: Connection, verb: _Verb, entries: Sequence[Entry]) -> dict[str, str]:
    now, changed = Clock().now(), {}
    for entry in entries:
        file = verb.written.get(entry.id)
        # Another one may have had it run again, to its next end, since the file was written.
        if file is not None and tasks.is_ended(entry) and file.name == again_name(entry.id, entry.retried + 1):
            rows.run_again(db, Again(entry, _gate(verb.config, entry), file.name), now)
            changed[entry.id] = f"run again by a person (run {entry.retried + 2})"
        elif entry.state is State.RETRYABLE:
            rows.hurry(db, entry.id, now)
            changed[entry.id] = "to be tried again now, by a person"
        else:
            raise SteeringError(f"{entry.id} has just changed (it is {entry.state}); try again")
    return changed


def _gate(config: Config, entry: Entry) -> str | None:
    asked = any(hook.kind == CREATED and hook.group.accepts(entry.name) for hook in config.each_hook())
    return CREATED.name if asked else None


def _is_listed_no_more(verb: _Verb) -> bool:
    """Tell whether the list of what is pending knows of it already."""
    try:
        listed = json.loads((verb.workspace.results / "pending-wake.json").read_text("utf-8"))["pending"]
    except (OSError, ValueError, LookupError):
        return True
    return not any(entry["task_id"] in verb.written for entry in listed)


def _tidy_files(verb: _Verb) -> None:
    """Leave the file of each task that is open now, and no other of it: an earlier run may have left one."""
    is_open = verb.journal.read(lambda db: tasks.open_among(db, list(verb.written)))
    for task_id, file in verb.written.items():
        if task_id in is_open and not file.exists():
            # A runner that started before the transaction took it for a leftover.
            _write(verb, task_id)
        for other in verb.workspace.accepted.glob(f"{task_id}__*"):
            if other != file or task_id not in is_open:
                other.unlink(missing_ok=True)


def _why_not(workspace: Workspace, entry: Entry) -> str | None:
    if entry.state is State.RETRYABLE and entry.cancel_at is None:
        return None
    if entry.outcome is Outcome.DONE and results.read(workspace.results, entry.id) is not None:
        return "has an answer; to ask again, dispatch it anew"
    if not tasks.is_ended(entry):
        return f"has not ended (it is {entry.state}); {_what_helps(workspace, entry)}"
    if entry.error_kind == "invalid_task" and entry.started_at is None:
        return f"was refused as it is written; {_refused_file(workspace, entry)}"
    return None


def _what_helps(workspace: Workspace, entry: Entry) -> str:
    if entry.hold_reason in {"person", "unknown"}:
        return f"to let it go on, run: {spelt(workspace, f'release {entry.id}')}"
    return f"wait for it: {spelt(workspace, f'wait {entry.id}')}"


def _refused_file(workspace: Workspace, entry: Entry) -> str:
    kept = [file for file in workspace.rejected.glob(f"{entry.id}__*") if not file.name.endswith(".reason.txt")]
    if not kept:
        return "write it anew and drop it into outbox/"
    return f"mend {kept[0]} and drop it into outbox/ again"
