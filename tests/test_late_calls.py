"""Calls that leave late, and answers that come while the journal is in trouble."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

import pytest

from kimi_hooks import limits, pace, slowing, started
from kimi_hooks.journal import sends, standing
from kimi_hooks.journal.store import Journal
from kimi_hooks.pace import UnderWay
from kimi_hooks.parts import Parts
from kimi_hooks.standin.faults import Fault
from tests.house import PATIENCE, House, until
from tests.test_limits import FIRST, SECOND, Timeline


def test_a_late_call_holds_nobody_longer_than_the_window_does() -> None:
    """The place that the oldest call gives back is used, however long the late one still takes."""
    journal = Journal(None)
    journal.write(lambda db: sends.record(db, [sends.Send(FIRST)], 1000.0))
    journal.write(lambda db: sends.record(db, [sends.Send(SECOND)], 1050.0))
    now = journal.read(lambda db: standing.look(db, 1070.0, limits.WINDOW_SECONDS, 2))
    then = journal.read(lambda db: standing.look(db, 1050.0 + limits.WINDOW_SECONDS, limits.WINDOW_SECONDS, 2))
    journal.close()
    late = UnderWay(calls=1, late=1)
    assert (pace.room(now, 2, 8, late), pace.room(then, 2, 8, late)) == (0, 1)
    assert pace.next_start(now, 0.0, 2, late) == then.now
    assert pace.next_start(then, 0.0, 2, UnderWay(calls=2, late=2)) is None


def test_the_tokens_of_a_late_call_count_until_it_has_left(house: House) -> None:
    """When it leaves at last, the minute holds no more than the limit."""
    timeline = Timeline()
    house.configure(limits={"requests_per_minute": 1000, "tokens_per_minute": 1000})
    parts = house.parts(timeline.clock)
    leaves = _delayed(parts, FIRST)
    house.drop(f"{FIRST}.json", {"prompt": "a", "max_tokens": 800})
    with house.running(parts=parts):
        until(lambda: [entry.attempts for entry in house.entries()] == [1])
        timeline.go_on(limits.WINDOW_SECONDS + 1)
        house.drop(f"{SECOND}.json", {"prompt": "b", "max_tokens": 800, "priority": -1})
        house.drop("small.json", {"prompt": "c", "max_tokens": 50, "priority": 1})
        until(lambda: house.prompts() == ["c"])
        until(lambda: len(house.entries()) == 3)
        assert house.prompts() == ["c"]
        leaves.set()
        house.wait(FIRST)
    assert house.prompts() == ["c", "a"]


def test_trouble_with_the_pace_does_not_cost_the_answer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that cannot be written just when a slowed queue gets its answer delays that, and loses nothing."""
    monkeypatch.setattr(started, "AFTER_A_BUG_SECONDS", 0.01)
    real, errors = slowing.speed_up, [sqlite3.OperationalError("database is locked")]

    def speed_up(*arguments: Any) -> None:
        if errors:
            raise errors.pop()
        real(*arguments)

    monkeypatch.setattr(slowing, "speed_up", speed_up)
    house.kimi.add(Fault("http", status=503))
    house.drop(f"{FIRST}.md", "a")
    house.drain()
    assert errors == []
    assert len(house.kimi.requests) == 2


def _delayed(parts: Parts, task_id: str) -> threading.Event:
    """Let the task's calls leave when the event is set."""
    send, leaves = parts.client.ask, threading.Event()

    def ask(call_id: str, *arguments: Any, **options: Any) -> Any:
        assert call_id != task_id or leaves.wait(PATIENCE)
        return send(call_id, *arguments, **options)

    parts.client.ask = ask  # type: ignore[method-assign]
    return leaves
