"""Answers that are cut at their cap: carried on in further calls, joined without a seam, never asked for twice."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from kimi_hooks import continuing, started, turns
from kimi_hooks.journal import sends, tasks
from kimi_hooks.journal.store import Journal
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome, State
from kimi_hooks.taken import NOTHING
from tests.house import House, until

TASK = "kimi-1700000000-aaaaaaaa"


def cut(text: str) -> Fault:
    return Fault(text=text, finish_reason="length")


def test_a_cut_answer_is_carried_on_and_joined_without_a_seam(house: House) -> None:
    """The parts are one text; turns, calls, tokens and cost are told of all of them."""
    house.kimi.add(cut("Half an ans"), cut("wer, 一"), Fault(text="半 is here."))
    house.drop(f"{TASK}.md", "a")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["finish_reason"]) == ("done", "stop")
    assert result["output"] == "Half an answer, 一半 is here."
    assert (result["turns"], result["attempts"], result["warnings"][:-1]) == (3, 3, [])
    used = [sum(len(str(message["content"]).encode()) // 4 for message in request.body["messages"])
            for request in house.kimi.requests if request.body]  # fmt: skip
    assert result["tokens"]["prompt"] >= sum(used)
    assert not house.workspace.turns.joinpath(TASK).exists()


def test_what_is_carried_on_is_the_last_message(house: House) -> None:
    """Kimi is given the text so far as the beginning of its own answer."""
    house.kimi.add(cut("Half an ans"), cut("wer"))
    house.drop(f"{TASK}.json", {"prompt": "a", "max_tokens": 500})
    house.drain()
    bodies = [request.body for request in house.kimi.requests if request.body]
    assert bodies[0]["messages"] == [{"role": "user", "content": "a"}]
    for body, so_far in zip(bodies[1:], ("Half an ans", "Half an answer"), strict=True):
        assert body["messages"][0] == {"role": "user", "content": "a"}
        assert (body["messages"][1]["role"], body["messages"][1]["content"]) == ("assistant", so_far)
        assert body["messages"][1]["partial"] is True
        assert body["max_completion_tokens"] == 500


@pytest.mark.parametrize(("most", "calls"), [(0, 1), (1, 2), (3, 4)])
def test_an_answer_that_stays_cut_is_done_with_a_warning(house: House, most: int, calls: int) -> None:
    """After `kimi.max_continuations` the text is kept as it is, and marked."""
    house.configure(kimi={"max_continuations": most})
    house.kimi.add(*(cut(f"part {number} ") for number in range(9)))
    house.drop(f"{TASK}.md", "a")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["finish_reason"], result["turns"]) == ("done", "length", calls)
    assert result["output"] == "".join(f"part {number} " for number in range(calls))
    assert any("cut at the cap" in warning for warning in result["warnings"])


def test_an_answer_that_fills_the_window_is_done_with_a_warning(house: House) -> None:
    """Where the next part does not fit, it is not asked for: Kimi would refuse it, and the task would fail with text."""
    house.configure(kimi={"models": {"kimi-k3": {"context": 100}}})
    house.kimi.add(cut("Half an ans"))
    house.drop(f"{TASK}.json", {"prompt": "a", "max_tokens": 90})
    house.drain()
    result = house.result()
    assert (result["outcome"], result["finish_reason"], result["output"]) == ("done", "length", "Half an ans")
    assert any("cut at the cap" in warning for warning in result["warnings"])
    assert len(house.kimi.requests) == 1


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_a_continuation_with_nothing_more_ends_the_answer(house: House, reason: str) -> None:
    """An empty end is an end, once there is text."""
    house.kimi.add(cut("all there is"), Fault(text="", finish_reason=reason))
    house.drop(f"{TASK}.md", "a")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["output"], result["finish_reason"]) == ("done", "all there is", reason)


def test_a_continuation_that_fails_keeps_what_had_come(house: House) -> None:
    """A failure for good ends the task with the text so far."""
    house.kimi.add(cut("Half an ans"), Fault("http", status=400, type="content_filter"))
    house.drop(f"{TASK}.md", "a")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["error"]["kind"]) == ("failed", "content_filter")
    assert (result["output"], result["turns"]) == ("Half an ans", 1)


def test_a_continuation_is_tried_again_without_the_parts_before(house: House) -> None:
    """What passes is tried again, and only the part that is missing."""
    house.kimi.add(
        cut("Half an ans"), Fault("http", status=500), Fault("cut", text="wer which is lost"), Fault(text="wer.")
    )
    house.drop(f"{TASK}.md", "a")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["output"], result["attempts"], result["turns"]) == (
        "done",
        "Half an answer.",
        4,
        2,
    )


def test_parts_do_not_count_as_failures(house: House) -> None:
    """As many tries as configured are left, however many parts there were."""
    house.configure(retry={"max_attempts": 2, "first_pause": 0.01, "max_pause": 0.02})
    house.kimi.add(cut("a "), cut("b "), cut("c "), Fault("http", status=500), Fault(text="d"))
    house.drop(f"{TASK}.md", "a")
    house.drain()
    assert house.result()["output"] == "a b c d"


def test_a_part_that_was_kept_is_not_asked_for_again(house: House) -> None:
    """The runner died between the part's file and its row: the next one goes on from the file."""
    house.kimi.add(Fault("stall"))
    house.drop(f"{TASK}.md", "a")
    house.start()
    assert house.kimi.wait_for(1)
    house.close()
    turn = {"text": "Half an ans", "reasoning": "so", "finish_reason": "length", "model": "kimi-k3", "warnings": []}
    turns.keep_turn(house.workspace.turns, TASK, 1, {**turn, "took": vars(NOTHING)})
    house.kimi.add(Fault(text="wer."))
    house.drain()
    result = house.result()
    assert (result["output"], result["turns"], result["crashes"]) == ("Half an answer.", 2, 0)
    assert house.kimi.requests[-1].body is not None
    assert house.kimi.requests[-1].body["messages"][-1]["content"] == "Half an ans"


