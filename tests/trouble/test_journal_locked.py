"""A journal that another program holds: it is said who does, verbs say so too, and all goes on when it lets go."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kimi_hooks.errors import JournalError
from kimi_hooks.journal import holders, store
from kimi_hooks.journal.store import Journal
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome
from tests.house import House, until
from tests.trouble.places import ID

HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(file: Path) -> Iterator[int]:
    """Let another process hold the journal as long as this lasts."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == b"held\n"
        yield process.pid
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def test_who_holds_the_journal_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Place, cause, remedy: the process by its number and name."""
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.01)
    journal = Journal(tmp_path / "journal.db")
    with held(tmp_path / "journal.db") as pid:
        with pytest.raises(JournalError) as raised:
            journal.write(lambda db: db.execute("CREATE TABLE x (y)"))
        assert str(tmp_path / "journal.db") in str(raised.value)
        if holders.LOCKS.exists():
            assert f"process {pid} (python" in str(raised.value)
        assert "let it finish, or end it" in str(raised.value)
    journal.write(lambda db: db.execute("CREATE TABLE x (y)"))
    assert holders.writer(tmp_path / "journal.db") is None
    journal.close()


def test_an_answer_that_arrives_while_the_journal_is_held(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its result is on the disk at once; row and news follow when the other program lets go."""
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.05)
    house.hook("#!/bin/sh\ncat > told.json\n")
    house.kimi.add(Fault(latency=0.5))
    with house.running():
        house.drop(f"{ID}.md", "x")
        assert house.kimi.wait_for(1)
        with held(house.workspace.journal_file):
            until(house.workspace.result_file(ID).exists)
        (entry,) = house.wait(ID)
        until((house.home / "told.json").exists)
    assert (entry.outcome, entry.attempts) == (Outcome.DONE, 1)
    assert len(house.kimi.requests) == 1


def test_verbs_say_that_the_journal_is_held(house: House) -> None:
    """One line and exit code 1, for those that change something; those that look only are not held up."""
    house.drop("a.md", "x")
    house.drain()
    busy = sqlite3.connect(house.workspace.journal_file, isolation_level=None)
    busy.execute("BEGIN EXCLUSIVE")
    shorter = (
        "import sys; from kimi_hooks.journal import store; store.BUSY_SECONDS = 0.05;"
        " from kimi_hooks import cli; sys.argv[0] = 'kimi-hooks'; cli.main()"
    )
    try:
        for verb in (["pause"], ["ack", house.entry().id], ["dispatch", "-p", "x", "--dedupe-key", "k"]):
            done = subprocess.run(
                [sys.executable, "-c", shorter, "--home", house.home, *verb],
                env=house.environ,
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
            assert "locked" in done.stderr
        assert house.call("status").returncode == 0
    finally:
        busy.close()
    assert house.call("ack", house.entry().id).returncode == 0
