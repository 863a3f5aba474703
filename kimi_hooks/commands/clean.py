"""`kimi-hooks clean`: forget old tasks, results and records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import click

from kimi_hooks import cleaning, lock
from kimi_hooks.cleaning import Removed
from kimi_hooks.clock import Clock, iso, parse_age
from kimi_hooks.commands import Home, in_force, json_option, print_json
from kimi_hooks.errors import LockHeldError
from kimi_hooks.journal import acks
from kimi_hooks.journal.cleaning import Old
from kimi_hooks.journal.store import Journal, open_existing
from kimi_hooks.lock import Lock
from kimi_hooks.show import harmless
from kimi_hooks.verbs import change
from kimi_hooks.workspace import Workspace, read_config

# What is listed in words; in JSON it is all of them.
LISTED = 20
BYTES = ("byte", "bytes")
# What one is called, and what several are.
KINDS = {
    "results": ("result", "results"),
    "transcripts": ("transcript", "transcripts"),
    "turns": ("part of an answer", "parts of answers"),
    "accepted": ("task file", "task files"),
    "rejected": ("refused file or its reason", "refused files and their reasons"),
    "hook_runs": ("file that a failed hook has left", "files that failed hooks have left"),
    "extracts": ("text of a document", "texts of documents"),
    "leftovers": ("half-written file", "half-written files"),
}
TABLES = {
    "tasks": ("task", "tasks"),
    "hook_runs": ("run of a hook", "runs of hooks"),
    "deliveries": ("delivery", "deliveries"),
    "notifications": ("notification", "notifications"),
    "moments": ("event", "events"),
    "sends": ("call", "calls"),
    "said": ("word of a gate", "words of gates"),
    "needs": ("order", "orders"),
    "dedupe": ("dedupe key", "dedupe keys"),
}


@click.command("clean", short_help="Remove what is old: results, records, leftovers.")
@click.option("--older-than", "age", metavar="AGE", required=True, help="How long ago a task"
              " ended: 30d, 12h, 45m (minutes) or 0s. The unit must be there.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would be removed, and which tasks.")
@json_option
@click.pass_obj
def clean_command(home: Home, age: str, dry_run: bool, as_json: bool) -> None:
    """Remove ended tasks: results, transcripts, refused files, what hooks have left, and all that the journal knows.

    Kept are the task that ended last, tasks of which hooks are still to be told, and tasks that others come after.
    What is removed is gone from `cost`, `hooks runs` and `reuse` as well. Tasks that nobody has acknowledged are
    removed, too, and counted. A runner may be at work meanwhile.
    """
    try:
        seconds = parse_age(age, needs_unit=True)
    except ValueError as error:
        raise click.UsageError(f"--older-than: {error}") from None
    workspace = home.find()
    in_force(workspace, read_config)
    before = Clock().now() - seconds
    removed = _look(workspace, before) if dry_run else _clean(workspace, before)
    if as_json:
        print_json(_as_json(removed, before, dry_run=dry_run))
    else:
        for line in _lines(removed, dry_run=dry_run):
            click.echo(line)


def _look(workspace: Workspace, before: float) -> Removed:
    journal = open_existing(workspace.journal_file)
    try:
        return cleaning.look(workspace, journal, before, Clock())
    finally:
        journal.close()


def _clean(workspace: Workspace, before: float) -> Removed:
    workspace.make_folders()
    removed, journal = Removed(), Journal(workspace.journal_file)
    try:
        cleaning.clean(workspace, journal, before, Clock(), partial(_acknowledge, workspace), removed)
        removed.shrunk = _shrink(workspace, journal)
    finally:
        journal.close()
    return removed


def _acknowledge(workspace: Workspace, task_ids: Sequence[str]) -> None:
    """Let `results/` say that these are seen to: who reads the list of what is pending must find their files."""
    change(workspace, lambda db: acks.acknowledge(db, task_ids, Clock().now()))


def _shrink(workspace: Workspace, journal: Journal) -> int:
    """Make the file smaller, unless a runner is at work: that would have to wait, and uses what is free again."""
    if lock.holder(workspace.lock_file) is not None:
        return 0
    ours = Lock(workspace.lock_file)
    try:
        ours.take(is_runner=False)
    except LockHeldError:
        return 0
    try:
        return cleaning.shrink(journal)
    finally:
        ours.release()


def _as_json(removed: Removed, before: float, *, dry_run: bool) -> dict[str, Any]:
    return {
        "before": iso(before),
        "dry_run": dry_run,
        "tasks": removed.rows.get("tasks", 0),
        "unacknowledged": removed.unseen,
        "removed_tasks": [_task(task) for task in removed.tasks],
        "files": {kind: {"count": count, "bytes": size} for kind, (count, size) in removed.files.items()},
        "rows": removed.rows,
        "bytes": sum(size for _, size in removed.files.values()),
        "journal_shrunk_bytes": removed.shrunk,
    }


def _task(task: Old) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "task_name": task.name,
        "outcome": task.outcome,
        "completed_at": iso(task.ended_at),
        "acknowledged": task.is_seen,
    }


def _lines(removed: Removed, *, dry_run: bool) -> Iterator[str]:
    tasks, size = removed.rows.get("tasks", 0), sum(size for _, size in removed.files.values())
    done = "would be removed" if dry_run else "removed"
    yield f"{done}: {_counted(tasks, ('ended task', 'ended tasks'))}, {_counted(size, BYTES)} in files"
    if removed.unseen:
        yield f"  {removed.unseen:,} of these tasks nobody had acknowledged"
    for kind, (count, bytes_) in removed.files.items():
        yield f"  {_counted(count, KINDS[kind])} ({_counted(bytes_, BYTES)})"
    for kind, count in removed.rows.items():
        yield f"  {_counted(count, TABLES[kind])} in the journal"
    if removed.shrunk:
        yield f"  the journal is {_counted(removed.shrunk, BYTES)} smaller"
    if dry_run:
        yield from _listed(removed.tasks)


def _counted(count: int, called: tuple[str, str]) -> str:
    return f"{count:,} {called[count != 1]}"


def _listed(tasks: Sequence[Old]) -> Iterator[str]:
    """Say which tasks would go, the oldest end first, without filling the screen."""
    if tasks:
        yield "the tasks, by their ends:"
    for task in tasks[:LISTED]:
        seen = "acknowledged" if task.is_seen else "not acknowledged"
        name = harmless(task.name).replace("\n", " ")
        yield f"  {task.id}  {iso(task.ended_at)}  {task.outcome}, {seen}  {name}"
    if len(tasks) > LISTED:
        yield f"  and {len(tasks) - LISTED:,} more; all of them: --json"
