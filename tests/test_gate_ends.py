"""What a gate has decided stands, whatever goes wrong between the decision and the task's row."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kimi_hooks import results, schedule, started, unsaved
from kimi_hooks.errors import JournalError
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Journal
from kimi_hooks.standin.faults import Fault
from tests.house import House, until

TASK = "kimi-1700000000-aaaaaaaa"
REFUSES_ONCE = """#!/bin/sh
echo asked >> asked.txt
[ -e refused ] && exit 0
touch refused; echo no >&2; exit 2
"""


def write(house: House, statement: str) -> None:
    """Change the journal behind the runner's back."""
    journal = Journal(house.workspace.journal_file)
    journal.write(lambda db: db.execute(statement))
    journal.close()


def calls(house: House) -> int:
    """Return how many calls the bill tells of."""
    return house.read_journal(lambda db: int(db.execute("SELECT count(*) FROM sends").fetchone()[0]))


def asked(house: House) -> int:
    return (house.home / "asked.txt").read_text().count("asked")


@pytest.mark.parametrize("event", ["TaskCreated", "UserPromptSubmit"])
def test_a_refusal_whose_row_could_not_be_finished_is_not_asked_about_again(house: House, event: str) -> None:
    """The crash came between the result and its row: the task ends as it was decided, and no call is billed."""
    house.hook(REFUSES_ONCE, event=event)
    house.drop(f"{TASK}.md", "a")
    house.drain()
    first = house.result()
    house.undo_row(TASK)
    if event == "TaskCreated":
        write(house, "UPDATE tasks SET state = 'held', hold_reason = 'gate', gate = 'TaskCreated'")
    else:
        write(house, "UPDATE tasks SET gate = 'UserPromptSubmit', attempts = 1")
        write(house, f"INSERT INTO sends (task_id, sent_at) VALUES ('{TASK}', {time.time()})")
    house.drain()
    assert house.result() == first
    assert (first["error"]["kind"], house.entry().error_kind) == ("blocked", "blocked")
    assert (asked(house), len(house.kimi.requests), calls(house)) == (1, 0, 0)


