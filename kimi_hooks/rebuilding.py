"""A new journal in the place of a lost or damaged one: from what can be read of it, and from what lies on the disk.

The new one is made whole under another name and takes its place last. The old one is kept aside, never removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kimi_hooks import atomic, crash_points
from kimi_hooks.checking import news
from kimi_hooks.checking.all_checks import CHECKS
from kimi_hooks.checking.findings import Case, Told, run
from kimi_hooks.crash_points import Point
from kimi_hooks.journal import restoring, salvage
from kimi_hooks.journal.salvage import Salvaged
from kimi_hooks.journal.store import Journal
from kimi_hooks.parts import Parts
from kimi_hooks.workspace import Workspace

BESIDE = ("", "-wal", "-shm")


@dataclass(frozen=True)
class Rebuilt:
    """What came from the old journal, what was found on the disk beside it, and where the old files lie now."""

    salvaged: Salvaged
    found: Sequence[Told]
    kept: Sequence[Path]


def is_needed(workspace: Workspace) -> bool:
    """Tell whether the journal is lost or damaged, or a rebuilding was cut."""
    return not salvage.is_whole(workspace.journal_file)


def rebuild(
    workspace: Workspace, assemble: Callable[[Journal], Parts], now: float, *, owes_news: bool = True
) -> Rebuilt:
    """Make the journal anew; the lock is held by the caller. Cut at any instant, it is to be done again.

    `assemble` puts the parts together around the new journal. Not `owes_news`: hooks are told nothing of tasks that
    have ended, but for what the old journal says they are still to be told. Raises OSError and KimiHooksError.
    """
    made, source = _beside(workspace, "rebuilt"), _beside(workspace, "salvage")
    for leftover in (made, source):
        _remove(leftover)
    salvaged = Salvaged(cut=list(salvage.TABLES))
    old = _newest_old(workspace)
    journal = Journal(made, anew=True)
    try:
        if old is not None and salvage.copy(old, source):
            salvaged = journal.write(lambda db: salvage.pour(source, db))
        crash_points.reached(Point.JOURNAL_SALVAGED)
        case = Case(assemble(journal), now, owes_all=owes_news)
        told = run(case, CHECKS, mending=True)
        news.keep_records(case)
        journal.write(restoring.renumber)
    finally:
        journal.close()
    crash_points.reached(Point.JOURNAL_REBUILT)
    kept = _put_in_place(workspace, made, now)
    _remove(source)
    return Rebuilt(salvaged, told, kept)


def _beside(workspace: Workspace, word: str) -> Path:
    return workspace.journal_file.with_name(f"{workspace.journal_file.name}.{word}")


def _newest_old(workspace: Workspace) -> Path | None:
    """Return the journal to read: the one in its place, else the one that a rebuilding had put aside and was cut."""
    if os.path.lexists(workspace.journal_file):
        return workspace.journal_file
    kept = workspace.spool.glob(f"{workspace.journal_file.name}.kept-*")
    return max((file for file in kept if not file.name.endswith(("-wal", "-shm"))), default=None)


def _put_in_place(workspace: Workspace, made: Path, now: float) -> list[Path]:
    """Put the old files aside and the new one in their place: in between there is none, and no runner starts."""
    with made.open("rb") as file:
        os.fsync(file.fileno())
    aside = _free_name(workspace, now)
    kept = []
    for end in BESIDE:
        old = workspace.journal_file.with_name(f"{workspace.journal_file.name}{end}")
        if os.path.lexists(old):
            kept.append(old.rename(aside.with_name(f"{aside.name}{end}")))
    atomic.sync_folder(workspace.spool)
    crash_points.reached(Point.JOURNAL_PUT_ASIDE)
    made.rename(workspace.journal_file)
    atomic.sync_folder(workspace.spool)
    crash_points.reached(Point.JOURNAL_REPLACED)
    return kept


def _free_name(workspace: Workspace, now: float) -> Path:
    """Return a name for the old file that none has yet."""
    at = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    name, number = _beside(workspace, f"kept-{at}"), 1
    while os.path.lexists(name):
        number += 1
        name = _beside(workspace, f"kept-{at}.{number}")
    return name


def _remove(file: Path) -> None:
    for end in BESIDE:
        file.with_name(f"{file.name}{end}").unlink(missing_ok=True)
