"""A disk that does not take what we write: it is said, nothing is lost or paid twice, and it goes on by itself."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess

import pytest

from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome, State
from tests.house import PROGRAM, House, until
from tests.trouble.places import ID, fill, limit, namespace, seen_by, told, until_told

LONG = 3_000_000
SHORT_FILES = 1_000_000


def _answer_that_cannot_be_written(house: House) -> int:
    """Let an answer arrive that is longer than any file may be; return the runner's process id."""
    house.kimi.add(Fault(size=LONG, no_cap=True))
    child = house.start()
    limit(child.pid, resource.RLIMIT_FSIZE, SHORT_FILES)
    house.drop(f"{ID}.md", "long")
    until_told(house, "kept in memory")
    return child.pid


def test_an_answer_that_was_paid_for_outlives_a_full_disk(house: House) -> None:
    """It stays in memory while neither results/ nor spool/ take it, and is not asked for again."""
    pid = _answer_that_cannot_be_written(house)
    limit(pid, resource.RLIMIT_FSIZE, None)
    (entry,) = house.wait(ID)
    assert (entry.outcome, entry.attempts, entry.crashes) == (Outcome.DONE, 1, 0)
    assert len(house.result()["output"]) >= LONG
    assert len(house.kimi.requests) == 1
    assert told(house, "kept in memory") == 1
    assert told(house, "put away now") == 1


def test_no_money_is_spent_while_an_answer_cannot_be_written(house: House) -> None:
    """New tasks are accepted, and sent when the answer is on the disk."""
    pid = _answer_that_cannot_be_written(house)
    house.drop("kimi-1700000000-bbbbbbbb.md", "short")
    until(lambda: len(house.entries()) == 2)
    until(lambda: house.entries()[1].state is State.AVAILABLE)
    assert len(house.kimi.requests) == 1
    limit(pid, resource.RLIMIT_FSIZE, None)
    entries = house.wait(ID, "kimi-1700000000-bbbbbbbb")
    assert [entry.outcome for entry in entries] == [Outcome.DONE, Outcome.DONE]
    assert len(house.kimi.requests) == 2


def test_status_tells_of_an_answer_in_memory(house: House) -> None:
    """In `trouble`, with the number, the cause and the remedy, as long as it is so; the log tells of the end once."""
    pid = _answer_that_cannot_be_written(house)
    until(lambda: _trouble(house) is not None)
    trouble = str(_trouble(house))
    assert "1 answer is kept in memory only" in trouble
    assert "raise the limit" in trouble
    house.drop("kimi-1700000000-bbbbbbbb.md", "short")
    limit(pid, resource.RLIMIT_FSIZE, None)
    house.wait(ID, "kimi-1700000000-bbbbbbbb")
    until(lambda: _trouble(house) is None)
    assert told(house, "put away now") == 1


def test_status_tells_of_an_answer_that_results_does_not_take(house: House) -> None:
    """It is kept on our own disk meanwhile: `trouble` names the place and what helps, until it is over."""
    house.kimi.add(Fault(latency=0.7))
    child = house.start(within=namespace(f"mount -t tmpfs -o size=64k x {house.workspace.results}"))
    filling = fill(seen_by(child.pid, house.workspace.results))
    house.drop(f"{ID}.md", "x")
    until(lambda: "1 answer is kept in spool/turns/" in str(_trouble(house)))
    assert "make room" in str(_trouble(house))
    filling.unlink()
    until(lambda: _trouble(house) is None)


def _trouble(house: House) -> object:
    return json.loads(house.call("status", "--json").stdout)["trouble"]


@pytest.mark.parametrize("words", [[], ["--now"]])
def test_stop_tells_of_answers_that_went_with_the_runner(house: House, words: list[str]) -> None:
    """Exit code 1, with how many and what becomes of their tasks; the result does not speak of a death only."""
    house.configure(grace_seconds=0.5)
    _answer_that_cannot_be_written(house)
    until(lambda: _trouble(house) is not None)
    stopped = house.call("stop", *words)
    assert stopped.returncode == 1
    assert "could not be written: 1; their tasks are asked again at the next start" in stopped.stderr
    assert words or "the runner waits, up to its grace time: 1 answer is kept in memory" in stopped.stderr
    assert house.call("stop").returncode == 0
    house.kimi.add(Fault(text="short"))
    house.drain()
    assert any("before the runner was stopped" in warning for warning in house.result(ID)["warnings"])


def test_an_answer_in_memory_is_written_before_a_runner_leaves(house: House) -> None:
    """Within the grace time; that it went with the process is said where it did."""
    house.configure(grace_seconds=20)
    pid = _answer_that_cannot_be_written(house)
    os.kill(pid, signal.SIGTERM)
    limit(pid, resource.RLIMIT_FSIZE, None)
    house.call("stop")
    assert house.result(ID)["outcome"] == "done"
    assert told(house, "could not be written anywhere") == 0


def test_only_a_kill_costs_an_answer_in_memory(house: House) -> None:
    """Then it is asked for again, and the result says so."""
    pid = _answer_that_cannot_be_written(house)
    os.kill(pid, signal.SIGKILL)
    house.close()
    house.kimi.add(Fault(text="short"))
    house.drain()
    assert len(house.kimi.requests) == 2
    assert any("paid twice" in warning for warning in house.result()["warnings"])


