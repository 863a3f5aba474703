"""What the shell may complete. It must be quick, and silent whatever is wrong: somebody is typing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kimi_hooks.commands import Home
from kimi_hooks.workspace import Workspace, read_config

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

LISTED = 100


def folder(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a folder."""
    return [_item(incomplete, "dir")]


def file(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file."""
    return [_item(incomplete, "file")]


def task_ids(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of any task, open ones first, then the newest."""
    return _complete(context, parameter, incomplete, lambda workspace: [*_open(workspace), *_ended(workspace)])


def ids_to_acknowledge(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a task that has ended and that nobody has acknowledged."""
    return _complete(context, parameter, incomplete, _unacknowledged)


def ids_to_cancel(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a task that has not ended."""
    return _complete(context, parameter, incomplete, _open)


def ids_to_hold(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a task that waits and that no person holds."""
    where = "WHERE state IN ('available', 'retryable') OR (state = 'held' AND hold_reason IN ('after', 'gate'))"
    return _complete(
        context, parameter, incomplete, lambda workspace: [*_named_by_id(workspace.outbox), *_found(workspace, where)]
    )


def ids_to_release(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a task that waits for a person."""
    where = "WHERE state = 'held' AND hold_reason IN ('person', 'unknown')"
    return _complete(context, parameter, incomplete, lambda workspace: _found(workspace, where))


def ids_to_retry(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a task that can be run again, or that waits for another try."""
    where = "WHERE state IN ('failed', 'cancelled', 'retryable') AND coalesce(error_kind, '') != 'invalid_task'"
    return _complete(context, parameter, incomplete, lambda workspace: _found(workspace, where))


def hook_ids(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a configured hook."""
    return _complete(context, parameter, incomplete, _configured)


def hooks_off(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a hook that is switched off."""
    return _complete(context, parameter, incomplete, _switched_off)


def event_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of an event."""
    from kimi_hooks.events import KINDS  # noqa: PLC0415 - only when one is completed

    return _complete(context, parameter, incomplete, lambda _: KINDS)


def run_numbers(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the number of a run of a hook, the newest first."""
    return _complete(context, parameter, incomplete, _runs)


def _complete(
    context: click.Context,
    parameter: click.Parameter,
    incomplete: str,
    ids: Callable[[Workspace], Iterable[str]],
) -> list[CompletionItem]:
    try:
        workspace = Home(context.find_root().params.get("home")).find()
        given = context.params.get(parameter.name or "") or ()
        fitting = [id_ for id_ in ids(workspace) if id_.startswith(incomplete) and id_ not in given]
        return [_item(id_) for id_ in dict.fromkeys(fitting)][:LISTED]
    except Exception:  # noqa: BLE001 - a message in the middle of somebody's line helps nobody
        return []


def _item(value: str, kind: str = "plain") -> CompletionItem:
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - no verb needs it but when a shell completes

    return CompletionItem(value, type=kind)


def _open(workspace: Workspace) -> list[str]:
    from kimi_hooks.journal import store, tasks  # noqa: PLC0415 - only when an id is completed
    from kimi_hooks.states import ENDED, State  # noqa: PLC0415 - as above

    states = [state for state in State if state not in ENDED]
    found = store.glance(
        workspace.journal_file,
        lambda db: [entry.id for state in states for entry in tasks.in_state(db, state, LISTED)],
    )
    return [*_named_by_id(workspace.outbox), *(found or [])]


def _found(workspace: Workspace, where: str) -> list[str]:
    from kimi_hooks.journal import store, tasks  # noqa: PLC0415 - only when an id is completed

    newest = f"{where} ORDER BY seq DESC LIMIT {LISTED}"
    return [entry.id for entry in store.glance(workspace.journal_file, lambda db: tasks.entries(db, newest)) or ()]


def _ended(workspace: Workspace) -> list[str]:
    # An id begins with the second it was made in, so the order of names is that of time.
    return sorted(_named_by_id(workspace.results), reverse=True)


def _unacknowledged(workspace: Workspace) -> list[str]:
    from kimi_hooks.journal import acks, store  # noqa: PLC0415 - only when an id is completed

    return sorted(store.glance(workspace.journal_file, acks.unacknowledged_ids) or [], reverse=True)


def _configured(workspace: Workspace) -> list[str]:
    return [hook.hook_id for hook in read_config(workspace).named_hooks()]


def _switched_off(workspace: Workspace) -> Iterable[str]:
    from kimi_hooks.journal import store, switches  # noqa: PLC0415 - only when an id is completed

    return store.glance(workspace.journal_file, switches.switched_off) or ()


def _runs(workspace: Workspace) -> list[str]:
    from kimi_hooks.journal import deliveries, store  # noqa: PLC0415 - only when a number is completed

    found = store.glance(workspace.journal_file, lambda db: deliveries.runs(db, limit=LISTED))
    return [str(run.run) for run in found or []]


def _named_by_id(where: Path) -> list[str]:
    names = [path.name for path in where.iterdir()] if where.is_dir() else []
    return [name.removesuffix(".json") for name in names if name.startswith("kimi-") and name.endswith(".json")]
