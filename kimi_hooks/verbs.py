"""How a verb changes something: one transaction, then the bell; without a runner it writes `results/` itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from kimi_hooks import crash_points, derived
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import LockHeldError
from kimi_hooks.journal import acks
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.lock import Lock, holder
from kimi_hooks.workspace import Workspace

T = TypeVar("T")
PATIENCE_SECONDS = 5.0


def change(workspace: Workspace, operation: Callable[[Connection], T]) -> T:
    """Run the operation in one transaction and see to it that `results/` says so before this returns."""
    workspace.make_folders()
    journal = Journal(workspace.journal_file)
    try:
        value = journal.write(operation)
        crash_points.reached(Point.VERB_RECORDED)
        if not _by_runner(workspace, journal):
            _by_ourselves(workspace, journal)
        return value
    finally:
        journal.close()


def _by_runner(workspace: Workspace, journal: Journal) -> bool:
    """Ring the runner's bell and wait for what it writes; False when there is no runner."""
    if holder(workspace.lock_file) is None:
        return False
    workspace.ring()
    end = time.monotonic() + PATIENCE_SECONDS
    while journal.read(partial(acks.unwritten_acks, limit=1)) and time.monotonic() < end:
        time.sleep(0.01)
    return True


def _by_ourselves(workspace: Workspace, journal: Journal) -> None:
    lock = Lock(workspace.lock_file)
    try:
        lock.take(is_runner=False)
    except LockHeldError:
        # A runner has just started: it reads the journal anyway.
        return
    try:
        has_written = False
        while derived.write_acks(workspace, journal):
            has_written = True
        if has_written:
            derived.Derived(workspace, journal).refresh()
    finally:
        lock.release()
