"""What a runner costs that has nothing to do: wake-ups and memory, its launcher included."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.stage import stage

SECONDS = 60.0
SETTLE = 3.0
BARE = "import sys, requests, sqlite3, watchdog.observers, jinja2, pydantic; print(flush=True); sys.stdin.read()"


def measure(folder: Path | None) -> list[Figure]:
    """Return wake-ups of all threads in a minute and MB resident, beside a Python that has loaded the libraries."""
    with stage(folder=folder, url="http://127.0.0.1:9") as place, place.runner() as pid, _bare() as bare:
        time.sleep(SETTLE)
        ours = [pid, *children(pid)]
        before, floor_before = _wake_ups(*ours), _wake_ups(bare)
        time.sleep(SECONDS)
        woken, floor = _wake_ups(*ours) - before, _wake_ups(bare) - floor_before
        memory, floor_memory = sum(map(resident, ours)), resident(bare)
    return [
        Figure("wake-ups of an idle runner in 60 s", woken, "", floor=floor, at_most=0),
        Figure("memory of an idle runner", memory, "MB", floor=floor_memory, at_most=80),
    ]


@contextmanager
def _bare() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    """Return the processes that this one has started."""
    found = [children.read_text() for children in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for children in found for child in children.split()]


def _wake_ups(*pids: int) -> int:
    """Return how often the kernel has put a thread of the processes on a processor again (proc(5), status)."""
    text = "".join(status.read_text() for pid in pids for status in Path(f"/proc/{pid}/task").glob("*/status"))
    return sum(map(int, re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE)))


def resident(pid: int, *, most: bool = False) -> float:
    """Return MB of memory that the process has now; the `most` that it has ever had."""
    found = re.search(
        rf"^{'VmHWM' if most else 'VmRSS'}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE
    )
    assert found is not None
    return int(found[1]) / 1024
