"""`run`, `stop`, `standin`: the runner in the foreground, in the background, and once through."""

from __future__ import annotations

import json
import subprocess
import urllib.request

import pytest

from tests.house import PROGRAM, House, until


def test_drain_exits_0_when_all_is_done_and_1_when_a_task_failed(house: House) -> None:
    """For scripts and cron-free batches: finish what is there and say how it went."""
    house.drop("good.md", "x")
    assert house.call("run", "--drain").returncode == 0
    house.drop("bad.md", " ")
    assert house.call("run", "--drain").returncode == 1
    assert house.call("run", "--drain").returncode == 0


def test_detach_returns_when_the_runner_is_ready(house: House) -> None:
    """At once after it, status says running; stop ends it."""
    finished = house.call("run", "--detach")
    try:
        assert finished.returncode == 0, finished.stderr
        assert json.loads(house.call("status", "--json").stdout)["runner"]["state"] == "running"
        second = house.call("run", "--detach")
        assert second.returncode == 1
        assert "works here already" in second.stderr
    finally:
        stopped = house.call("stop")
    assert stopped.returncode == 0
    assert json.loads(house.call("status", "--json").stdout)["runner"]["state"] == "stopped"
    assert house.call("stop").stdout == f"no runner was at work in {house.home}\n"


def test_a_file_in_the_workspace_is_no_module_of_the_runner(house: House) -> None:
    """Agents write files there; none is executed for its name."""
    for name in ("json", "socket", "kimi_hooks", "click"):
        (house.home / f"{name}.py").write_text("import pathlib; pathlib.Path('executed').touch()\n")
    house.hook("#!/bin/sh\ntouch told\n")
    house.drop("a.md", "a")
    assert house.call("run", "--detach").returncode == 0
    until((house.home / "told").exists)
    assert house.call("stop").returncode == 0
    assert not (house.home / "executed").exists()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_runner_may_be_started_without_outputs(house: House, closed: str) -> None:
    """By a program that has closed them; the log file tells all the same."""
    house.hook("#!/bin/sh\ntouch told\n")
    house.drop("a.md", "a")
    line = f'"{PROGRAM}" --home "{house.home}" run --drain {closed}'
    assert subprocess.run(["sh", "-c", line], env=house.environ, check=False).returncode == 0
    assert (house.home / "told").exists()
    assert "runner stopped" in house.log


def test_detach_tells_why_the_runner_did_not_start(house: House) -> None:
    """A runner that dies at once takes its reason to the terminal."""
    house.workspace.journal_file.parent.mkdir(exist_ok=True)
    house.workspace.journal_file.write_bytes(b"this is no database, and it is long enough to tell" * 50)
    finished = house.call("run", "--detach")
    assert finished.returncode == 1
    assert "journal" in finished.stderr


def test_the_log_has_one_line_for_each_transition(house: House) -> None:
    """On the console and in the file: accepted, executing, completed, delivered; no key."""
    house.hook("#!/bin/sh\nexit 0\n")
    house.drop("kimi-1700000000-aaaaaaaa.md", "x")
    finished = house.call("run", "--drain")
    words = ("available", "executing", "completed", "delivered")
    for text in (finished.stderr, house.log):
        lines = [line for line in text.splitlines() if "kimi-1700000000-aaaaaaaa" in line]
        assert [word for line in lines for word in words if f" {word}" in line] == list(words)
        assert "sk-test" not in text


def test_the_imitation_says_what_it_is(house: House) -> None:
    """`standin` serves on loopback until it is stopped, and writes a journal of what it was asked."""
    journal = house.home / "requests.jsonl"
    command = [PROGRAM, "standin", "--port", "0", "--latency-ms", "1", "--chunk-ms", "1", "--journal", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=house.environ) as child:
        assert child.stdout is not None
        line = child.stdout.readline().decode()
        assert "not Kimi" in line
        url = line.split()[-1]
        body = {"model": "kimi-k3", "messages": [{"role": "user", "content": "hello"}]}
        request = urllib.request.Request(
            f"{url}/chat/completions", json.dumps(body).encode(), {"Authorization": "Bearer any-key"}
        )
        with urllib.request.urlopen(request, timeout=20) as reply:
            answer = json.load(reply)
        assert "not Kimi" in answer["choices"][0]["message"]["content"]
        child.terminate()
        assert child.wait(20) == 0
    assert "hello" in journal.read_text()
    assert "any-key" not in journal.read_text()


def test_verbs_are_listed_and_unknown_ones_refused(house: House) -> None:
    """--help names every verb; a typo is wrong usage."""
    text = house.call("--help").stdout
    for verb in (
        "init",
        "dispatch",
        "run",
        "stop",
        "status",
        "show",
        "wait",
        "ack",
        "pause",
        "resume",
        "hooks",
        "standin",
    ):
        assert f"  {verb} " in text
    assert house.call("dispatc").returncode == 2
