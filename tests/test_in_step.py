"""Folder, journal and results/ stay in step: nothing is left in the outbox, uncounted or unsaid after a mishap."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

import pytest

from kimi_hooks import derived, results, runner
from kimi_hooks.clock import Clock
from kimi_hooks.intake import BATCH, Intake
from kimi_hooks.journal import acks
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.standin.faults import Fault
from tests.house import House, until


def test_a_file_that_must_settle_is_taken_when_the_last_batch_was_empty(house: House) -> None:
    """More than a batch is there, its rest is taken back by its owner, one file is not still yet: no ring is needed."""
    seconds = [0.0]
    intake = Intake(house.parts(Clock(monotonic=lambda: seconds[0])))
    for number in range(BATCH + 1):
        house.drop(f"{number:03}.md", str(number))
    (house.workspace.outbox / "empty.md").touch()
    intake.list_files()
    again = intake.take_batch()
    (house.workspace.outbox / f"{BATCH:03}.md").unlink()
    while again is not None:
        seconds[0] += again
        intake.list_files()
        again = intake.take_batch()
    assert list(house.workspace.outbox.iterdir()) == []
    assert len(house.entries()) == BATCH + 1


def test_more_endings_at_once_than_are_listed_are_counted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when they are the first of the workspace."""
    monkeypatch.setattr(results, "MAX_PENDING", 2)
    house.kimi.add(Fault("http", status=400))
    house.drop("first.md", "first")
    for name in "abcde":
        house.drop(f"{name}.json", {"prompt": name, "after": "first"})
    house.drain()
    assert len(house.pending()["pending"]) == 2
    assert house.pending()["more"] == 4


def test_what_is_pending_is_right_after_a_read_that_failed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list and the count are made anew, and an acknowledgement is not forgotten."""
    monkeypatch.setattr(results, "MAX_PENDING", 2)
    monkeypatch.setattr(runner, "TROUBLE_SECONDS", 0.01)
    for name in "abcde":
        house.drop(f"{name}.md", name)
        house.drain()
    newest = house.entries()[-1].id
    with house.running():
        _fail_once(monkeypatch)
        _acknowledge(house, newest)
        until(lambda: _names(house) == ["d", "c"])
        assert house.pending()["more"] == 2


def test_an_ack_that_could_not_be_listed_is_listed_at_the_next_turn(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pending-wake.json that cannot be written once does not keep what has been acknowledged."""
    monkeypatch.setattr(runner, "TROUBLE_SECONDS", 0.05)
    house.drop("a.md", "a")
    house.drain()
    pending = house.workspace.results / results.PENDING
    with house.running() as running:
        pending.unlink()
        pending.mkdir()
        _acknowledge(house, house.entry().id)
        until(lambda: running.runner._announcing.trouble is not None)
        pending.rmdir()
        until(pending.is_file)
        until(lambda: _names(house) == [])
        until(lambda: house.latest()["status"] == "acknowledged")
    assert house.result()["status"] == "acknowledged"


def _fail_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk fail once while the pending tasks are counted."""
    count = acks.pending_count

    def fail(_: Connection) -> Any:
        monkeypatch.setattr(acks, "pending_count", count)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(acks, "pending_count", fail)


def _acknowledge(house: House, task_id: str) -> None:
    """Acknowledge as the verb does, without waiting for the runner."""
    journal = Journal(house.workspace.journal_file)
    journal.write(lambda db: acks.acknowledge(db, [task_id], time.time()))
    journal.close()
    house.workspace.ring()


def _names(house: House) -> list[str]:
    return [entry["task_name"] for entry in house.pending()["pending"]]


@pytest.mark.parametrize("who", ["a runner that is at work", "a runner that drains", "the verb"])
def test_more_acknowledgements_than_are_written_at_once(house: House, who: str) -> None:
    """All are written in the end, some at a time: thousands must not hold up the tasks that come meanwhile."""
    count = derived.ACKS_AT_ONCE + 6
    for number in range(count):
        house.drop(f"{number}.json", "{}")
    house.drain()
    if who == "the verb":
        assert house.call("ack", "--all").stdout == f"acknowledged: {count}\n"
    elif who == "a runner that drains":
        journal = Journal(house.workspace.journal_file)
        journal.write(lambda db: acks.acknowledge(db, acks.unacknowledged_ids(db), time.time()))
        journal.close()
        house.drain()
    else:
        with house.running():
            assert house.call("ack", "--all").stdout == f"acknowledged: {count}\n"
            until(lambda: set(_statuses(house)) == {"acknowledged"})
    assert _statuses(house) == ["acknowledged"] * count
    assert house.pending() == {"pending": [], "more": 0}


def _statuses(house: House) -> list[str]:
    return [json.loads(file.read_bytes())["status"] for file in house.workspace.results.glob("kimi-*.json")]
