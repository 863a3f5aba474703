"""`retry`: an ended task is run again under its old id, and what it left behind counts for nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3

import pytest
from click.testing import CliRunner

from kimi_hooks import cli, crash_points, results, turns
from kimi_hooks.commands import Home
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import SteeringError
from kimi_hooks.journal import deliveries
from kimi_hooks.journal.store import Journal
from kimi_hooks.standin.faults import Fault
from kimi_hooks.taken import NOTHING
from tests.commands.test_steer import NEWS, OTHER, TASK, accept, clean, state, told, write
from tests.house import House, until
from tests.test_limits import PRICES

REFUSED = Fault(kind="http", status=400, type="invalid_request_error", message="no")


def fail(house: House, task_id: str = TASK) -> None:
    """Let a task be asked once, and fail."""
    house.kimi.add(REFUSED)
    house.drop(f"{task_id}.md", "a")
    house.drain()
    assert house.result(task_id)["outcome"] == "failed"


def test_a_failed_task_is_run_again(house: House) -> None:
    """Same id, a new result, new news with another event id, and the bill of all its calls."""
    house.configure(NEWS)
    fail(house)
    done = house.call("retry", TASK)
    assert (done.returncode, done.stdout) == (0, f"{TASK}\n"), done.stderr
    assert "run --detach" in done.stderr
    assert (house.entry().state, house.pending()["pending"]) == ("available", [])
    house.drain()
    result = house.result(TASK)
    assert (result["outcome"], result["retried"], result["attempts"]) == ("done", 1, 1)
    assert [event["event_id"] for event in told(house)] == [f"{TASK}-TaskFailed", f"{TASK}-TaskCompleted-1"]
    assert [entry["status"] for entry in house.pending()["pending"]] == ["done"]
    assert house.latest()["retried"] == 1
    assert house.call("wait", TASK).returncode == 0
    clean(house.workspace)


def test_a_task_whose_answer_is_lost_is_run_again(house: House) -> None:
    """It was done, and somebody removed its result: `show` says so with the remedy, which works."""
    house.drop(f"{TASK}.md", "a")
    house.drain()
    house.workspace.result_file(TASK).unlink()
    shown = house.call("show", TASK)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert f"kimi-hooks --home {house.home} retry {TASK}" in shown.stderr
    assert house.call("retry", TASK).returncode == 0
    house.drain()
    assert (house.result(TASK)["outcome"], house.result(TASK)["retried"]) == ("done", 1)
    clean(house.workspace)


def test_the_bill_is_of_all_runs(house: House) -> None:
    """Tokens and cost of the result are those of every call, also of the runs before."""
    house.configure(kimi={"max_continuations": 0, "models": PRICES, "currency": "USD"})
    house.kimi.add(Fault(kind="answer", text="", finish_reason="length"))
    house.drop(f"{TASK}.md", "a")
    house.drain()
    first = house.result(TASK)
    assert first["outcome"] == "failed"
    assert first["tokens"]["total"]
    house.call("retry", TASK)
    house.drain()
    second = house.result(TASK)
    assert second["tokens"]["prompt"] == 2 * first["tokens"]["prompt"]
    assert second["cost"]["amount"] > first["cost"]["amount"]
    clean(house.workspace)


def test_the_result_of_the_run_before_ends_nothing(house: House) -> None:
    """Whatever dies between `retry` and the new result, the call is made; once it is there, no other one is."""
    fail(house)
    house.call("retry", TASK)
    child = house.start()
    house.wait(TASK)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert (house.result(TASK)["outcome"], len(house.kimi.requests)) == ("done", 2)
    house.undo_row(TASK)
    house.drain()
    assert (house.entry().outcome, len(house.kimi.requests)) == ("done", 2)
    clean(house.workspace)


def test_a_runner_that_dies_in_the_second_run_does_not_take_the_first_end_for_it(house: House) -> None:
    """Recovery finds a result of this id, and knows that it is of the run before."""
    fail(house)
    house.call("retry", TASK)
    house.kimi.add(Fault(kind="hang"))
    child = house.start()
    until(lambda: len(house.kimi.requests) == 2)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    house.drain()
    result = house.result(TASK)
    assert (result["outcome"], result["retried"], result["crashes"]) == ("done", 1, 1)
    assert len(house.kimi.requests) == 3
    clean(house.workspace)


def test_answers_of_the_run_before_are_not_taken_for_new_ones(house: House) -> None:
    """What lies in spool/turns/ from before belongs to no run that counts."""
    fail(house)
    kept = {**results.NO_TURN, "text": "old", "finish_reason": "stop", "took": vars(NOTHING), "whole": True}
    old = house.result(TASK)
    house.call("retry", TASK)
    turns.keep_turn(house.workspace.turns, TASK, 1, kept)
    turns.keep(house.workspace.turns, {**old, "outcome": "done", "error": None})
    house.drain()
    result = house.result(TASK)
    assert (result["outcome"], result["retried"]) == ("done", 1)
    assert "old" not in result["output"]
    clean(house.workspace)


def test_what_hooks_were_still_owed_is_given_up(house: House) -> None:
    """They are told of the new end, and the record says why not of the old one."""
    house.configure({"TaskFailed": [{"hooks": [{"id": "late", "command": "exit 1", "retries": 5}]}]},
                    retry={"first_pause": 3600, "max_pause": 3600})  # fmt: skip
    house.kimi.add(REFUSED)
    house.drop(f"{TASK}.md", "a")
    child = house.start()
    house.wait(TASK)
    until(lambda: len(house.runs()) == 1)
    assert house.call("retry", TASK).returncode == 0
    house.wait(TASK)
    house.call("stop")
    child.wait()
    assert [run.outcome for run in house.runs()] == ["retry", "gave_up"]
    assert "run again by a person" in house.runs()[-1].stderr
    assert house.read_journal(deliveries.counts) == {"gave_up": 1}
    clean(house.workspace)


def test_a_hook_that_ran_meanwhile_is_not_tried_again(house: House) -> None:
    """It fails after its task was opened again: nothing is left to be told of that run."""
    house.configure({"TaskFailed": [{"hooks": [
        {"id": "slow", "command": "touch runs; while [ ! -e go ]; do sleep 0.02; done; exit 1", "retries": 5}
    ]}]})  # fmt: skip
    house.kimi.add(REFUSED)
    house.drop(f"{TASK}.md", "a")
    child = house.start()
    until((house.home / "runs").exists)
    assert house.call("retry", TASK).returncode == 0
    (house.home / "go").touch()
    house.wait(TASK)
    until(lambda: len(house.runs()) == 2)
    house.call("stop")
    child.wait()
    house.drain()
    assert house.read_journal(deliveries.counts) == {"gave_up": 1}
    assert len(house.runs()) == 2


def test_no_number_of_an_ending_is_given_twice(house: House) -> None:
    """A runner that has listed the newest ending finds the next one, and lists each task once."""
    with house.running():
        house.kimi.add(REFUSED)
        house.drop(f"{TASK}.md", "a")
        house.wait(TASK)
        house.kimi.add(Fault(kind="hang"))
        assert house.call("retry", TASK).returncode == 0
        until(lambda: len(house.kimi.requests) == 2)
        until(lambda: house.pending()["pending"] == [])
        house.drop(f"{OTHER}.md", "b")
        house.wait(OTHER)
        until(lambda: [entry["task_id"] for entry in house.pending()["pending"]] == [OTHER])
        house.call("cancel", TASK)
        until(lambda: [entry["task_id"] for entry in house.pending()["pending"]] == [TASK, OTHER])
    clean(house.workspace)


def test_a_cancelled_task_is_run_again(house: House) -> None:
    """Its time is now, whatever it had to wait for."""
    accept(house)
    house.call("cancel", TASK)
    assert house.call("retry", TASK, "--json").returncode == 0
    house.drain()
    assert house.result(TASK)["outcome"] == "done"
    clean(house.workspace)


def test_its_gates_are_asked_again(house: House) -> None:
    """About the new run, under new event ids."""
    script = "#!/bin/sh\necho $KIMI_EVENT_ID >> asked\n[ -e now ] || { echo no >&2; exit 2; }\n"
    (house.workspace.hooks / "gate.sh").write_text(script)
    (house.workspace.hooks / "gate.sh").chmod(0o755)
    gates = ("TaskCreated", "UserPromptSubmit", "Stop")
    house.configure({event: [{"hooks": [{"id": "gate", "command": "hooks/gate.sh"}]}] for event in gates})
    house.drop(f"{TASK}.md", "a")
    house.drain()
    assert house.result(TASK)["error"]["kind"] == "blocked"
    (house.home / "now").touch()
    house.call("retry", TASK)
    assert state(house) == ("held", "gate")
    house.drain()
    assert house.result(TASK)["outcome"] == "done"
    asked = (house.home / "asked").read_text().split()
    assert asked == [f"{TASK}-{event}" for event in ("TaskCreated", "TaskCreated-1", "UserPromptSubmit-1", "Stop-1-1")]
    clean(house.workspace)


def test_every_failed_task_at_once(house: House) -> None:
    """Those that can be are run again, the others are told with the reason; what is done stays as it is."""
    fail(house)
    house.drop(f"{OTHER}.md", "b")
    house.drop("bad.json", "{}")
    house.drain()
    done = house.call("retry", "--failed")
    assert (done.returncode, done.stdout) == (0, f"{TASK}\n")
    assert "kimi-hooks: 1 of 2 failed are left out (a refused file):\n" in done.stderr
    assert "cancelled" not in done.stderr
    assert "was refused as it is written; mend " in done.stderr
    assert "bad.json" in done.stderr
    house.drain()
    done = house.call("retry", "--failed")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no task has failed that can be run again" in done.stderr


def test_cancelled_tasks_are_not_among_the_failed(house: House) -> None:
    """`--failed` leaves them as they are, and says how many there are."""
    accept(house)
    house.call("cancel", TASK)
    done = house.call("retry", "--failed")
    assert (done.returncode, done.stdout, state(house)[0]) == (0, "", "cancelled")
    assert "1 task was cancelled, and not failed: to run one again, name it" in done.stderr


def test_what_cannot_be_run_again_says_why(house: House) -> None:
    """With what helps; nothing is changed then, and no file is left."""
    fail(house)
    house.drop(f"{OTHER}.md", "b")
    house.drain()
    done = house.call("retry", TASK, OTHER)
    assert done.returncode == 1
    assert f"{OTHER} has an answer; to ask again, dispatch it anew" in done.stderr
    assert (state(house), list(house.workspace.accepted.iterdir())) == (("failed", None), [])


def test_a_task_that_waits_for_another_try_is_tried_now(house: House) -> None:
    """Nothing of it is forgotten."""
    house.configure(retry={"first_pause": 3600, "max_pause": 3600})
    house.kimi.add(Fault(kind="http", status=500))
    house.drop(f"{TASK}.md", "a")
    child = house.start()
    until(lambda: bool(house.entries()) and state(house)[0] == "retryable")
    assert house.call("retry", TASK).returncode == 0
    house.wait(TASK)
    house.call("stop")
    child.wait()
    assert (house.result(TASK)["attempts"], house.result(TASK)["retried"]) == (2, 0)
    clean(house.workspace)


def test_the_file_of_an_open_task_is_there_again(house: House) -> None:
    """Without the journal, only it would tell of the task; with its end it goes."""
    fail(house)
    house.call("retry", TASK)
    (file,) = house.workspace.accepted.iterdir()
    assert json.loads(file.read_text())["prompt"] == "a"
    house.drain()
    assert list(house.workspace.accepted.iterdir()) == []


def test_a_verb_that_dies_before_its_transaction_changes_nothing(house: House) -> None:
    """The file that it wrote is removed by the next start."""
    fail(house)
    (house.workspace.accepted / f"{TASK}__again-1.json").write_text('{"prompt": "a"}')
    house.drain()
    assert (state(house), list(house.workspace.accepted.iterdir())) == (("failed", None), [])
    assert len(house.kimi.requests) == 1


def test_a_task_that_ended_again_meanwhile_is_not_run_a_third_time(house: House) -> None:
    """Said twice at once, it is run once: the other one was meant for an end that counts no more."""
    fail(house)

    def be_late(reached: Point) -> None:
        if reached is Point.AGAIN_WRITTEN:
            crash_points.listen(None)
            house.kimi.add(REFUSED)
            house.call("retry", TASK)
            house.drain()

    crash_points.listen(be_late)
    try:
        words = ["--home", str(house.home), "retry", TASK]
        told = CliRunner().invoke(cli.group, words, obj=Home(), env=house.environ, standalone_mode=False)
    finally:
        crash_points.listen(None)
    assert isinstance(told.exception, SteeringError), told.output
    assert "has just changed" in str(told.exception)
    assert (house.entry().retried, list(house.workspace.accepted.iterdir())) == (1, [])
    clean(house.workspace)


def test_the_file_outlives_a_runner_that_starts_meanwhile(house: House) -> None:
    """That removes files of tasks that have ended; the one of the task that is open again is written once more."""
    fail(house)

    def start(reached: Point) -> None:
        if reached is Point.AGAIN_WRITTEN:
            crash_points.listen(None)
            house.drain()

    crash_points.listen(start)
    try:
        words = ["--home", str(house.home), "retry", TASK]
        told = CliRunner().invoke(cli.group, words, obj=Home(), env=house.environ, standalone_mode=False)
    finally:
        crash_points.listen(None)
    assert told.exception is None
    (file,) = house.workspace.accepted.iterdir()
    assert (file.name, json.loads(file.read_text())["prompt"]) == (f"{TASK}__again-1.json", "a")
    house.drain()
    clean(house.workspace)


def test_replayed_news_of_an_earlier_run_is_not_told_of_another_end(house: House) -> None:
    """Its result is gone: the hook is not handed the new one under the old name."""
    house.configure(NEWS)
    fail(house)
    house.call("retry", TASK)
    house.drain()
    (first, _) = house.runs()
    assert house.call("hooks", "replay", str(first.run)).returncode == 0
    house.drain()
    assert len(told(house)) == 2
    assert "was run again since" in house.runs()[-1].stderr


@pytest.mark.parametrize("on_unknown", ["retry", "hold"])
def test_a_call_whose_answer_is_lost(house: House, on_unknown: str) -> None:
    """It is sent again, or held for a person who decides; the result counts it either way."""
    house.configure(retry={"on_unknown": on_unknown}, kimi={"models": PRICES, "currency": "USD"})
    house.kimi.add(Fault(kind="hang"))
    house.drop(f"{TASK}.md", "a")
    child = house.start()
    until(lambda: len(house.kimi.requests) == 1)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    house.drain()
    if on_unknown == "hold":
        assert (state(house), len(house.kimi.requests)) == (("held", "unknown"), 1)
        house.drain()
        assert state(house) == ("held", "unknown")
        assert f"release {TASK}" in house.call("show", TASK).stdout
        assert "release" in house.call("status").stdout
        house.call("hold", TASK)
        house.call("release", TASK)
        house.drain()
    result = house.result(TASK)
    assert (result["outcome"], result["crashes"], result["cost"]["unknown_calls"]) == ("done", 1, 1)
    assert any("may have been paid" in warning for warning in result["warnings"])
    clean(house.workspace)


def test_lost_answers_are_told_once(house: House) -> None:
    """One notification for each start names all tasks, and what a person can do."""
    house.configure(
        {"Notification": [{"matcher": "answer_unknown", "hooks": [{"id": "told", "command": "cat >> told.txt; echo >> told.txt"}]}]},
        retry={"on_unknown": "hold"},
    )  # fmt: skip
    house.kimi.add(Fault(kind="hang", times=2))
    house.drop(f"{TASK}.md", "a")
    house.drop(f"{OTHER}.md", "b")
    child = house.start()
    until(lambda: len(house.kimi.requests) == 2)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    house.drain()
    house.drain()
    (news,) = told(house)
    assert sorted(news["detail"]["task_ids"]) == [TASK, OTHER]
    assert news["detail"]["count"] == 2
    assert "kimi-hooks release" in news["message"]
    house.call("cancel", TASK)
    house.call("release", OTHER)
    house.drain()
    assert (house.result(TASK)["outcome"], house.result(OTHER)["outcome"]) == ("cancelled", "done")
    clean(house.workspace)


def test_the_imitation_is_asked_again_anyway(house: House) -> None:
    """It costs nothing: nobody has to decide."""
    house.configure(retry={"on_unknown": "hold"})
    accept(house, OTHER, standin=True)
    write(house, f"UPDATE tasks SET state = 'executing', attempts = 1, due_at = 0 WHERE id = '{OTHER}'")
    house.drain()
    assert house.result(OTHER)["outcome"] == "done"


def test_a_journal_of_the_version_before_is_steered_too(house: House) -> None:
    """Rows that know nothing of retries or of what their last call took are run again."""
    fail(house)
    write(house, "UPDATE tasks SET last_call = NULL, file = NULL")
    journal = Journal(house.workspace.journal_file)
    journal.close()
    with sqlite3.connect(house.workspace.journal_file) as db:
        assert db.execute("SELECT retried FROM tasks").fetchone() == (0,)
    house.call("retry", TASK)
    house.drain()
    assert house.result(TASK)["outcome"] == "done"


def test_the_log_says_what_a_person_did(house: House) -> None:
    """One line for each task that was held, released, cancelled or run again; none where nothing was changed."""
    accept(house)
    for verb in ("hold", "hold", "release", "cancel", "retry", "cancel", "retry"):
        assert house.call(verb, TASK).returncode == 0
    done = [line.split(f"{TASK} ", 1)[1] for line in house.log.splitlines() if " INFO " in line and TASK in line]
    assert [line for line in done if "person" in line and not line.startswith("cancelled")] == [
        "held by a person",
        "released by a person",
        "to be cancelled, by a person",
        "run again by a person (run 2)",
        "to be cancelled, by a person",
        "run again by a person (run 3)",
    ]


def test_the_log_says_that_the_last_runner_was_killed(house: House) -> None:
    """At the start, with why its call is made again; nothing of the kind after one that was stopped."""
    house.kimi.add(Fault(kind="hang"))
    child = house.start()
    house.drop(f"{TASK}.md", "a")
    until(lambda: bool(house.kimi.requests))
    child.kill()
    child.wait()
    house.start()
    house.wait(TASK)
    told = f"the last runner (process {child.pid}) did not stop by itself: "
    assert house.log.count(told) == 1
    assert f"{TASK} retryable crashes=1 why=a call was cut when the runner died" in house.log
    house.call("stop")
    house.start()
    house.call("stop")
    assert house.log.count("did not stop by itself") == 1
