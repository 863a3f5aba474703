"""`cancel`, `hold` and `release` of single tasks, with a runner and without one."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from kimi_hooks.journal.store import Journal
from kimi_hooks.states import State
from kimi_hooks.workspace import Workspace
from tests.commands.test_completion import bash
from tests.house import House, group_lives, until
from tests.invariants import violations

TASK = "kimi-1700000000-aaaaaaaa"
OTHER = "kimi-1700000001-bbbbbbbb"
HANGS = "standin: hang\na"
HANGS_HALFWAY = "standin: stall\na"
TOLD = {"id": "told", "command": "cat >> told.txt; echo >> told.txt"}
NEWS: dict[str, Any] = {event: [{"hooks": [dict(TOLD)]}] for event in ("TaskFailed", "TaskCompleted")}


def state(house: House, task_id: str = TASK) -> tuple[str, str | None]:
    """Return where a task stands: its state, and what holds it."""
    found = {entry.id: entry for entry in house.entries()}[task_id]
    return found.state.value, found.hold_reason


def told(house: House) -> list[dict[str, Any]]:
    """Return what the hook was told, in order."""
    file = house.home / "told.txt"
    return [json.loads(line) for line in file.read_text().splitlines() if line] if file.exists() else []


def clean(workspace: Workspace) -> None:
    """Fail unless all promises hold in a workspace at rest."""
    assert violations(workspace) == []


def accept(house: House, task_id: str = TASK, prompt: str = "a", **keys: Any) -> None:
    """Let a task be accepted that does not start by itself."""
    house.drop(f"{task_id}.json", {"prompt": prompt, "not_before": 3600, **keys})
    house.drain()


def write(house: House, statement: str) -> None:
    """Change the journal behind everybody's back."""
    journal = Journal(house.workspace.journal_file)
    journal.write(lambda db: db.execute(statement))
    journal.close()


def test_a_waiting_task_is_cancelled_without_a_runner(house: House) -> None:
    """Its result is on the disk when the verb returns, and the next runner tells of it, once."""
    house.configure(NEWS)
    accept(house)
    done = house.call("cancel", TASK)
    assert (done.returncode, done.stdout) == (0, f"{TASK}\n"), done.stderr
    result = house.result(TASK)
    assert (result["status"], result["outcome"], state(house)) == ("cancelled", "cancelled", ("cancelled", None))
    assert result["error"] == {
        "kind": "cancelled", "message": "cancelled by a person", "http_status": None, "request_id": None,
    }  # fmt: skip
    assert [entry["task_id"] for entry in house.pending()["pending"]] == [TASK]
    house.drain()
    house.drain()
    assert [event["error"]["kind"] for event in told(house)] == ["cancelled"]
    assert house.kimi.requests == ()
    clean(house.workspace)


def test_a_dropped_task_is_cancelled_before_any_runner_has_seen_it(house: House) -> None:
    """It is taken in first, so that there is a result for whoever waits for it."""
    house.drop(f"{TASK}.md", "a")
    done = house.call("cancel", TASK, "--json")
    assert done.returncode == 0, done.stderr
    assert [(row["task_id"], row["outcome"]) for row in json.loads(done.stdout)] == [(TASK, "cancelled")]
    assert house.result(TASK)["outcome"] == "cancelled"
    assert list(house.workspace.outbox.iterdir()) == []
    house.drain()
    assert house.kimi.requests == ()
    clean(house.workspace)


@pytest.mark.parametrize("prompt", [HANGS, HANGS_HALFWAY])
def test_a_call_under_way_is_cut(house: House, prompt: str) -> None:
    """The task ends at once, with what had arrived, and says that what its call took is not known."""
    house.configure(NEWS)
    house.start()
    house.drop(f"{TASK}.md", prompt)
    until(lambda: bool(house.kimi.requests))
    done = house.call("cancel", TASK)
    assert done.returncode == 0, done.stderr
    result = house.result(TASK)
    assert result["outcome"] == "cancelled"
    assert bool(result["output"]) or prompt == HANGS
    assert any("a call was cut, and may have been paid for; nobody knows" in told for told in result["warnings"])
    assert f"{TASK}: its call was under way and was cut; it may have to be paid for" in done.stderr
    until(lambda: len(told(house)) == 1)
    assert len(house.kimi.requests) == 1
    house.call("stop")
    clean(house.workspace)