def test_a_disk_without_room_for_anything(house: House) -> None:
    """Nothing at all can be written, neither journal nor log: files wait, and all goes on when there is room."""
    child = house.start()
    limit(child.pid, resource.RLIMIT_FSIZE, 0)
    for number in range(3):
        house.drop(f"kimi-1700000000-aaaaaaa{number}.md", "x")
    # A verb is another process, with a limit of its own.
    until(lambda: not list(house.workspace.outbox.iterdir()) and len(list(house.workspace.incoming.iterdir())) == 3)
    assert house.entries() == []
    limit(child.pid, resource.RLIMIT_FSIZE, None)
    entries = house.wait(*(f"kimi-1700000000-aaaaaaa{number}" for number in range(3)))
    assert {entry.outcome for entry in entries} == {Outcome.DONE}
    house.drop("later.md", "x")
    until(lambda: len(list(house.workspace.results.glob("kimi-*"))) == 4)
    assert "Traceback" not in house.log


@pytest.mark.parametrize("full", ["", "results", "spool"])
def test_a_full_file_system(house: House, full: str) -> None:
    """Of the workspace, of results/, of spool/: the answer is not asked for again and is there when there is room."""
    place, kept = house.home / full, house.home.with_name("kept")
    within = namespace(f"cp -a {place} {kept}", f"mount -t tmpfs -o size=4m x {place}", f"cp -a {kept}/. {place}")
    house.kimi.add(Fault(latency=0.7))
    child = house.start(within=within)
    result, log = seen_by(child.pid, house.workspace.result_file(ID)), seen_by(child.pid, house.workspace.log_file)
    outbox = seen_by(child.pid, house.workspace.outbox)
    (outbox / f".{ID}").write_text("x")
    (outbox / f".{ID}").rename(outbox / f"{ID}.md")
    assert house.kimi.wait_for(1)
    filling = fill(seen_by(child.pid, place))
    if full == "results":
        until(lambda: "the disk is full; make room" in log.read_text())
    elif full == "spool":
        until(result.exists)
    else:
        until(lambda: len(house.kimi.requests) == 1)
    filling.unlink()
    latest = result.parent / "latest.json"
    until(lambda: result.exists() and latest.exists() and ID in latest.read_text())
    assert len(house.kimi.requests) == 1
    assert log.read_text().count("tried again every") <= 2
    assert "Traceback" not in log.read_text()


def test_dispatch_on_a_full_disk(house: House) -> None:
    """One line with place, cause and remedy, exit code 1, and no part of a file."""
    within = namespace(f"mount -t tmpfs -o size=64k x {house.workspace.outbox}")
    full = (
        'head -c 200000 /dev/zero > outbox/.fill 2>/dev/null; "$@"; code=$?; rm outbox/.fill; ls -A outbox; exit $code'
    )
    done = subprocess.run(
        [*within, "sh", "-c", full, "sh", PROGRAM, "dispatch", "-p", "x" * 5000],
        cwd=house.home,
        env=house.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert str(house.workspace.outbox) in done.stderr
    assert "the disk is full; make room" in done.stderr
    assert done.stderr.count("\n") == 1


def test_results_that_are_read_only(house: House) -> None:
    """A file system that the kernel has made read-only: it is said, and the answer comes when it may be written."""
    if not shutil.which("nsenter") or os.geteuid() != 0:
        pytest.skip("needs root and nsenter")
    results = house.workspace.results
    house.kimi.add(Fault(latency=0.7))
    child = house.start(within=namespace(f"mount -t tmpfs x {results}"))
    house.drop(f"{ID}.md", "x")
    assert house.kimi.wait_for(1)
    remount = ["nsenter", "-t", str(child.pid), "-m", "mount", "-o"]
    subprocess.run([*remount, "remount,ro", str(results)], check=True)
    until_told(house, "the file system is read-only; mount it for writing")
    subprocess.run([*remount, "remount,rw", str(results)], check=True)
    until(seen_by(child.pid, house.workspace.result_file(ID)).exists)
    assert len(house.kimi.requests) == 1


def test_a_log_that_cannot_be_written_stops_nobody(house: House) -> None:
    """The work goes on without it, and lines come again when there is room."""
    logs = house.workspace.log_file.parent
    child = house.start(within=namespace(f"mount -t tmpfs -o size=64k x {logs}"))
    seen = seen_by(child.pid, logs)
    filling = fill(seen)
    house.drop(f"{ID}.md", "x")
    house.wait(ID)
    filling.unlink()
    house.drop("kimi-1700000000-bbbbbbbb.md", "x")
    house.wait("kimi-1700000000-bbbbbbbb")
    until(lambda: "bbbbbbbb completed" in (seen / "runner.log").read_text())


def test_an_answer_in_memory_ends_a_task_that_is_cancelled(house: House) -> None:
    """It came first and was paid for: neither it nor what it cost is dropped while the disk does not take it."""
    pid = _answer_that_cannot_be_written(house)
    cancelled = house.call("cancel", ID)
    assert cancelled.returncode == 0, cancelled.stderr
    limit(pid, resource.RLIMIT_FSIZE, None)
    (entry,) = house.wait(ID)
    assert (entry.outcome, entry.attempts, entry.crashes) == (Outcome.DONE, 1, 0)
    assert len(house.result()["output"]) >= LONG
