"""The files in `results/` that are made from the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kimi_hooks import results
from kimi_hooks.checking.findings import Case, Finding
from kimi_hooks.derived import Derived, write_acks
from kimi_hooks.journal import checks, tasks


def in_step(case: Case) -> Iterator[Finding]:
    """They say what the journal says."""
    folder, journal = case.parts.workspace.results, case.parts.journal
    rows = [row for row in journal.read(checks.task_rows) if row["ended"] is not None]
    unseen = sorted((row for row in rows if row["acknowledged_at"] is None), key=lambda row: -int(row["ended"]))
    wanted = [row["id"] for row in unseen[: results.MAX_PENDING]]
    latest = journal.read(tasks.latest_ended)
    newest = results.read(folder, latest) if latest else None
    is_listed = _ids(_read(folder / results.PENDING)) == wanted
    is_latest = newest is None or _read(folder / results.LATEST) == newest
    if not (is_listed and is_latest) or any(not row["ack_written"] for row in rows):
        name = results.LATEST if is_listed else results.PENDING
        yield Finding(f"results/{name}", "not in step with the journal", "written anew", lambda: _refresh(case))


def _refresh(case: Case) -> None:
    write_acks(case.parts.workspace, case.parts.journal)
    Derived(case.parts.workspace, case.parts.journal).refresh()


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None


def _ids(listing: Any) -> list[str]:
    try:
        return [entry["task_id"] for entry in listing["pending"]]
    except (TypeError, KeyError):
        # None was ever written where nothing is pending.
        return []