def test_a_part_whose_row_could_not_be_written_is_not_asked_for_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal was in trouble after the part was kept: the next try goes on from the file, and it is billed once."""
    monkeypatch.setattr(started, "ANSWERED_SECONDS", 0.01)
    real, errors = tasks.keep_turn, [sqlite3.OperationalError("database is locked")]

    def keep_turn(*arguments: Any) -> None:
        if errors:
            raise errors.pop()
        real(*arguments)

    monkeypatch.setattr(tasks, "keep_turn", keep_turn)
    house.kimi.add(cut("Half an ans"), Fault(text="wer."), Fault(text="wer."))
    house.drop(f"{TASK}.md", "a")
    house.drain()
    result = house.result()
    assert (result["output"], len(house.kimi.requests)) == ("Half an answer.", 2)
    rows = house.read_journal(lambda db: db.execute("SELECT prompt FROM sends").fetchall())
    assert len(rows) == 2
    assert sum(row["prompt"] for row in rows) == result["tokens"]["prompt"]


def test_a_task_that_waits_for_its_next_part_survives_a_restart(house: House) -> None:
    """The parts lie on the disk while the queue is paused, and go into the result of whoever carries on."""
    house.kimi.add(cut("Half an ans"), Fault("http", status=429, type="exceeded_current_quota_error"))
    house.drop(f"{TASK}.md", "a")
    house.drain()
    entry = house.entry()
    assert (entry.state, entry.turns, entry.attempts) == (State.AVAILABLE, 1, 1)
    house.kimi.add(Fault(text="wer."))
    assert house.call("resume").returncode == 0
    house.drain()
    assert house.result()["output"] == "Half an answer."


def test_a_task_that_runs_out_of_time_between_its_parts_keeps_them(house: House) -> None:
    """The time-out ends it with the text so far."""
    house.configure(limits={"requests_per_minute": 1})
    house.kimi.add(cut("Half an ans"))
    house.drop(f"{TASK}.json", {"prompt": "a", "timeout": 1})
    with house.running():
        (entry,) = house.wait(TASK)
    assert entry.outcome is Outcome.TIMEOUT
    assert house.result()["output"] == "Half an ans"


def test_each_part_is_a_call_of_its_own_in_the_record(house: House) -> None:
    """The limits and the bill count what really leaves."""
    house.kimi.add(cut("one "), Fault(text="two"))
    house.drop(f"{TASK}.md", "a")
    house.drain()
    journal = Journal(house.workspace.journal_file)
    rows = journal.read(lambda db: db.execute("SELECT prompt, completion, ended_at FROM sends").fetchall())
    result = house.result()
    assert len(rows) == 2
    assert sum(row["prompt"] for row in rows) == result["tokens"]["prompt"]
    assert sum(row["completion"] for row in rows) == result["tokens"]["completion"]
    assert journal.read(lambda db: sends.under_way_since(db, TASK)) is None
    assert journal.read(lambda db: tasks.taken_before(db, TASK)).prompt == rows[0]["prompt"]
    journal.close()


def test_kept_parts_of_ended_tasks_are_tidied_away(house: House, tmp_path: Path) -> None:
    """A crash right after the end leaves nothing behind for good."""
    house.drop(f"{TASK}.md", "a")
    house.drain()
    turns.keep_turn(house.workspace.turns, TASK, 1, {"text": "left over"})
    house.drain()
    until(lambda: not house.workspace.turns.joinpath(TASK).exists())


def test_a_part_that_somebody_has_deleted_ends_the_task_and_nothing_else(house: House) -> None:
    """What is left is told, the task fails with the reason, and the queue goes on."""
    house.configure(limits={"requests_per_minute": 1000, "concurrency": 1}, retry={"first_pause": 0.3, "max_pause": 1})
    house.kimi.add(cut("gone "), cut("left "), Fault("http", status=500, latency=0.3))
    house.drop(f"{TASK}.md", "a")
    with house.running():
        assert house.kimi.wait_for(3)
        house.workspace.turns.joinpath(TASK, "1.json").unlink()
        house.drop("b.md", "b")
        (entry,) = house.wait(TASK)
        other = next(entry.id for entry in house.entries() if entry.id != TASK)
        house.wait(other)
    assert (entry.outcome, entry.error_kind) == (Outcome.FAILED, "invalid_task")
    assert house.result(TASK)["output"] == "left "
    assert house.result(other)["outcome"] == "done"


def test_an_answer_whose_context_changed_between_its_parts_is_given_to_nobody(house: House) -> None:
    """Its parts answer two requests, so it answers neither."""
    note = house.home / "note.txt"
    note.write_text("one")
    house.configure(limits={"requests_per_minute": 1000}, retry={"first_pause": 0.3, "max_pause": 1})
    house.kimi.add(cut("half "), Fault("http", status=500, latency=0.3), Fault(text="whole"))
    house.drop(f"{TASK}.json", {"prompt": "a", "context": "note.txt"})
    with house.running():
        assert house.kimi.wait_for(2)
        note.write_text("two")
        house.wait(TASK)
    for name, text in (("one.json", "one"), ("two.json", "two")):
        note.write_text(text)
        house.drop(name, {"prompt": "a", "context": "note.txt", "reuse": True})
        house.drain()
    assert [house.result(entry.id)["reused_from"] for entry in house.entries()] == [None, None, None]


def test_a_whole_answer_in_parts_will_do_for_others(house: House) -> None:
    """The same question gets the joined text without a call."""
    house.kimi.add(cut("half "), Fault(text="whole"))
    house.drop(f"{TASK}.md", "a")
    house.drain()
    house.drop("again.json", {"prompt": "a", "reuse": True})
    house.drain()
    again = house.result(house.entries()[-1].id)
    assert (again["reused_from"], again["output"], len(house.kimi.requests)) == (TASK, "half whole", 2)


def test_the_result_names_the_request(house: House) -> None:
    """Kimi's support can look up what was answered, not only what failed."""
    house.drop(f"{TASK}.md", "a")
    house.drain()
    assert house.result()["request_id"] == "standin-000001"


@pytest.mark.parametrize(
    ("cap", "remedy"),
    [
        (None, "; raise kimi.max_continuations in config.yaml, or ask for less"),
        (500, "; set max_tokens higher or leave it out, or raise kimi.max_continuations in config.yaml"),
    ],
)
def test_what_helps_against_a_cut_depends_on_the_task(cap: int | None, remedy: str) -> None:
    """Nobody is told to leave out what was not given."""
    turn = {"finish_reason": "length", "text": "Half", "warnings": []}
    for earlier, after in ((0, ""), (1, ", after 1 continuation"), (2, ", after 2 continuations")):
        (warning,) = continuing.last(turn, earlier, cap)["warnings"]
        assert warning == f"the answer is cut at the cap on its length{after}{remedy}"
