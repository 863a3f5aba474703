"""50,000 files dropped while the runner is stopped by a signal, so that the kernel's queue of file events overflows."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.stage import Stage, stage, until

FILES = 50_000
MAX_QUEUED = Path("/proc/sys/fs/inotify/max_queued_events")


def measure(folder: Path | None) -> list[Figure]:
    """Return files a second from when the runner goes on until the last row is in the journal."""
    rate, events = overflow(folder, FILES)
    return [
        Figure("50,000 files dropped at a stopped runner, taken in", rate, "files/s", at_least=1000),
        Figure("file events of it, as a multiple of the kernel's queue", events, "times", at_least=1),
    ]


def overflow(folder: Path | None, files: int) -> tuple[float, float]:
    """Return files a second, and how many times the kernel's queue the events would have filled."""
    # Without a key nothing is sent: only the intake works.
    with stage(folder=folder, url="http://127.0.0.1:9", key="") as place:
        keys = place.prepare(files)
        with place.runner() as pid:
            os.kill(pid, signal.SIGSTOP)
            try:
                for key in keys:
                    # Each a different name, or the kernel would make one event of many.
                    place.drop(key)
            finally:
                os.kill(pid, signal.SIGCONT)
            began = time.monotonic()
            until(lambda: taken(place) >= files, pause=0.05)
            seconds = time.monotonic() - began
        left = [file.name for file in (place.home / "outbox").glob("bench-*")]
        assert not left, f"left in outbox/: {left[:3]}"
    return files / seconds, files / int(MAX_QUEUED.read_text())


def taken(place: Stage) -> int:
    """Return how many tasks are in the journal."""
    with closing(sqlite3.connect(f"file:{place.home}/spool/journal.db?mode=ro", uri=True)) as db:
        count: int = db.execute("SELECT count(*) FROM tasks").fetchone()[0]
        return count
