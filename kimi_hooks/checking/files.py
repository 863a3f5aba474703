"""What lies in `spool/`: files of open tasks, each where it belongs, and nobody else may look."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from kimi_hooks import atomic, intake, results
from kimi_hooks.checking import aside
from kimi_hooks.checking.findings import Case, Finding
from kimi_hooks.journal import checks, tasks
from kimi_hooks.states import ENDED
from kimi_hooks.task_id import is_id

OTHERS_WRITE_SECONDS = 3600.0
TAKEN_BACK = "a new row; whether it was sent before, or held by a person, is not known: see kimi-hooks status"
_NO_REASON = "Why this file was refused is not known any more.\n\nMend it and drop it into outbox/ again.\n"


def private(case: Case) -> Iterator[Finding]:
    """`spool/` and `.env.kimi` are for their owner only."""
    workspace = case.parts.workspace
    for path, mode in ((workspace.spool, 0o700), (workspace.secrets_file, 0o600)):
        try:
            found = stat.S_IMODE(path.stat().st_mode)
        except FileNotFoundError:
            continue
        if found & 0o077:
            what = f"others may look into it (mode {found:04o})"
            yield Finding(path.name, what, f"mode {mode:04o}", partial(path.chmod, mode))


def claimed(case: Case) -> Iterator[Finding]:
    """A claimed file belongs to a task that has not ended."""
    rows = _rows(case)
    for file in _files(case.parts.workspace.incoming):
        if not is_id(_id_of(file)):
            yield _no_tasks_file(case, file)
        row = rows.get(_id_of(file))
        if row is not None and row["state"] in ENDED:
            yield Finding(f"spool/incoming/{file.name}", "its task has ended", "removed", partial(_remove, file))


def accepted(case: Case) -> Iterator[Finding]:
    """An accepted file belongs to a task that the journal knows; else its row is made anew."""
    rows, workspace = _rows(case), case.parts.workspace
    for file in _files(workspace.accepted):
        task_id = _id_of(file)
        if not is_id(task_id):
            yield _no_tasks_file(case, file)
        elif task_id not in rows and results.read(workspace.results, task_id) is None:
            again = partial(intake.take_back, case.parts, file)
            what = "the journal does not know of its task"
            yield Finding(f"spool/accepted/{file.name}", what, TAKEN_BACK, again)


def missing(case: Case) -> Iterator[Finding]:
    """The file of an open task is there: a lost journal is made anew from it."""
    workspace = case.parts.workspace
    there = {_id_of(file) for folder in (workspace.accepted, workspace.incoming) for file in _files(folder)}
    for row in _rows(case).values():
        if row["state"] not in ENDED and row["file"] is not None and row["id"] not in there:
            yield Finding(f"spool/accepted/{row['file']}", "it is gone", "written anew", partial(_write, case, row))


def answers(case: Case) -> Iterator[Finding]:
    """Answers are kept of tasks that are known, or whose file is."""
    workspace, rows = case.parts.workspace, _rows(case)
    there = {_id_of(file) for folder in (workspace.accepted, workspace.incoming) for file in _files(folder)}
    for folder in _files(workspace.turns):
        name = folder.name
        if name not in rows and name not in there and results.read(workspace.results, name) is None:
            move = partial(aside.put, workspace, folder, "nothing tells of the task that these are answers for")
            yield Finding(f"spool/turns/{name}", "nothing tells of its task", "moved to spool/damaged/", move)


def refused(case: Case) -> Iterator[Finding]:
    """Beside a refused file lies the reason."""
    folder = case.parts.workspace.rejected
    for file in _files(folder):
        reason = file.with_name(f"{file.name}.reason.txt")
        is_reason = file.name.endswith(".reason.txt") or file.name.startswith(atomic.TEMPORARY_PREFIX)
        if not is_reason and not reason.exists():
            write = partial(atomic.write_text, reason, _NO_REASON)
            yield Finding(f"spool/rejected/{file.name}", "the reason is gone", "that is said beside it", write)


def leftovers(case: Case) -> Iterator[Finding]:
    """No half-written file is older than an hour."""
    workspace = case.parts.workspace
    folders = [workspace.results, workspace.outbox, workspace.spool, *workspace.spool.rglob("*/")]
    for folder in folders:
        for file in folder.glob(f"{atomic.TEMPORARY_PREFIX}*"):
            if file.lstat().st_mtime < time.time() - OTHERS_WRITE_SECONDS and not file.is_dir():
                place = str(file.relative_to(workspace.home))
                yield Finding(place, "a half-written file", "removed", partial(_remove, file))


def _write(case: Case, row: Any) -> None:
    """Write the file of an open task anew, from what the journal knows of it."""
    spec = case.parts.journal.read(partial(checks.spec, task_id=row["id"]))
    try:
        text = tasks.parse(spec).model_dump_json(exclude_defaults=True)
    except ValueError:
        text = spec
    file = f"{row['id']}__{row['id']}.json"
    atomic.write_text(case.parts.workspace.accepted / file, text)
    case.parts.journal.write(partial(checks.name_file, task_id=row["id"], file=file))


def _no_tasks_file(case: Case, file: Path) -> Finding:
    move = partial(aside.put, case.parts.workspace, file, "it has no task's id in its name")
    return Finding(f"spool/{file.parent.name}/{file.name}", "no task's file", "moved to spool/damaged/", move)


def _rows(case: Case) -> dict[str, Any]:
    return {row["id"]: row for row in case.parts.journal.read(checks.task_rows)}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(atomic.TEMPORARY_PREFIX))


def _id_of(file: Path) -> str:
    return file.name.partition("__")[0]


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
    atomic.sync_folder(file.parent)
