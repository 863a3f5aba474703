"""What a file, another process or the disk can do to a runner: it says so, loses nothing, and goes on by itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from kimi_hooks import billing, runner, started
from kimi_hooks.clock import Clock
from kimi_hooks.journal import bill
from kimi_hooks.journal.bill import Line
from kimi_hooks.journal.store import Journal
from kimi_hooks.outbox.folder import Outbox
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome
from kimi_hooks.taken import Taken
from tests.house import House, until

NESTED = {"prompt": "x", "metadata": {"a": json.loads("[" * 300 + "]" * 300)}}
POISON = {
    "key that is a list": ("a.yaml", b"? [a]\n: b\n"),
    "long context name": ("a.json", json.dumps({"prompt": "x", "context": ["a" * 300]}).encode()),
    "deep metadata": ("a.json", json.dumps(NESTED).encode()),
    "number of 6,000 digits": ("a.yaml", b"prompt: x\npriority: 0x" + b"f" * 6000 + b"\n"),
    "sexagesimal": ("a.yaml", b"prompt: x\ntemperature: " + b":".join([b"1"] * 200) + b".0\n"),
    "far future": ("a.json", b'{"prompt": "x", "not_before": 1e18}'),
    "endless": ("a.json", b'{"prompt": "x", "timeout": 1e300}'),
    "many unknown keys": ("a.json", json.dumps({f"key{n}" * 20: 1 for n in range(2000)}).encode()),
    "null bytes in context": ("a.json", b'{"prompt": "x", "context": ["a\\u0000b"]}'),
}


@pytest.mark.parametrize("case", POISON)
def test_no_file_stops_a_runner(house: House, case: str) -> None:
    """Refused with a short reason; the next file is answered; the next start is clean."""
    name, content = POISON[case]
    house.drop(name, content)
    house.drop("good.md", "good")
    house.drain()
    house.drain()
    assert house.prompts() == ["good"]
    assert len(house.reason()) < 4000


def bill_of(house: House) -> list[Line]:
    return house.read_journal(lambda db: bill.lines(db, 0, None))


def billed(house: House) -> int:
    """Return the tokens of all calls on record."""
    return sum(line.prompt + line.completion for line in bill_of(house))


def test_a_circle_of_links_is_refused(house: House) -> None:
    """Also where a task says it was sent from."""
    (house.home / "loop").symlink_to(house.home / "loop")
    house.drop("a.json", {"prompt": "x", "context": ["a"], "dispatched_from": str(house.home / "loop")})
    house.drain()
    assert "context" in house.reason()


@pytest.mark.parametrize("folder", ["outbox", "results"])
def test_linked_folders_are_watched(house: House, folder: str) -> None:
    """outbox/ and results/ may lie elsewhere."""
    (house.home / folder).rename(house.home / f"real-{folder}")
    (house.home / folder).symlink_to(f"real-{folder}")
    with house.running():
        house.drop("kimi-1700000000-aaaaaaaa.md", "x")
        house.wait("kimi-1700000000-aaaaaaaa")


@pytest.mark.parametrize("folder", ["outbox", "results"])
def test_folders_that_are_made_again_are_watched_again(house: House, folder: str) -> None:
    """Removed under a running runner: it notices, makes what is missing and goes on."""
    with house.running():
        shutil.rmtree(house.home / folder)
        house.call("pause")
        house.call("resume")
        until((house.home / folder).is_dir)
        house.drop("kimi-1700000000-aaaaaaaa.md", "x")
        (entry,) = house.wait("kimi-1700000000-aaaaaaaa")
        assert house.call("ack", entry.id).returncode == 0
        assert house.result()["status"] == "acknowledged"


def test_zero_is_a_temperature(house: House) -> None:
    """And no time-out: what is nonsense is refused, not dropped."""
    house.call("dispatch", "-p", "x", "--temperature", "0", "--priority", "0")
    (path,) = house.workspace.outbox.iterdir()
    assert json.loads(path.read_text())["temperature"] == 0
    assert house.call("dispatch", "-p", "x", "--timeout", "0").returncode == 1


def test_a_mended_file_may_use_its_dedupe_key(house: House) -> None:
    """A refused file does not use the key up."""
    task = {"prompt": "x", "dedupe_key": "k", "context": ["notes.txt"]}
    house.drop("a.json", task)
    house.drain()
    (house.home / "notes.txt").write_text("notes")
    house.drop("a.json", task)
    house.drain()
    assert house.prompts() == ["x"]


def test_a_result_that_cannot_be_written_is_written_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes; the stored answer is not asked for again."""
    monkeypatch.setattr(started, "ANSWERED_SECONDS", 0.01)
    monkeypatch.setattr(runner, "TROUBLE_SECONDS", 0.05)
    house.configure(retry={"max_attempts": 1, "first_pause": 0.01})
    real, blocked = house.home / "real-results", house.home / "blocked"
    house.workspace.results.rename(real)
    blocked.write_text("no folder")
    house.point_results_to(real)
    house.kimi.add(Fault(latency=0.5))
    with house.running() as running:
        house.drop("kimi-1700000000-aaaaaaaa.md", "x")
        assert house.kimi.wait_for(1)
        house.point_results_to(blocked)
        until(lambda: running.runner._announcing.trouble is not None and not running.runner._calls.busy)
        house.point_results_to(real)
        (entry,) = house.wait("kimi-1700000000-aaaaaaaa")
    assert entry.outcome is Outcome.DONE
    assert len(house.kimi.requests) == 1
    assert house.result()["tokens"]["total"] == billed(house)