def test_what_comes_after_a_cancelled_task_fails(house: House) -> None:
    """Kind `dependency`, as after any end that is not done."""
    accept(house)
    house.drop(f"{OTHER}.json", {"prompt": "b", "after": TASK})
    house.drain()
    house.call("cancel", TASK)
    house.drain()
    assert house.result(OTHER)["error"]["kind"] == "dependency"
    clean(house.workspace)


@pytest.mark.parametrize("event", ["TaskCreated", "UserPromptSubmit", "Stop"])
def test_a_task_at_a_gate_is_cancelled(house: House, event: str) -> None:
    """What the hook decides after that counts for nothing; at Stop the answer that it judged is kept."""
    house.hook("""#!/bin/sh
        touch asked
        while [ ! -e go ]; do sleep 0.02; done
        echo no >&2; exit 2
        """, event=event)  # fmt: skip
    house.start()
    house.drop(f"{TASK}.md", "a")
    until((house.home / "asked").exists)
    write(house, f"UPDATE tasks SET cancel_at = 1 WHERE id = '{TASK}'")
    house.workspace.ring()
    (house.home / "go").touch()
    (entry,) = house.wait(TASK)
    assert entry.state is State.CANCELLED
    assert bool(house.result(TASK)["output"]) is (event == "Stop")
    assert len(house.kimi.requests) == (1 if event == "Stop" else 0)
    house.call("stop")
    clean(house.workspace)


def test_a_hook_at_a_gate_is_not_waited_for(house: House) -> None:
    """It is ended with its children; other hooks and their process go on."""
    script = "#!/bin/sh\nif [ $KIMI_TASK_NAME = other ]; then while [ ! -e go ]; do sleep 0.02; done; exit; fi\n"
    house.hook(f"{script}echo $$ > pid\nsleep 600\n", event="Stop")
    house.start()
    house.drop(f"{OTHER}.json", {"prompt": "b", "name": "other"})
    house.drop(f"{TASK}.md", "a")
    until(lambda: (house.home / "pid").exists() and bool((house.home / "pid").read_text()))
    done = house.call("cancel", TASK)
    assert (done.returncode, done.stderr) == (0, "")
    assert (house.result(TASK)["outcome"], bool(house.result(TASK)["output"])) == ("cancelled", True)
    until(lambda: not group_lives(int((house.home / "pid").read_text())))
    (house.home / "go").touch()
    house.wait(OTHER)
    assert house.result(OTHER)["outcome"] == "done"
    (cut,) = [run for run in house.runs() if run.task_id == TASK]
    assert "its task was cancelled" in cut.stderr
    house.call("stop")
    clean(house.workspace)


def test_a_runner_that_dies_after_cancel_ends_the_task_at_its_next_start(house: House) -> None:
    """Nothing is asked again of what nobody wants."""
    child = house.start()
    house.drop(f"{TASK}.md", HANGS)
    until(lambda: bool(house.kimi.requests))
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    write(house, f"UPDATE tasks SET cancel_at = 1 WHERE id = '{TASK}'")
    house.drain()
    assert house.result(TASK)["outcome"] == "cancelled"
    assert len(house.kimi.requests) == 1
    clean(house.workspace)


def test_what_a_killed_runner_left_is_cancelled_without_one(house: House) -> None:
    """The verb settles the call that was cut, as the next runner would."""
    child = house.start()
    house.drop(f"{TASK}.md", HANGS)
    until(lambda: bool(house.kimi.requests))
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert house.call("cancel", TASK).returncode == 0
    assert house.result(TASK)["outcome"] == "cancelled"
    house.drain()
    assert len(house.kimi.requests) == 1
    clean(house.workspace)


def test_an_answer_on_the_disk_is_not_cancelled(house: House) -> None:
    """The result was written, its row was not: the task is done, and the verb says so."""
    house.drop(f"{TASK}.md", "a")
    house.drain()
    house.undo_row(TASK)
    done = house.call("cancel", TASK)
    assert done.returncode == 0
    assert "has ended done: its end came first" in done.stderr
    assert (house.result(TASK)["outcome"], state(house)) == ("done", ("completed", None))


def test_all_or_nothing(house: House) -> None:
    """One id that cannot be keeps the others as they are, and each one that cannot is named with the reason."""
    accept(house)
    house.drop(f"{OTHER}.md", "b")
    house.drain()
    for verb, why in {"cancel": "has ended done", "hold": "has ended done", "release": "has ended done"}.items():
        done = house.call(verb, TASK, OTHER, "kimi-1-none")
        assert done.returncode == 1
        assert f"{OTHER} {why}; see: " in done.stderr
        assert f" show {OTHER}" in done.stderr
        assert "kimi-1-none: no such task" in done.stderr
        assert state(house) == ("available", None)


