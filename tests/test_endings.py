"""What lies on the disk of a task's end decides how it ends, whatever went wrong before its row was finished."""

from __future__ import annotations

import sqlite3

import pytest

from kimi_hooks import runner, started, unsaved
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome
from tests.house import House, until

TASK_ID = "kimi-1700000000-aaaaaaaa"


def test_a_failure_that_cannot_be_written_stays_a_failure(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text that had come does not make an answer of it: failed, told as failed, asked once."""
    monkeypatch.setattr(started, "ANSWERED_SECONDS", 0.05)
    monkeypatch.setattr(runner, "TROUBLE_SECONDS", 0.05)
    command = 'echo "$KIMI_EVENT $KIMI_TASK_STATUS" >> told.txt'
    house.configure({event: [{"hooks": [{"command": command}]}] for event in ("TaskCompleted", "TaskFailed")})
    far = house.home / "far"
    far.mkdir()
    house.workspace.results.rmdir()
    house.point_results_to(far)
    house.kimi.add(Fault(text="some text", finish_reason="content_filter", latency=0.5))
    with house.running():
        house.drop(f"{TASK_ID}.md", "x")
        assert house.kimi.wait_for(1)
        far.rename(house.home / "away")
        until(lambda: any(house.workspace.turns.rglob("*.json")))
        (house.home / "away").rename(far)
        house.wait(TASK_ID)
    house.drain()
    result = house.result()
    assert (result["outcome"], result["error"]["kind"]) == ("failed", "content_filter")
    assert house.entry().outcome is Outcome.FAILED
    assert (house.home / "told.txt").read_text() == "TaskFailed failed\n"
    assert len(house.kimi.requests) == 1
    assert list(house.workspace.turns.iterdir()) == []


def test_a_result_whose_row_could_not_be_finished_is_neither_asked_for_again_nor_written_over(house: House) -> None:
    """The task waits for another try: the try finds the result, finishes the row and owes the news."""
    house.hook("#!/bin/sh\necho told >> told.txt\n")
    house.kimi.add(Fault(text="the first answer"))
    house.drop("a.md", "a")
    house.drain()
    first = house.workspace.result_file(house.entry().id).read_bytes()
    house.undo_row(house.entry().id)
    _write(house, "UPDATE tasks SET state = 'retryable', due_at = 0, completed_at = NULL")
    house.drain()
    assert house.entry().outcome is Outcome.DONE
    assert house.workspace.result_file(house.entry().id).read_bytes() == first
    assert len(house.kimi.requests) == 1
    assert (house.home / "told.txt").read_text() == "told\n"


def test_a_journal_that_fails_after_the_result_costs_no_second_call(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Held by another program while the row should be finished: the last attempt's answer still ends the task."""
    monkeypatch.setattr(unsaved, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(runner, "TROUBLE_SECONDS", 0.05)
    house.configure(retry={"max_attempts": 1})
    parts = house.parts()
    parts.journal._db.execute("PRAGMA busy_timeout = 10")
    house.kimi.add(Fault(latency=0.5))
    other = sqlite3.connect(house.workspace.journal_file, isolation_level=None)
    with house.running(parts=parts):
        house.drop(f"{TASK_ID}.md", "x")
        assert house.kimi.wait_for(1)
        other.execute("BEGIN IMMEDIATE")
        until(lambda: "cannot be put away" in caplog.text)
        other.execute("ROLLBACK")
        other.close()
        (entry,) = house.wait(TASK_ID)
    assert (entry.outcome, house.result()["outcome"]) == (Outcome.DONE, "done")
    assert len(house.kimi.requests) == 1


def test_a_kept_result_ends_its_task_when_the_time_out_has_passed(house: House) -> None:
    """What was answered in time does not become a time-out because `results/` was away."""
    house.drop("a.json", {"prompt": "a", "timeout": 60})
    house.drain()
    answer = house.result()
    house.forget_ending(house.entry().id, answer)
    _write(house, "UPDATE tasks SET state = 'retryable', deadline_at = 1")
    house.drain()
    assert house.result() == answer
    assert house.entry().outcome is Outcome.DONE
    assert list(house.workspace.turns.iterdir()) == []


def test_a_row_that_cannot_be_read_does_not_stop_the_runner(house: House) -> None:
    """Written by another version: the runner goes on, and the tasks beside it are answered."""
    house.drop("bad.md", "bad")
    house.drop(f"{TASK_ID}.md", "good")
    house.drain(KIMI_API_KEY="")
    _write(house, "UPDATE tasks SET spec = json_set(spec, '$.of_another_version', 1) WHERE name = 'bad'")
    with house.running() as running:
        (entry,) = house.wait(TASK_ID)
        until(lambda: not running.runner._calls.busy)
        house.drop("kimi-1700000000-bbbbbbbb.md", "another")
        house.wait("kimi-1700000000-bbbbbbbb")
    assert entry.outcome is Outcome.DONE
    assert house.prompts() == ["good", "another"]


def _write(house: House, statement: str) -> None:
    def write(db: Connection) -> None:
        db.execute(statement)

    journal = Journal(house.workspace.journal_file)
    journal.write(write)
    journal.close()


@pytest.mark.parametrize(
    "state",
    ["state = 'retryable', attempts = 99, due_at = 0", "state = 'retryable', deadline_at = 1", "state = 'executing'"],
    ids=["tried often enough", "out of time", "cut too often"],
)
def test_a_row_that_cannot_be_read_ends_without_stopping_the_runner(
    house: House, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another version wrote fails for good, told by its row; the other tasks are answered."""
    monkeypatch.setattr(started, "AFTER_A_BUG_SECONDS", 0.05)
    house.configure(retry={"max_attempts": 2, "max_crashes": 1})
    house.drop("bad.md", "bad")
    house.drain(KIMI_API_KEY="")
    _write(house, f"UPDATE tasks SET spec = json_set(spec, '$.of_another_version', 1), crashes = 1, {state}")
    house.drop("good.md", "good")
    house.drain()
    assert {entry.name: entry.outcome for entry in house.entries()}["good"] is Outcome.DONE
    assert {entry.name: entry.outcome for entry in house.entries()}["bad"] in {Outcome.FAILED, Outcome.TIMEOUT}