def test_a_call_that_a_bug_of_ours_lost_is_billed_apart(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what it took; the next one does not count for both."""
    monkeypatch.setattr(started, "AFTER_A_BUG_SECONDS", 0.01)
    real, errors = billing.of_answer, [RuntimeError("a bug")]

    def of_answer(*arguments: Any) -> Taken:
        if errors:
            raise errors.pop()
        return real(*arguments)

    monkeypatch.setattr(billing, "of_answer", of_answer)
    house.drop("a.md", "x")
    house.drain()
    assert len(house.kimi.requests) == 2
    assert house.result()["tokens"]["total"] == billed(house)
    assert any("cost are without that" in warning for warning in house.result()["warnings"])


def test_the_last_call_that_our_death_cut_is_billed_apart(house: House) -> None:
    """The task fails; its call may have been paid for all the same."""
    house.configure(retry={"max_crashes": 1, "first_pause": 0.01})
    house.kimi.add(Fault("stall"), Fault("stall"))
    house.drop("a.md", "x")
    for calls in (1, 2):
        house.start()
        assert house.kimi.wait_for(calls)
        house.close()
    house.drain()
    assert house.result()["error"]["kind"] == "crash"
    assert [line.unknown for line in bill_of(house)] == [2]
    assert any("2 calls" in warning for warning in house.result()["warnings"])


@pytest.mark.parametrize("counted", [{}, {"tokens_per_minute": 1_000_000_000}])
def test_a_row_that_cannot_be_read_holds_nobody_up(house: House, counted: dict[str, int]) -> None:
    """Another version wrote it: the task fails in the end, and the runner goes on with the others."""
    house.configure(limits=counted, retry={"max_attempts": 1})
    assert house.call("pause").returncode == 0
    house.drop("bad.md", "x")
    house.drain()
    journal = Journal(house.workspace.journal_file)
    journal.write(lambda db: db.execute("UPDATE tasks SET spec = json_set(spec, '$.of_another_version', 1)"))
    journal.close()
    house.drop("good.md", "good")
    house.drain()
    assert house.call("resume").returncode == 0
    house.drain()
    assert [entry.outcome for entry in house.entries()] == [Outcome.FAILED, Outcome.DONE]
    assert house.prompts() == ["good"]


def test_a_journal_that_is_held_is_waited_for(house: House) -> None:
    """Another program that locks the journal delays us and breaks nothing."""
    house.drop("first.md", "x")
    house.drain()
    parts = house.parts()
    parts.journal._db.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(house.workspace.journal_file, isolation_level=None)
    with house.running(parts=parts) as running:
        other.execute("BEGIN IMMEDIATE")
        house.drop("kimi-1700000000-aaaaaaaa.md", "x")
        until(lambda: running.runner._announcing.trouble is not None)
        other.execute("ROLLBACK")
        other.close()
        (entry,) = house.wait("kimi-1700000000-aaaaaaaa")
    assert entry.outcome is Outcome.DONE


def test_a_file_that_cannot_be_taken_is_told_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it changes it is left alone: no waking, no log line each time."""
    if os.getuid() != 0:
        pytest.skip("needs root to be somebody else")
    house.drop("theirs.md", "x")
    outbox = Outbox(house.workspace.outbox, house.workspace.incoming, Clock(), 0.01)
    house.workspace.outbox.chmod(0o1777)
    os.chown(house.workspace.outbox, 1, 1)
    os.chown(house.workspace.outbox / "theirs.md", 1, 1)
    for folder in [house.home, *house.home.parents]:
        if "pytest" in str(folder):
            folder.chmod(0o755)
    os.chown(house.workspace.incoming, 65534, 65534)
    house.workspace.spool.chmod(0o755)
    os.seteuid(65534)
    try:
        assert outbox.arrived() == ["theirs.md"]

        def could_not_be_taken() -> bool:
            assert outbox.claim(["theirs.md"], lambda _: False) == []
            return outbox.arrived() == []

        until(could_not_be_taken)
        assert outbox.seconds_to_look() is None
    finally:
        os.seteuid(0)


def test_a_death_of_ours_does_not_use_up_a_hooks_retries(house: House) -> None:
    """Runs that were cut are counted, and allowed for."""
    house.hook('#!/bin/sh\necho "$$" >> runs.txt\n[ -e go ] || sleep 60\nexit 1\n', retries=1)
    house.drop("a.md", "a")
    for number in (1, 2, 3):
        child = house.start()
        until(lambda count=number: _lines(house.home / "runs.txt") == count)  # type: ignore[misc]
        child.kill()
        child.wait()
    (house.home / "go").touch()
    house.drain()
    assert [run.outcome for run in house.runs()] == ["retry", "gave_up"]
    assert [run.attempt for run in house.runs()] == [4, 5]


def test_turns_of_ended_tasks_are_tidied_away(house: House) -> None:
    """A crash between the result and the tidying leaves nothing for ever."""
    house.drop("a.md", "a")
    house.drain()
    (house.workspace.turns / house.entry().id).mkdir()
    house.drain()
    assert list(house.workspace.turns.iterdir()) == []


def test_a_start_does_not_disturb_those_who_write(house: House) -> None:
    """Temporary files of others in the outbox are theirs, and verbs write into the spool; old ones are nobody's."""
    folders = house.workspace.outbox, house.workspace.spool
    for folder in folders:
        (folder / ".tmp-somebody").touch()
        (folder / ".tmp-killed").touch()
        os.utime(folder / ".tmp-killed", (0, 0))
    house.drain()
    for folder in folders:
        assert [path.name for path in folder.glob(".tmp-*")] == [".tmp-somebody"]


def test_a_removed_lock_file_opens_no_door(house: House) -> None:
    """The folder is what is locked."""
    house.start()
    house.workspace.lock_file.unlink()
    second = house.call("run", "--drain")
    assert second.returncode == 1
    assert "works here already" in second.stderr


def test_stop_now_is_now(house: House) -> None:
    """However long the grace time is."""
    house.configure(grace_seconds=60)
    house.kimi.add(Fault("stall", times=2))
    house.drop("a.md", "a")
    child = house.start()
    assert house.kimi.stalled.wait(20)
    started = time.monotonic()
    assert house.call("stop", "--now").returncode == 0
    child.wait(20)
    assert time.monotonic() - started < 15


def test_stopping_twice_cuts_nothing(house: House) -> None:
    """The second `stop` waits with the first for what runs."""
    house.kimi.add(Fault(latency=2))
    house.drop("slow.md", "slow")
    child = house.start()
    assert house.kimi.wait_for(1)
    child.send_signal(signal.SIGTERM)
    until(lambda: json.loads(house.call("status", "--json").stdout)["runner"]["stopping"])
    assert house.call("stop").returncode == 0
    assert child.wait(20) == 0
    assert (house.entry().outcome, house.entry().crashes) == (Outcome.DONE, 0)


def test_dispatch_start_while_a_runner_is_leaving(house: House) -> None:
    """The task is not left with a runner that takes nothing any more."""
    house.configure(grace_seconds=20)
    house.kimi.add(Fault(latency=1.5))
    house.drop("slow.md", "slow")
    child = house.start()
    assert house.kimi.wait_for(1)
    child.send_signal(signal.SIGTERM)
    try:
        finished = house.call("dispatch", "--start", "-p", "late", "--wait")
        assert finished.returncode == 0, finished.stderr
    finally:
        house.call("stop")
    assert [entry.outcome for entry in house.entries()] == [Outcome.DONE, Outcome.DONE]


@pytest.mark.parametrize("arguments", [["wait", "x", "--timeout", "nan"], ["wait", "x", "--timeout", "-1"]])
def test_an_impossible_time_out_is_wrong_usage(house: House, arguments: list[str]) -> None:
    """Exit code 2."""
    assert house.call(*arguments).returncode == 2


def test_a_home_that_cannot_be_is_told(house: House) -> None:
    """One line, no traceback."""
    finished = house.call("--home", "~nobody-of-this-name/x", "status")
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1


def _lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0
