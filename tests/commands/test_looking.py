"""`status`, `show`, `wait`, `ack`: what is there, for people and for scripts."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from pathlib import Path

import pytest

from kimi_hooks import waiting
from kimi_hooks.clock import Clock
from kimi_hooks.journal import facts, sends
from kimi_hooks.journal.facts import Pause, Slowed
from kimi_hooks.journal.sends import Send
from kimi_hooks.journal.store import Journal
from kimi_hooks.standin.faults import Fault
from tests.house import PROGRAM, House, until


def test_status_of_a_fresh_workspace(house: House) -> None:
    """Nothing has run: a stopped runner and zeros; looking makes nothing."""
    status = json.loads(house.call("status", "--json").stdout)
    assert status["runner"] == {"state": "stopped", "pid": None, "stopping": False}
    assert status["paused"] is None
    assert set(status["tasks"].values()) == {0}
    assert not house.workspace.journal_file.exists()


def test_status_of_a_running_runner(house: House) -> None:
    """The process id, and each task in its state."""
    house.drop("later.json", {"prompt": "x", "name": "later", "not_before": "2999-01-01T00:00:00Z"})
    house.drop("held.json", {"prompt": "x", "name": "held", "after": "nobody"})
    child = house.start()
    status = json.loads(house.call("status", "--json").stdout)
    assert status["runner"] == {"state": "running", "pid": child.pid, "stopping": False}
    assert (status["tasks"]["available"], status["tasks"]["held"]) == (1, 1)
    text = house.call("status").stdout
    assert str(child.pid) in text
    assert "later" in text
    assert "held (after)" in text


def test_status_counts_what_no_runner_has_taken(house: House) -> None:
    """Files in the outbox are `dropped`."""
    house.drop("a.md", "a")
    assert json.loads(house.call("status", "--json").stdout)["tasks"]["dropped"] == 1


def test_status_tells_a_pause_and_its_remedy(house: House) -> None:
    """By a person, and for want of a key."""
    house.call("pause")
    assert json.loads(house.call("status", "--json").stdout)["paused"] == "person"
    assert " resume\n" in house.call("status").stdout
    house.call("resume")
    house.start(KIMI_API_KEY="")
    assert json.loads(house.call("status", "--json").stdout)["paused"] == "no_key"
    assert "KIMI_API_KEY" in house.call("status").stdout


def test_a_pause_holds_tasks_back_until_resume(house: House) -> None:
    """What is dropped meanwhile is accepted and waits."""
    house.call("pause")
    house.drop("kimi-1700000000-aaaaaaaa.md", "a")
    with house.running():
        assert house.entry().state == "available"
        house.call("resume")
        house.wait("kimi-1700000000-aaaaaaaa")
    assert house.prompts() == ["a"]


def test_show_a_result(house: House) -> None:
    """The answer on stdout, the rest on stderr; --json is the result file."""
    house.drop("a.md", "a")
    house.drain()
    task_id = house.entry().id
    shown = house.call("show", task_id)
    assert shown.stdout.strip() == house.result()["output"]
    assert "done" in shown.stderr
    assert json.loads(house.call("show", task_id, "--json").stdout) == house.result()


def test_show_a_task_that_waits(house: House) -> None:
    """Before its file is taken it is `dropped`; after that, its state."""
    task_id = house.call("dispatch", "-p", "x", "--not-before", "2999-01-01").stdout.strip()
    assert json.loads(house.call("show", task_id, "--json").stdout) == {"task_id": task_id, "state": "dropped"}
    house.drain()
    assert json.loads(house.call("show", task_id, "--json").stdout)["state"] == "available"
    assert "available" in house.call("show", task_id).stdout


@pytest.mark.parametrize("task_id", ["kimi-1-nothing0", "../../etc/passwd", "*", "", "kimi-1-aaaaaaaa\n"])
def test_an_unknown_id_is_told(house: House, task_id: str) -> None:
    """Whatever it looks like, it leads nowhere else."""
    for verb in ("show", "wait"):
        finished = house.call(verb, task_id)
        assert finished.returncode == 1
        assert "no such task" in finished.stderr


def test_an_answer_cannot_steer_the_terminal(house: House) -> None:
    """Escape sequences of Kimi's are not passed on."""
    house.kimi.add(Fault(text="safe \x1b]0;title\x07 \x9b31m text"))
    house.drop("a.md", "a")
    house.drain()
    shown = house.call("show", house.entry().id).stdout
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert "safe" in shown