@pytest.mark.parametrize("event", ["TaskCreated", "UserPromptSubmit", "Stop"])
def test_what_a_gate_has_decided_waits_for_a_results_folder_that_is_away(
    house: House, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    """The decision is kept, the hook is not asked again, and no call is made or billed that was not made before."""
    tries: list[object] = []
    real = results.write

    def count(folder: Path, result: Mapping[str, Any]) -> None:
        tries.append(result)
        real(folder, result)

    monkeypatch.setattr(results, "write", count)
    monkeypatch.setattr(schedule, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(started, "ANSWERED_SECONDS", 0.05)
    monkeypatch.setattr(unsaved, "AGAIN_SECONDS", 0.05)
    # At Stop only a guard that fails ends the task.
    house.hook(REFUSES_ONCE.replace("exit 2", "exit 3"), event=event, onFailure="block")
    far = house.home / "far"
    far.mkdir()
    house.workspace.results.rmdir()
    house.point_results_to(far)
    with house.running():
        far.rename(house.home / "away")
        house.drop(f"{TASK}.md", "x")
        until(lambda: any(house.workspace.turns.rglob("result.json")))
        until(lambda: len(tries) > 2)
        (house.home / "away").rename(far)
        house.wait(TASK)
    sent = int(event == "Stop")
    assert house.result()["error"]["kind"] == "blocked"
    assert (asked(house), len(house.kimi.requests), calls(house)) == (1, sent, sent)
    assert list(house.workspace.turns.iterdir()) == []


def test_a_row_that_cannot_be_read_at_its_gate_ends_and_holds_up_nobody(house: House) -> None:
    """Written by another version: it fails, and is not looked at again and again."""
    house.hook("#!/bin/sh\nexec sleep 60\n", event="TaskCreated")
    house.drop("bad.md", "bad")
    child = house.start()
    until(lambda: len(house.entries()) == 1)
    child.kill()
    child.wait()
    write(house, "UPDATE tasks SET spec = json_set(spec, '$.of_another_version', 1)")
    house.hook("#!/bin/sh\nexit 0\n", event="TaskCreated")
    house.drop("good.md", "good")
    house.drain()
    assert {entry.name: str(entry.outcome) for entry in house.entries()} == {"bad": "failed", "good": "done"}


def test_a_refused_answer_that_stands_will_not_do_for_others(house: House) -> None:
    """Sent back as often as it may be, the last answer ends its task; another one that asks the same is sent."""
    house.hook("#!/bin/sh\necho no >&2; exit 2\n", event="Stop")
    hooks = {"Stop": [{"hooks": [{"id": "my-hook", "command": "hooks/hook.sh"}]}]}
    house.configure(hooks, limits={"stop_blocks": 1, "requests_per_minute": 10_000})
    house.drop("a.md", "the same")
    house.drain()
    house.drop("b.json", {"prompt": "the same", "reuse": 3600})
    house.drain()
    assert len(house.kimi.requests) == 2
    assert [house.result(entry.id)["reused_from"] for entry in house.entries()] == [None, None]


def test_what_is_said_of_the_model_survives_a_crash_before_the_gate(house: House) -> None:
    """The crash came between the answer on the disk and its row: the result still tells that another model answered."""
    house.hook("#!/bin/sh\n[ -e begun ] || { touch begun; exec sleep 60; }\n", event="Stop")
    house.drop(f"{TASK}.json", {"prompt": "a", "model": "kimi-latest", "standin": True})
    runner = house.start()
    until((house.home / "begun").exists)
    runner.kill()
    runner.wait()
    write(house, "UPDATE tasks SET gate = NULL, turns = 0, taken = NULL, warnings = '[]'")
    house.drain()
    result = house.result()
    assert (result["attempts"], result["crashes"], result["model"]) == (1, 0, "kimi-k3")
    assert [warning for warning in result["warnings"] if "kimi-latest" in warning]


@pytest.mark.parametrize("end", ["exit 0", "exit 1", "echo '{\"continue\": false}'"])
def test_a_hook_that_removes_what_is_kept_costs_no_answer(house: House, end: str) -> None:
    """The answer that was judged stands in the result, whatever became of its file meanwhile."""
    house.hook(f"#!/bin/sh\nrm -rf spool/turns spool/transcripts\n{end}\n", event="Stop", onFailure="block")
    house.kimi.add(Fault(text="The answer"))
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert (result["output"], result["turns"], result["finish_reason"]) == ("The answer", 1, "stop")
    assert "The answer" in house.workspace.transcript_file(result["task_id"]).read_text()


@pytest.mark.parametrize("reason", ["length", "stop"])
def test_a_start_that_needs_no_call_is_no_attempt(house: House, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    """The answer is on the disk and could not be counted at first: the try that counts it calls nobody."""
    failing = iter([JournalError("the disk is full")])

    def take(*arguments: Any) -> None:
        for error in failing:
            raise error
        real(*arguments)

    real = tasks.take
    monkeypatch.setattr(tasks, "take", take)
    monkeypatch.setattr(started, "ANSWERED_SECONDS", 0.05)
    house.hook("#!/bin/sh\nexit 0\n", event="Stop")
    house.kimi.add(Fault(text="One", finish_reason=reason))
    house.drop("a.md", "a")
    house.drain()
    made = len(house.kimi.requests)
    assert (house.result()["attempts"], house.result()["turns"], calls(house)) == (made, made, made)


def test_an_answer_that_is_not_as_it_was_written_is_as_good_as_gone(house: House) -> None:
    """A hook that spoils the answer it judges costs no endless tries: the answer was read before."""
    house.hook("#!/bin/sh\nfor kept in spool/turns/*/1.json; do echo '{}' > \"$kept\"; done\n", event="Stop")
    house.drop("a.md", "a")
    house.drain()
    assert house.result()["outcome"] == "done"
    assert house.result()["output"]
