"""A lost journal and tasks that a person had run again: the files tell that they are open, and what they took before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kimi_hooks.standin.faults import Fault
from tests.commands.test_steer import NEWS, OTHER, TASK, clean, told
from tests.house import House, until
from tests.test_limits import PRICES

EMPTY = Fault(text="", finish_reason="length")


@pytest.fixture
def again(house: House) -> House:
    """Return a workspace whose one task has failed with a bill, and is to be run again."""
    house.configure(NEWS, kimi={"max_continuations": 0, "models": PRICES, "currency": "USD"})
    house.kimi.add(EMPTY)
    house.drop(f"{TASK}.json", {"prompt": "a", "priority": 3, "dedupe_key": "one"})
    house.drain()
    assert house.call("retry", TASK).returncode == 0
    return house


def lose_journal(house: House) -> dict[str, Any]:
    """Remove the journal, make it anew, and return what was said."""
    for file in house.workspace.spool.glob("journal.db*"):
        file.unlink()
    rebuilt = house.call("fsck", "--rebuild", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    said: dict[str, Any] = json.loads(rebuilt.stdout)
    return said


def cost(house: House) -> float:
    return float(json.loads(house.call("cost", "--json").stdout)["total"]["cost"][0]["amount"])


def test_it_is_open_again(again: House) -> None:
    """The older result is of a run that counts no more; nobody is told of that once more."""
    lose_journal(again)
    entry = again.entry()
    assert (entry.state, entry.retried, entry.priority) == ("available", 1, 3)
    assert again.pending()["pending"] == []
    again.drain()
    result = again.result(TASK)
    assert (result["outcome"], result["retried"], len(again.kimi.requests)) == ("done", 1, 2)
    assert [event["event_id"] for event in told(again)] == [f"{TASK}-TaskFailed", f"{TASK}-TaskCompleted-1"]
    clean(again.workspace)


def test_its_bill_is_of_all_runs(again: House) -> None:
    """What the run before took stands in its result, and goes on."""
    first = again.result(TASK)["tokens"]["total"]
    lose_journal(again)
    again.drain()
    assert again.result(TASK)["tokens"]["total"] > first
    assert again.result(TASK)["cost"]["amount"] == pytest.approx(cost(again))


def test_a_run_that_has_ended_is_not_run_again(again: House) -> None:
    """The file may outlive the result of its run by a crash: the result counts."""
    (file,) = again.workspace.accepted.iterdir()
    kept = file.read_bytes()
    again.drain()
    file.write_bytes(kept)
    lose_journal(again)
    again.drain()
    assert len(again.kimi.requests) == 2
    assert again.entry().retried == 1
    assert list(again.workspace.accepted.iterdir()) == []


def test_without_the_older_result(again: House) -> None:
    """Whoever had acknowledged it may have removed it: the run is the same."""
    (again.workspace.results / f"{TASK}.json").unlink()
    lose_journal(again)
    again.drain()
    assert again.result(TASK)["retried"] == 1
    assert told(again)[-1]["event_id"] == f"{TASK}-TaskCompleted-1"
    clean(again.workspace)


def test_the_newest_order_counts(again: House) -> None:
    """A crash may have left the file of an earlier run beside it."""
    again.kimi.add(EMPTY)
    again.drain()
    assert again.call("retry", TASK).returncode == 0
    (again.workspace.accepted / f"{TASK}__again-1.json").write_text('{"prompt": "old"}')
    lose_journal(again)
    assert again.entry().retried == 2
    again.drain()
    assert again.result(TASK)["retried"] == 2
    clean(again.workspace)


def test_an_answer_of_the_run_is_not_asked_for_again(again: House) -> None:
    """What is kept of it in spool/turns/ is carried on, and the bill is still of all runs."""
    first = again.result(TASK)
    stop = {"Stop": [{"hooks": [{"id": "judge", "command": "[ -e go ] || sleep 60", "timeout": 60}]}]}
    again.configure({**NEWS, **stop}, kimi={"models": PRICES, "currency": "USD"})
    child = again.start()
    until((again.workspace.turns / TASK / "1.json").exists)
    child.kill()
    child.wait()
    (again.home / "go").touch()
    lose_journal(again)
    again.drain()
    assert len(again.kimi.requests) == 2
    assert again.result(TASK)["tokens"]["total"] > first["tokens"]["total"]
    assert again.result(TASK)["cost"]["amount"] == pytest.approx(cost(again))
    clean(again.workspace)


def test_a_dropped_file_of_that_name_is_no_order(house: House) -> None:
    """Whatever a file is called, its task is run once."""
    house.configure({"TaskCreated": [{"hooks": [{"id": "slow", "command": "exit 1"}]}]})
    house.drop("again-1.json", {"prompt": "a"})
    house.call("pause")
    house.drain()
    lose_journal(house)
    house.call("resume")
    house.drain()
    assert house.entry().retried == 0
    clean(house.workspace)


def test_one_that_comes_after_it_waits_for_its_second_end(again: House) -> None:
    """The first end dooms nobody any more."""
    again.drop(f"{OTHER}.json", {"prompt": "b", "after": [TASK]})
    again.call("pause")
    again.drain()
    lose_journal(again)
    again.call("resume")
    again.drain()
    assert again.result(OTHER)["outcome"] == "done"
    clean(again.workspace)


def test_the_bill_of_a_run_that_was_not_sent_again(again: House) -> None:
    """Cancelled before its second call: what the first run took stands in the result, and on the bill."""
    assert again.call("cancel", TASK).returncode == 0
    lose_journal(again)
    result = again.result(TASK)
    assert (result["outcome"], result["attempts"], result["retried"]) == ("cancelled", 0, 1)
    again.drain()
    assert result["cost"]["amount"] == pytest.approx(cost(again))
    clean(again.workspace)
