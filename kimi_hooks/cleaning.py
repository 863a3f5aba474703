"""Forget what is old: ended tasks with their results, and what else has gathered in `spool/`.

Files first, then the row that tells of them: cut at any instant, the next time finishes it. Until then a task is ended,
acknowledged and owes nothing, with or without its files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kimi_hooks import crash_points
from kimi_hooks.atomic import TEMPORARY_PREFIX
from kimi_hooks.clock import Clock
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import JournalError
from kimi_hooks.journal import cleaning
from kimi_hooks.journal.cleaning import Old
from kimi_hooks.journal.store import Journal
from kimi_hooks.workspace import Workspace

# Small enough that a runner waits for no batch, large enough to share the fsyncs.
BATCH = 200
SHRINK_SHARE = 0.25
# Somebody may be writing what is younger.
OTHERS_WRITE_SECONDS = 3600.0
# A hook may be running from what is younger.
HOOKS_RUN_SECONDS = 24 * 3600.0
Acknowledge = Callable[[Sequence[str]], object]


@dataclass
class Removed:
    """What was removed, or would be: files by kind, each with their number and bytes; rows by table.

    `tasks` are the ended tasks, in the order of their ends, as they were before. `unseen` counts those of them that
    nobody had acknowledged; `shrunk` is by how many bytes the journal got smaller.
    """

    files: dict[str, list[int]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    tasks: list[Old] = field(default_factory=list)
    unseen: int = 0
    shrunk: int = 0

    def note(self, kind: str, size: int) -> None:
        counted = self.files.setdefault(kind, [0, 0])
        counted[0] += 1
        counted[1] += size

    def note_rows(self, counts: dict[str, int]) -> None:
        for kind, count in counts.items():
            if count:
                self.rows[kind] = self.rows.get(kind, 0) + count


def look(workspace: Workspace, journal: Journal, before: float, clock: Clock) -> Removed:
    """Return what `clean` would remove of before the instant, in seconds since 1970. Changes nothing."""
    found = Removed(rows=journal.read(partial(cleaning.counts, before=before, now=clock.now())))
    tasks = journal.read(partial(cleaning.old, before=before))
    found.tasks.extend(tasks)
    found.unseen = sum(not task.is_seen for task in tasks)
    files = (item for task in tasks for item in _files_of(workspace, task))
    _count([*files, *_old_files(workspace, before, clock)], found)
    return found


def clean(
    workspace: Workspace, journal: Journal, before: float, clock: Clock, acknowledge: Acknowledge, removed: Removed
) -> None:
    """Remove what is older than the instant, in seconds since 1970, and count it in `removed`; a runner may be at work.

    `acknowledge` is given the ids of tasks that nobody has seen and returns when `results/` says that somebody has.
    Raises OSError and JournalError.
    """
    tasks = journal.read(partial(cleaning.old, before=before))
    for first in range(0, len(tasks), BATCH):
        _forget(workspace, journal, before, tasks[first : first + BATCH], acknowledge, removed)
    while some := journal.write(partial(cleaning.forget_rest, before=before, now=clock.now())):
        removed.note_rows(some)
    removed.note_rows({"moments": journal.write(partial(cleaning.forget_moments, before=before))})
    crash_points.reached(Point.CLEAN_REST)
    _remove(list(_old_files(workspace, before, clock)), removed)
    crash_points.reached(Point.CLEAN_LEFTOVERS)


def _forget(
    workspace: Workspace,
    journal: Journal,
    before: float,
    tasks: Sequence[Old],
    acknowledge: Acknowledge,
    removed: Removed,
) -> None:
    """Remove some ended tasks: what nobody has seen leaves the list of those first, then the files, then the rows."""
    unseen = [task.id for task in tasks if not task.is_seen]
    if unseen:
        acknowledge(unseen)
    ids = [task.id for task in tasks]
    still = journal.read(partial(cleaning.still_old, task_ids=ids, before=before))
    removed.tasks.extend(task for task in tasks if task.id in still)
    removed.unseen += len(still.intersection(unseen))
    _remove([item for task in tasks if task.id in still for item in _files_of(workspace, task)], removed)
    crash_points.reached(Point.CLEAN_FILES)
    removed.note_rows(journal.write(partial(cleaning.forget, task_ids=sorted(still), before=before)))
    crash_points.reached(Point.CLEAN_ROWS)
    if not still.issuperset(unseen):
        raise JournalError("the runner has not taken note of all yet; the rest goes when you say this again")


def _files_of(workspace: Workspace, task: Old) -> Iterator[tuple[str, Path]]:
    yield "results", workspace.result_file(task.id)
    yield "transcripts", workspace.transcript_file(task.id)
    yield from (("turns", file) for file in _in(workspace.turns / task.id))
    yield "turns", workspace.turns / task.id
    if task.file is not None:
        yield "accepted", workspace.accepted / task.file


def _old_files(workspace: Workspace, before: float, clock: Clock) -> Iterator[tuple[str, Path]]:
    """Return what goes by its own age: nothing tells of it any more, or only of what it once was."""
    for kind, folder, instant in (
        ("rejected", workspace.rejected, before),
        ("hook_runs", workspace.hook_runs, min(before, clock.now() - HOOKS_RUN_SECONDS)),
        ("extracts", workspace.extracts, before),
    ):
        yield from ((kind, path) for path in _deepest_first(folder) if _changed_before(path, instant))
    written = min(before, clock.now() - OTHERS_WRITE_SECONDS)
    for folder in (workspace.outbox, workspace.results, workspace.spool):
        leftovers = _deepest_first(folder) if folder == workspace.spool else _in(folder)
        left = (path for path in leftovers if path.name.startswith(TEMPORARY_PREFIX))
        yield from (("leftovers", path) for path in left if _changed_before(path, written))


def _in(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _deepest_first(folder: Path) -> Iterator[Path]:
    for path in _in(folder):
        if path.is_dir() and not path.is_symlink():
            yield from _deepest_first(path)
        yield path


def _changed_before(path: Path, instant: float) -> bool:
    try:
        return path.lstat().st_mtime < instant
    except OSError:
        return False


def _count(items: Sequence[tuple[str, Path]], found: Removed) -> None:
    for kind, path in items:
        with contextlib.suppress(OSError):
            status = path.lstat()
            if not (path.is_dir() and not path.is_symlink()):
                found.note(kind, status.st_size)


def _remove(items: Sequence[tuple[str, Path]], removed: Removed) -> None:
    """Remove the files, and folders once they are empty; what is gone already is no trouble. Raises OSError."""
    for kind, path in items:
        if path.is_dir() and not path.is_symlink():
            # One that somebody has written into meanwhile is not empty, and stays.
            with contextlib.suppress(OSError):
                path.rmdir()
            continue
        with contextlib.suppress(FileNotFoundError):
            size = path.lstat().st_size
            path.unlink()
            removed.note(kind, size)


def shrink(journal: Journal) -> int:
    """Give back what is free in the journal's file; return the bytes. For when no runner is at work."""
    return journal.shrink(SHRINK_SHARE)