def test_wait_returns_0_when_all_are_done_and_1_when_one_is_not(house: House) -> None:
    """Several ids; each with its outcome on a line."""
    house.drop("kimi-1700000000-aaaaaaaa.md", "a")
    house.drop("kimi-1700000000-bbbbbbbb.md", " ")
    house.drain()
    assert house.call("wait", "kimi-1700000000-aaaaaaaa").returncode == 0
    both = house.call("wait", "kimi-1700000000-aaaaaaaa", "kimi-1700000000-bbbbbbbb")
    assert both.returncode == 1
    assert both.stdout == "kimi-1700000000-aaaaaaaa done\nkimi-1700000000-bbbbbbbb failed\n"


def test_wait_times_out_with_124(house: House) -> None:
    """A task that nobody takes does not hold a script for ever."""
    task_id = house.call("dispatch", "-p", "x").stdout.strip()
    finished = house.call("wait", task_id, "--timeout", "0.1")
    assert finished.returncode == 124
    assert task_id in finished.stderr


def test_wait_begins_before_the_runner_does(house: House) -> None:
    """Waiting for a dropped task works when the runner is started only later."""
    task_id = house.call("dispatch", "-p", "x").stdout.strip()
    codes: list[int] = []
    waiter = threading.Thread(target=lambda: codes.append(house.call("wait", task_id).returncode))
    waiter.start()
    house.start()
    waiter.join(30)
    assert codes == [0]


def test_a_broken_config_is_told_with_place_and_remedy(house: House) -> None:
    """All the mistakes at once, exit code 1."""
    house.configure({"TaskCompletd": []}, limts={}, retry={"max_attempts": 0})
    for verb in (["hooks", "check"], ["run"], ["run", "--detach"], ["dispatch", "-p", "x"]):
        finished = house.call(*verb)
        assert finished.returncode == 1
        assert "did you mean 'limits'?" in finished.stderr
        assert "retry.max_attempts" in finished.stderr
        assert "config.yaml" in finished.stderr


def test_status_says_where_a_given_up_hook_is_told(house: House) -> None:
    """Only when one has given up."""
    house.hook("#!/bin/sh\nexit 0\n")
    house.drop("a.md", "a")
    house.drain()
    assert "hooks      1 delivered\n" in house.call("status").stdout
    house.hook("#!/bin/sh\necho no >&2\nexit 2\n")
    house.drop("b.md", "b")
    house.drain()
    (line,) = [line for line in house.call("status").stdout.splitlines() if line.startswith("hooks ")]
    said = f"{PROGRAM} --home {house.home} hooks"
    assert line == (
        f"hooks      1 delivered, 1 gave_up; see why: {said} runs --failed; have it told again: {said} replay --failed"
    )
    assert f"have the news told again with: {said} replay --failed\n" in house.call("hooks", "runs", "--failed").stderr
    assert house.call("hooks", "runs").stderr == ""


def test_a_persons_pause_is_told_in_plain_words(house: House) -> None:
    """With the verb that made it and the one that ends it, on both ways of looking."""
    house.call("pause")
    resume = f"{PROGRAM} --home {house.home} resume"
    assert f"paused     with `kimi-hooks pause`; go on with: {resume}\n" in house.call("status").stdout
    told = house.call("dispatch", "-p", "x").stderr
    assert f"kimi-hooks: the queue was paused with `kimi-hooks pause`; go on with: {resume}\n" in told
    assert "person:" not in told


def test_an_open_task_cannot_be_acknowledged(house: House) -> None:
    """The way to wait for it is told with its id, whether a runner has taken it or not."""
    task_id = house.call("dispatch", "-p", "x", "--not-before", "2999-01-01").stdout.strip()
    wait = f"wait for it first: {PROGRAM} --home {house.home} wait {task_id}\n"
    for state in ("dropped", "available"):
        refused = house.call("ack", task_id)
        assert refused.returncode == 1
        assert refused.stderr == f"kimi-hooks: {task_id} has not ended (it is {state}); {wait}"
        house.drain()


def test_a_pause_is_told_with_its_reason_wherever_one_looks(house: House) -> None:
    """A refused key: status, show, dispatch and a waiting wait say why, and how it goes on."""
    house.kimi.add(Fault("http", status=401, type="invalid_authentication_error", times=9))
    house.start()
    task_id = house.call("dispatch", "-p", "x").stdout.strip()
    until(lambda: house.read_journal(facts.paused) is not None)
    told = [
        house.call("wait", task_id, "--timeout", "0.1").stderr,
        house.call("status").stdout,
        house.call("show", task_id).stderr,
        house.call("dispatch", "-p", "y").stderr,
    ]
    for text in told:
        assert "authentication_failed" in text
        assert "KIMI_API_URL" in text
        assert "it goes on when key or address change, or with: " in text
        assert " resume\n" in text
    assert "last error" in house.call("show", task_id).stdout


