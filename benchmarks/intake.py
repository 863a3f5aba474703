"""How fast a runner takes files that wait when it starts, beside the least that keeps the same promise."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.stage import Stage, stage, until

FILES = 20_000
BATCH = 64


def measure(folder: Path | None) -> list[Figure]:
    """Return files a second from the start of the program to the last row in the journal."""
    ours, floor = _ours(folder), _floor(folder)
    return [Figure("20,000 waiting files taken in", ours, "files/s", floor=floor, at_least=1000)]


def _ours(folder: Path | None) -> float:
    # Without a key nothing is sent: only the intake works.
    with stage(folder=folder, url="http://127.0.0.1:9", key="") as place:
        for key in place.prepare(FILES):
            place.drop(key)
        started = time.monotonic()
        with place.runner():
            until(lambda: _rows(place) >= FILES, pause=0.05)
            return FILES / (time.monotonic() - started)


def _rows(place: Stage) -> int:
    with closing(sqlite3.connect(f"file:{place.home}/spool/journal.db?mode=ro", uri=True)) as db:
        count: int = db.execute("SELECT count(*) FROM tasks").fetchone()[0]
        return count


def _floor(folder: Path | None) -> float:
    with stage(folder=folder, url="http://127.0.0.1:9", key="") as place:
        keys = place.prepare(FILES)
        for key in keys:
            place.drop(key)
        with closing(sqlite3.connect(place.home / "floor.db")) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("CREATE TABLE tasks (id TEXT, prompt TEXT)")
            started = time.monotonic()
            for first in range(0, FILES, BATCH):
                _take(place, db, keys[first : first + BATCH])
            return FILES / (time.monotonic() - started)


def _take(place: Stage, db: sqlite3.Connection, keys: Sequence[str]) -> None:
    """Rename, make that durable, read, insert, unlink: the steps that cannot be left out."""
    outbox, incoming = place.home / "outbox", place.home / "spool" / "incoming"
    for key in keys:
        (outbox / f"{key}.md").rename(incoming / f"{key}.md")
    for folder in (outbox, incoming):
        fd = os.open(folder, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    rows = [(key, json.dumps((incoming / f"{key}.md").read_text())) for key in keys]
    with db:
        db.executemany("INSERT INTO tasks VALUES (?, ?)", rows)
    for key in keys:
        (incoming / f"{key}.md").unlink()
