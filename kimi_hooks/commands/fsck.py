"""`kimi-hooks fsck`: find what must not be in a workspace, and put it right."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from kimi_hooks.clock import Clock
from kimi_hooks.commands import Home, in_force, json_option, print_json
from kimi_hooks.commands.telling import spelt
from kimi_hooks.errors import LockHeldError, WorkspaceError
from kimi_hooks.lock import Lock
from kimi_hooks.workspace import Workspace, read_config

if TYPE_CHECKING:
    from kimi_hooks.checking.findings import Told
    from kimi_hooks.journal.store import Journal
    from kimi_hooks.parts import Parts
    from kimi_hooks.rebuilding import Rebuilt

HELD_NO_MORE = (
    "which tasks a person held is lost with their rows: they wait for their turn again; to look first, say kimi-hooks "
    "pause before you start the runner"
)


@click.command("fsck", short_help="Find and mend what is out of order; rebuild a journal.")
@click.option("--dry-run", is_flag=True, help="Only say what is wrong.")
@click.option("--rebuild", is_flag=True, help="Make a new journal from what is left of the old one and of its tasks.")
@click.option("--force", is_flag=True, help="With --rebuild: also if the journal is in order.")
@click.option("--no-old-news", is_flag=True, help="With --rebuild: owe hooks no news of which the journal has no word.")
@json_option
@click.pass_obj
def fsck_command(home: Home, dry_run: bool, rebuild: bool, force: bool, no_old_news: bool, as_json: bool) -> None:
    """Look at journal, results and spool, and put right what contradicts itself. Exit code 0: nothing is wrong now.

    While a runner is at work, it only looks. Nothing is deleted that anybody could miss: what is no use where it lies
    goes to spool/damaged/.

    --rebuild makes a new journal where it is lost or damaged: from what can still be read of it, results/, and the
    files and answers in spool/. The old one is kept beside it. No answer that is here is
    asked for again. Hooks are told again of tasks that nobody has acknowledged, if nothing says that they were: the
    event_id is the same.
    """
    if rebuild and dry_run:
        raise click.UsageError("--rebuild cannot be tried; the old journal is kept in any case")
    if (force or no_old_news) and not rebuild:
        raise click.UsageError("--force and --no-old-news belong to --rebuild")
    workspace = home.find()
    in_force(workspace, read_config)
    workspace.make_folders()
    if rebuild:
        _tell_rebuilt(_rebuild(workspace, force=force, owes_news=not no_old_news), as_json=as_json)
    else:
        _check(workspace, dry_run=dry_run, as_json=as_json)


def _check(workspace: Workspace, *, dry_run: bool, as_json: bool) -> None:
    lock = None if dry_run else _lock(workspace)
    try:
        told = _look(workspace, mending=lock is not None)
    finally:
        if lock is not None:
            lock.release()
    left = [one for one in told if not one.is_mended]
    if as_json:
        print_json({"only_looked": lock is None, "findings": [asdict(one) for one in told], "left": len(left)})
    else:
        for line in _lines(told):
            click.echo(line)
        if lock is None and not dry_run:
            stop = spelt(workspace, "stop")
            click.echo(f"kimi-hooks: a runner is at work, so this has only looked; to mend, first: {stop}", err=True)
        click.echo("nothing is wrong" if not told else f"{len(told)} found, {len(told) - len(left)} put right")
    sys.exit(int(bool(left)))


def _lock(workspace: Workspace) -> Lock | None:
    """Keep runners away; None when one is at work."""
    lock = Lock(workspace.lock_file)
    try:
        lock.take(is_runner=False)
    except LockHeldError:
        return None
    return lock


def _look(workspace: Workspace, *, mending: bool) -> list[Told]:
    from kimi_hooks.app import assemble  # noqa: PLC0415 - most of what a verb takes to start
    from kimi_hooks.checking import rows  # noqa: PLC0415 - as above
    from kimi_hooks.checking.all_checks import CHECKS  # noqa: PLC0415 - as above
    from kimi_hooks.checking.findings import Case, run  # noqa: PLC0415 - as above

    parts = assemble(workspace)
    with closing(parts.journal):
        case = Case(parts, Clock().now())
        told = run(case, [rows.whole, rows.numbers], mending=mending)
        # A file that is not whole tells nothing that the others could rest on.
        return told if any(not one.is_mended for one in told) else told + run(case, CHECKS, mending=mending)


def _rebuild(workspace: Workspace, *, force: bool, owes_news: bool) -> Rebuilt:
    from kimi_hooks import rebuilding  # noqa: PLC0415 - as above
    from kimi_hooks.app import assemble  # noqa: PLC0415 - as above

    def around(journal: Journal) -> Parts:
        return assemble(workspace, os.environ, journal=journal)

    lock = Lock(workspace.lock_file)
    lock.take(is_runner=False)
    try:
        if not force and not rebuilding.is_needed(workspace):
            told = "it is in order, so there is nothing to rebuild; to do so all the same, add --force"
            raise WorkspaceError(f"{workspace.journal_file}: {told}")
        return rebuilding.rebuild(workspace, around, Clock().now(), owes_news=owes_news)
    finally:
        lock.release()


def _tell_rebuilt(rebuilt: Rebuilt, *, as_json: bool) -> None:
    left = [one for one in rebuilt.found if not one.is_mended]
    salvaged = rebuilt.salvaged
    if as_json:
        kept = [str(path) for path in rebuilt.kept]
        found = [asdict(one) for one in rebuilt.found]
        print_json({"read": salvaged.rows, "lost": salvaged.cut, "kept": kept, "findings": found, "left": len(left)})
    else:
        for line in [*_lines(left), *_summed(rebuilt.found)]:
            click.echo(line)
        for line in _of_old(rebuilt):
            click.echo(line)
    sys.exit(int(bool(left)))


def _of_old(rebuilt: Rebuilt) -> Iterator[str]:
    read = [f"{table} {count:,}" for table, count in rebuilt.salvaged.rows.items() if count]
    yield f"read from the old journal: {', '.join(read) or 'nothing'}"
    if rebuilt.salvaged.cut:
        yield f"lost from it, in whole or in part: {', '.join(rebuilt.salvaged.cut)}"
    if "facts" in rebuilt.salvaged.cut:
        yield "whether the queue was paused is lost: look at kimi-hooks status"
    if "tasks" in rebuilt.salvaged.cut:
        yield HELD_NO_MORE
    for path in rebuilt.kept:
        yield f"kept: {path}"


def _summed(told: Sequence[Told]) -> Iterator[str]:
    """Return one line for all that was put right in the same way: of a lost journal that is every task."""
    alike = Counter((one.what, one.remedy) for one in told if one.is_mended)
    for (what, remedy), count in alike.items():
        yield f"{'once' if count == 1 else f'{count:,} times'}: {what}; done: {remedy}"


def _lines(told: Sequence[Told]) -> Iterator[str]:
    for one in told:
        yield f"{one.place}: {one.what}; {'done' if one.is_mended else 'to do'}: {one.remedy}"