def test_a_changed_key_ends_the_pause_for_the_refused_one(house: House) -> None:
    """Mending .env.kimi is enough; a person's pause is not ended by it."""
    house.environ.pop("KIMI_API_KEY")
    house.workspace.secrets_file.write_text("KIMI_API_KEY=sk-wrong-key\n")
    house.drop("kimi-1700000000-aaaaaaaa.md", "x")
    with house.running():
        until(lambda: house.read_journal(facts.paused) == "authentication_failed")
        house.workspace.secrets_file.write_text("KIMI_API_KEY=sk-test-key-of-nobody\n")
        house.wait("kimi-1700000000-aaaaaaaa")
        house.call("pause")
        house.workspace.secrets_file.write_text("KIMI_API_KEY=sk-another-key\n")
        house.drop("b.md", "b")
        until(lambda: len(house.entries()) == 2)
    assert house.read_journal(facts.paused) == "person"


def test_status_tells_whom_the_runner_asks(house: House) -> None:
    """Address, model, and where the key comes from; never the key."""
    house.start()
    kimi = json.loads(house.call("status", "--json").stdout)["kimi"]
    assert kimi == f"{house.kimi.url}, kimi-k3, key from environment"


def test_status_tells_when_the_limit_holds_tasks_back(house: House) -> None:
    """The rest of the minute is no riddle."""
    house.configure(limits={"requests_per_minute": 1})
    house.drop("1.md", "x")
    house.drop("2.md", "x")
    house.start()
    until(lambda: len(house.kimi.requests) == 1)
    assert "requests_per_minute is used up" in house.call("status").stdout
    assert json.loads(house.call("status", "--json").stdout)["next_call_at"]


def test_a_shell_with_another_key_is_told_so(house: House) -> None:
    """The runner goes on with its own; a job must not go out on the wrong account unseen."""
    house.start()
    finished = house.call("dispatch", "-p", "x", KIMI_API_KEY="sk-another-account")
    assert "which is not what is set here" in finished.stderr
    assert "sk-another-account" not in finished.stderr
    assert "not what is set" not in house.call("dispatch", "-p", "x").stderr


def test_a_broken_config_does_not_keep_anybody_from_looking_or_stopping(house: House) -> None:
    """A runner at work goes on with what it has read; status shows the mistake, stop stops."""
    house.start()
    house.workspace.config_file.write_text("workspace: 1\nlimts: {}\n")
    assert "did you mean 'limits'?" in house.call("status").stdout
    assert json.loads(house.call("status", "--json").stdout)["runner"]["state"] == "running"
    assert house.call("stop").stdout.startswith("stopped")


