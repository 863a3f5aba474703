"""Journals with many tasks in them, written by the product's own functions and without its files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from kimi_hooks import ending
from kimi_hooks.journal import deliveries, needs, starts, tasks
from kimi_hooks.journal.deliveries import Delivery, HookRun
from kimi_hooks.journal.sends import Send
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.results import NO_TURN
from kimi_hooks.states import Outcome
from kimi_hooks.taken import NOTHING
from kimi_hooks.task import Task
from kimi_hooks.workspace import Workspace

BATCH = 5000


def task_id(number: int) -> str:
    return f"kimi-1700000000-{number:08}"


def waiting(home: Path, count: int, change: str | None = None, **keys: Any) -> None:
    """Let so many tasks wait in a new journal; `change` is what of their rows is set then, as SQL says it."""

    def add(db: Connection, number: int) -> None:
        task = Task(prompt="Answer in a few words, please.", name=f"waiting-{number}", **keys)
        tasks.accept(db, tasks.fresh(task_id(number), task, [], time.time()), task)
        if change is not None:
            db.execute(f"UPDATE tasks SET {change} WHERE id = ?", (task_id(number),))  # noqa: S608 - ours

    _fill(home, count, add)


def finished(home: Path, count: int) -> None:
    """Let so many tasks have ended, each with its call, a delivery and the run of a hook; the newest have results."""
    began = time.time() - count

    def add(db: Connection, number: int) -> None:
        now, key = began + number, task_id(number)
        task = Task(prompt="Answer in a few words, please.", name=f"finished-{number}")
        tasks.accept(db, tasks.fresh(key, task, [], now), task)
        due = starts.next_due(db, now, 1, standin=False)
        ((entry, _),) = starts.start(db, due, [Send(key, 20, 30)], now)
        tasks.take(db, entry, "kimi-k3", NOTHING, now)
        tasks.finish(db, key, Outcome.DONE, None, 1, NOTHING, now)
        news = Delivery(f"{key}-TaskCompleted", "mark", "TaskCompleted", key)
        deliveries.owe(db, [news], now)
        run = HookRun("mark", news.event, news.event_id, key, 1, "delivered", 0, 5, "", "", now)
        deliveries.record(db, run, None)

    _fill(home, count, add)
    for number in range(max(0, count - 10), count):
        _write_result(home, number)


def _fill(home: Path, count: int, add: Callable[[Connection, int], None]) -> None:
    journal = Journal(Workspace(home).journal_file)
    for first in range(0, count, BATCH):
        journal.write(partial(_add_all, add, range(first, min(count, first + BATCH))))
    journal.write(needs.settle)
    journal.close()


def _add_all(add: Callable[[Connection, int], None], numbers: Iterable[int], db: Connection) -> None:
    for number in numbers:
        add(db, number)


def _write_result(home: Path, number: int) -> None:
    entry = tasks.fresh(task_id(number), Task(prompt="Answer, please.", name=f"finished-{number}"), [], time.time())
    turn = {**NO_TURN, "text": "A short answer.", "finish_reason": "stop", "model": "kimi-k3"}
    told = ending.build(entry, Task(prompt="Answer, please.", name=entry.name), turn, None, time.time(), None)
    (home / "results" / f"{task_id(number)}.json").write_text(json.dumps(told))