def test_hold_and_release(house: House) -> None:
    """A held task is not started, its time-out does not run, and released it goes on."""
    accept(house, timeout=1)
    write(house, "UPDATE tasks SET due_at = 0, deadline_at = 1")
    assert house.call("hold", TASK).stdout == f"{TASK}\n"
    house.drain()
    assert (state(house), house.kimi.requests) == (("held", "person"), ())
    assert house.call("release", TASK).returncode == 0
    assert state(house) == ("available", None)
    house.drain()
    assert house.result(TASK)["outcome"] == "done"
    clean(house.workspace)


def test_a_dropped_task_is_held_before_any_runner_has_seen_it(house: House) -> None:
    """The next runner finds it held."""
    house.drop(f"{TASK}.md", "a")
    assert house.call("hold", TASK).returncode == 0
    house.drain()
    assert (state(house), house.kimi.requests) == (("held", "person"), ())


def test_released_it_waits_for_what_it_waited_for_before(house: House) -> None:
    """For the task that it comes after, and for the hook at its gate."""
    accept(house)
    house.drop(f"{OTHER}.json", {"prompt": "b", "after": TASK})
    house.drain()
    house.call("hold", OTHER)
    house.call("release", OTHER)
    assert state(house, OTHER) == ("held", "after")
    house.hook("#!/bin/sh\necho no >&2; exit 2\n", event="TaskCreated")
    write(house, f"UPDATE tasks SET state = 'held', hold_reason = 'gate', gate = 'TaskCreated' WHERE id = '{TASK}'")
    house.call("hold", TASK)
    house.drain()
    assert state(house) == ("held", "person")
    house.call("release", TASK)
    assert state(house) == ("held", "gate")
    house.drain()
    assert house.result(TASK)["error"]["kind"] == "blocked"
    clean(house.workspace)


def test_held_while_its_gate_is_asked_it_stays_held(house: House) -> None:
    """The hook lets it in, and a person has said that it shall wait."""
    house.hook("""#!/bin/sh
        touch asked
        while [ ! -e go ]; do sleep 0.02; done
        """, event="TaskCreated")  # fmt: skip
    house.start()
    house.drop(f"{TASK}.md", "a")
    until((house.home / "asked").exists)
    assert house.call("hold", TASK).returncode == 0
    (house.home / "go").touch()
    until(lambda: house.entry().gate is None)
    assert state(house) == ("held", "person")
    house.call("release", TASK)
    (entry,) = house.wait(TASK)
    assert entry.state is State.COMPLETED


def test_what_is_being_answered_cannot_be_held(house: House) -> None:
    """The message says what can be done instead."""
    house.start()
    house.drop(f"{TASK}.md", HANGS)
    until(lambda: bool(house.kimi.requests))
    done = house.call("hold", TASK)
    assert done.returncode == 1
    assert f"{TASK} is being answered" in done.stderr
    assert f"cancel {TASK}" in done.stderr


def test_only_what_a_person_holds_is_released(house: House) -> None:
    """The others say what they wait for."""
    accept(house)
    house.drop(f"{OTHER}.json", {"prompt": "b", "after": TASK})
    house.drain()
    done = house.call("release", TASK, OTHER)
    assert done.returncode == 1
    assert f"{TASK} is not held" in done.stderr
    assert f"{OTHER} is not held by a person: it waits for the tasks that it comes after" in done.stderr


def test_a_runner_ends_a_waiting_task_that_is_cancelled(house: House) -> None:
    """The verb returns when the result is there."""
    house.start()
    house.drop(f"{TASK}.json", {"prompt": "a", "not_before": 3600})
    until(lambda: len(house.entries()) == 1)
    done = house.call("cancel", TASK)
    assert (done.returncode, done.stderr) == (0, "")
    assert house.result(TASK)["outcome"] == "cancelled"


def test_the_shell_offers_the_right_ids(house: House) -> None:
    """For each verb those that it can do something to."""
    house.drop(f"{OTHER}.md", "b")
    house.drain()
    accept(house)
    offered = {verb: bash(house, verb, "kimi-17") for verb in ("cancel", "hold", "release", "retry")}
    assert offered == {"cancel": [TASK], "hold": [TASK], "release": [], "retry": []}
    house.call("hold", TASK)
    assert (bash(house, "hold", "kimi-17"), bash(house, "release", "kimi-17")) == ([], [TASK])
    house.call("cancel", TASK)
    assert (bash(house, "cancel", "kimi-17"), bash(house, "retry", "kimi-17")) == ([], [TASK])