def test_a_config_without_its_mark_is_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the workspace was looked for, and what this folder lacks."""
    house.workspace.config_file.write_text("hooks: {}\n")
    monkeypatch.chdir(house.home)
    finished = subprocess.run([PROGRAM, "status"], capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert "lacks the line `workspace: 1`" in finished.stderr


def test_a_missing_workspace_is_told_with_the_way_to_make_it(tmp_path: Path) -> None:
    """`init` with the folder that is meant; for the default one also how to name another."""
    elsewhere = tmp_path / "no where"
    elsewhere.mkdir()
    named = subprocess.run([PROGRAM, "--home", str(elsewhere), "status"], capture_output=True, text=True, check=False)
    assert named.stderr.endswith(f" lay one out with: kimi-hooks init '{elsewhere}'\n")
    unnamed = subprocess.run([PROGRAM, "status"], cwd=elsewhere, capture_output=True, text=True, check=False)
    default = Path.home() / ".openclaw" / "workspace" / "kimi-dispatch"
    end = f" lay one out with: kimi-hooks init {default}; or cd into your workspace, or name it with --home\n"
    assert unnamed.stderr.endswith(end)
    assert named.returncode == unnamed.returncode == 1


def test_a_pause_is_told_to_who_waited_before_the_file_was_taken(house: House) -> None:
    """A task that was only dropped when the waiting began is no exception."""
    house.call("pause")
    house.drop("kimi-1700000000-aaaaaaaa.md", "x")
    told: list[facts.Pause] = []
    waiter = threading.Thread(
        target=lambda: waiting.wait(house.workspace, ["kimi-1700000000-aaaaaaaa"], 30, Clock(), told.append)
    )
    waiter.start()
    with house.running():
        until(lambda: bool(told))
        house.call("resume")
        waiter.join(30)
    assert [pause.reason for pause in told] == ["person"]
    assert not waiter.is_alive()


USED_UP, PATIENCE = "requests_per_minute is used up", "Kimi has asked for patience"


def hold(house: House, *, sent: float | None = None, slowed_until: float | None = None) -> None:
    """Write down a call that left at an instant, and until when Kimi wants to be left alone."""
    journal = Journal(house.workspace.journal_file)
    if sent is not None:
        journal.write(lambda db: sends.record(db, [Send("kimi-1700000000-zzzzzzzz")], sent))
    if slowed_until is not None:
        journal.write(lambda db: facts.slow(db, Slowed(slowed_until, Clock().now())))
    journal.close()


@pytest.mark.parametrize(("seconds", "why"), [(5, USED_UP), (900, PATIENCE)])
def test_status_names_the_limit_that_holds_longest(house: House, seconds: float, why: str) -> None:
    """Where two of them hold the next call, the one that lets it go last is the reason."""
    house.configure(limits={"requests_per_minute": 1})
    house.call("pause")
    house.drop("1.md", "x")
    house.drain()
    house.call("resume")
    now = Clock().now()
    hold(house, sent=now, slowed_until=now + seconds)
    (line,) = [line for line in house.call("status").stdout.splitlines() if line.startswith("limit ")]
    assert line.startswith(f"limit      {why}: the next call may leave in ")


def test_a_pause_that_does_not_concern_the_imitation_is_not_told(house: House) -> None:
    """Tasks for it are answered all the same; a person's pause holds them, too."""
    journal = Journal(house.workspace.journal_file)
    journal.write(lambda db: facts.pause(db, Pause("billing_error", "no money")))
    journal.close()
    given = house.call("dispatch", "-p", "x", "--standin")
    assert "paused" not in given.stderr
    assert "paused" in house.call("dispatch", "-p", "x").stderr
    house.drain()
    assert house.result(given.stdout.strip())["outcome"] == "done"
    later = house.call("dispatch", "-p", "x", "--standin", "--not-before", "2999-01-01").stdout.strip()
    house.drain()
    assert "paused" not in house.call("show", later).stderr
    house.call("resume")
    house.call("pause")
    assert "was paused" in house.call("dispatch", "-p", "x", "--standin").stderr
    assert "was paused" in house.call("show", later).stderr


def waiting_dispatch(house: House, *options: str) -> subprocess.Popen[str]:
    """Start a `dispatch --wait` that will have to wait."""
    return subprocess.Popen(
        [PROGRAM, "--home", str(house.home), "dispatch", "-p", "x", "--wait", *options],
        env=house.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_waiting_dispatch_tells_a_pause_once(house: House) -> None:
    """One pause, one line, though two look for it: before the task is taken, and while it waits."""
    house.call("pause")
    house.start()
    with waiting_dispatch(house) as child:
        until(lambda: len(house.entries()) == 1)
        assert child.stdout is not None
        assert child.stdout.readline().startswith("kimi-")
        assert child.stderr is not None
        assert "was paused" in child.stderr.readline()
        house.call("resume")
        assert "paused" not in child.communicate(timeout=60)[1]
    assert child.returncode == 0


def test_a_waiting_dispatch_tells_when_the_next_call_may_leave(house: House) -> None:
    """Nobody need guess why a minute passes in silence; the imitation is not held, and what comes soon is not told."""
    house.configure(limits={"requests_per_minute": 1})
    hold(house, sent=Clock().now())
    house.start()
    with waiting_dispatch(house) as child:
        assert child.stderr is not None
        told = child.stderr.readline()
        child.kill()
    assert re.fullmatch(rf"kimi-hooks: the task waits: {USED_UP}: the next call may leave in \d+ s\n", told)
    assert "may leave" not in house.call("dispatch", "-p", "x", "--wait", "--standin").stderr


def test_a_waiting_dispatch_does_not_tell_what_is_soon_over(house: House) -> None:
    """A second or two is no news."""
    now = Clock().now()
    hold(house, slowed_until=now + 1.5)
    house.start()
    assert "may leave" not in house.call("dispatch", "-p", "x", "--wait").stderr
