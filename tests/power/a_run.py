"""A whole run in a workspace, from its first folders on, with each step written down; a process of its own.

python -m tests.power.a_run HOME TRACE
"""

from __future__ import annotations

import errno
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kimi_hooks import crash_points
from kimi_hooks.app import assemble
from kimi_hooks.clock import Clock
from kimi_hooks.dispatching import dispatch
from kimi_hooks.journal import acks
from kimi_hooks.runner import Runner
from kimi_hooks.standin.server import Standin
from kimi_hooks.verbs import change
from kimi_hooks.workspace import Workspace
from tests.house import KEY
from tests.machine import place
from tests.machine.model import MARK, PLANS
from tests.machine.receiving import Hearer
from tests.power.recording import Recorder

# By the mark of each task, what Kimi makes of it. Each stands for another way to the disk.
PLANNED = ("answered", "cut", "judged", "broken", "answered", "broken", "answered")
TASKS = {MARK.format(number): plan for number, plan in enumerate(PLANNED)}
FIRST = 5


def main(home: Path, trace: Path) -> None:
    """Drop files, work until all is done, acknowledge all; keep what was done to the disk in `trace`."""
    recorder, workspace = Recorder(home), Workspace(home)
    with Standin(keys=frozenset({KEY})) as kimi, Hearer() as hearer:
        for mark, plan in TASKS.items():
            kimi.add(*PLANS[plan].orders(mark))
        place.configure(workspace, hearer.url)
        os.rename = _across_once(os.rename)
        recorder.install()
        crash_points.listen(lambda point: recorder.note("point", point))
        hearer.on_told = lambda said: recorder.note("told", _ended(said))
        workspace.make_folders()
        for number in range(2):
            _drop(workspace, recorder, list(TASKS)[FIRST:] if number else list(TASKS)[:FIRST])
            Runner(assemble(workspace, {**os.environ, **place.environ(kimi)})).run(drain=True)
        change(workspace, lambda db: acks.acknowledge(db, acks.unacknowledged_ids(db), Clock().now()))
    trace.write_bytes(pickle.dumps(recorder.ops))


def _ended(said: dict[str, Any]) -> str:
    """Return the task whose end was told; a gate is asked before that."""
    return "" if said["hook_event_name"] == "Stop" else said["task_id"] or ""


def _drop(workspace: Workspace, recorder: Recorder, marks: Sequence[str]) -> None:
    """Drop what is on the disk when `dispatch` says so, and a file of somebody who saw to nothing of the kind."""
    for mark in marks:
        plan = PLANS[TASKS[mark]]
        if plan.is_broken:
            (workspace.outbox / f"{mark}.json").write_text('{"no_such_key": 1}')
        else:
            name = f"{mark} judged" if plan.is_judged else mark
            dispatch(workspace, {"prompt": f"{mark} what is it?", "name": name}, 1_000_000, Clock())
            recorder.note("dropped", mark)


def _across_once(real: Callable[..., None]) -> Callable[..., None]:
    """Let one file lie on another file system: it cannot be renamed into `spool/incoming/`."""
    left = [1]

    def rename(path: Any, to: Any) -> None:
        if left and "incoming" in str(to) and "outbox" in str(path):
            left.pop()
            raise OSError(errno.EXDEV, "another file system")
        real(path, to)

    return rename


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
