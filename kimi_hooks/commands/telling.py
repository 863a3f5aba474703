"""What verbs tell a person about the runner and the queue, and how the commands that help are spelt."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kimi_hooks import lock, workspace
from kimi_hooks.clock import iso
from kimi_hooks.workspace import Workspace

if TYPE_CHECKING:
    from kimi_hooks.journal.facts import Pause


def spelt(found: Workspace, words: str) -> str:
    """Return the command line that runs these words on this workspace from here, to be copied by a person."""
    program = sys.argv[0]
    on_path = shutil.which("kimi-hooks")
    if on_path and Path(program).exists() and Path(on_path).samefile(program):
        program = "kimi-hooks"
    is_found = workspace.find(None, os.environ, Path.cwd()) == found
    return shlex.join([program, *([] if is_found else ["--home", str(found.home)])]) + f" {words}"


def warn_of_queue(found: Workspace, mark: str | None = None, *, standin: bool = False) -> Pause | None:
    """Say on stderr why a task of this workspace will not be answered soon; return the pause that was told.

    `mark` stands for the key and address that this shell has, when a task for Kimi was dispatched from it. `standin`:
    the task is one for the imitation, which only a person's pause holds up.
    """
    holder = lock.holder(found.lock_file)
    if holder is None:
        start = spelt(found, "run --detach")
        click.echo(f"kimi-hooks: no runner is at work, so the task waits; start one with: {start}", err=True)
    elif mark and holder.mark and not holder.lacks_key and mark != holder.mark:
        restart = spelt(found, "stop"), spelt(found, "run --detach")
        told = f"the runner asks {holder.kimi}, which is not what is set here; to change that: {' && '.join(restart)}"
        click.echo(f"kimi-hooks: {told}", err=True)
    pause = _pause(found)
    if pause is None or (standin and not pause.is_by_person):
        return None
    tell_pause(found, pause)
    return pause


def _pause(found: Workspace) -> Pause | None:
    if not found.journal_file.exists():
        return None
    from kimi_hooks.journal import facts  # noqa: PLC0415 - dispatch must be quick where no runner has been
    from kimi_hooks.journal.store import Journal  # noqa: PLC0415 - as above

    journal = Journal(found.journal_file)
    try:
        return journal.read(facts.pause_of)
    finally:
        journal.close()


def tell_pause(found: Workspace, pause: Pause) -> None:
    """Say on stderr why the queue is paused, and how it goes on."""
    told = pause_told(found, pause)
    was = "was paused" if pause.is_by_person else "is paused,"
    click.echo(f"kimi-hooks: the queue {was} {told}", err=True)


def pause_told(found: Workspace, pause: Pause) -> str:
    """Return in words why the queue is paused, and how it goes on."""
    from kimi_hooks.show import harmless  # noqa: PLC0415 - dispatch must be quick where nothing is paused

    if pause.is_by_person:
        return f"with `kimi-hooks pause`; go on with: {spelt(found, 'resume')}"
    why = f"{harmless(pause.why).rstrip('.')}; " if pause.why else ""
    by_itself = "it goes on when key or address change, or with" if pause.mark else "go on with"
    if pause.until is not None:
        by_itself = f"it goes on by itself at {iso(pause.until)}, or with"
    return f"{pause.reason}: {why}{by_itself}: {spelt(found, 'resume')}"
