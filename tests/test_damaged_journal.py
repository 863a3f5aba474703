"""A journal that is not as it was written, or gone: told in one line with the remedy, and nothing is lost meanwhile."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kimi_hooks.errors import DamagedJournalError, JournalError
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome
from tests.house import House, until
from tests.invariants import violations

ID = "kimi-1700000000-aaaaaaaa"


def whole(file: Path) -> None:
    """Bring all that stands in the -wal into the file."""
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def header(file: Path) -> None:
    overwrite(file, 0, b"no database, not at all" * 10)


def page_in_the_middle(file: Path) -> None:
    """Spoil every page but the first."""
    overwrite(file, 4096, random.Random(1).randbytes(file.stat().st_size - 4096))


def half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def gone(file: Path) -> None:
    file.unlink()


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def link(file: Path) -> None:
    file.unlink()
    file.symlink_to("/nonexistent/journal.db")


def overwrite(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(data)


DAMAGES: list[Callable[[Path], None]] = [header, page_in_the_middle, half, empty, gone, folder, link]


def spoil(house: House, damage: Callable[[Path], None]) -> None:
    whole(house.workspace.journal_file)
    damage(house.workspace.journal_file)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_start_on_a_damaged_journal_says_what_to_do(house: House, damage: Callable[[Path], None]) -> None:
    """One line with the file and the remedy; nothing new is begun in its place."""
    house.drop("a.md", "a")
    house.drain()
    spoil(house, damage)
    with pytest.raises(DamagedJournalError, match=r"journal\.db: the journal is damaged: .* fsck --rebuild$"):
        house.drain()
    assert len(house.kimi.requests) == 1


@pytest.mark.parametrize("verb", [["status"], ["wait", ID], ["show", ID], ["ack", ID], ["dispatch", "-p", "x", "--dedupe-key", "k"], ["hooks", "runs"], ["cost"], ["run", "--drain"]])  # fmt: skip
def test_verbs_tell_of_a_damaged_journal(house: House, verb: list[str]) -> None:
    """Exit code 1 and one line with the remedy: it is no bug of the program's."""
    house.drop(f"{ID}.md", "a")
    house.drain()
    spoil(house, header)
    finished = house.call(*verb)
    told = [line for line in finished.stderr.splitlines() if "fsck --rebuild" in line]
    assert (finished.returncode, len(told)) == (1, 1), finished.stderr


TABLES = ["tasks", "deliveries", "hook_runs", "unsettled"]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_is_gone_is_damage(house: House, table: str) -> None:
    """No bug of the program's: it says what to do, and that helps."""
    house.hook("#!/bin/sh\n")
    house.drop(f"{ID}.md", "a")
    house.drain()
    with closing(sqlite3.connect(house.workspace.journal_file)) as db:
        db.execute(f"DROP TABLE {table}")
    house.drop(f"{ID[:-1]}z.md", "b")
    assert "is gone" in house.call("fsck").stdout
    finished = house.call("run", "--drain")
    assert finished.returncode == 1
    assert "fsck --rebuild" in finished.stderr.splitlines()[-1]
    finished = house.call("fsck", "--rebuild")
    assert finished.returncode == 0, finished.stderr
    house.drain()
    assert violations(house.workspace) == []
    assert len(house.kimi.requests) == 2


def test_what_was_noted_of_the_clock_may_be_spoilt(house: House) -> None:
    """It is only taken for nothing."""
    house.drain()
    with closing(sqlite3.connect(house.workspace.journal_file)) as db:
        db.execute("UPDATE facts SET value = '{' WHERE key = 'clock'")
        db.commit()
    house.drop("a.md", "a")
    house.drain()
    assert house.entry().outcome == "done"


def test_a_workspace_without_tasks_may_begin_a_new_journal(house: House) -> None:
    """Where nothing was ever dispatched there is nothing to lose."""
    house.drain()
    spoil(house, gone)
    house.drain()


def test_a_runner_whose_journal_is_taken_away_leaves(house: House) -> None:
    """The answer that is under way is put into results/, the remedy is told, the exit code is 1."""
    house.kimi.add(Fault(latency=1))
    child = house.start()
    house.drop(f"{ID}.md", "a")
    assert house.kimi.wait_for(1)
    house.workspace.journal_file.unlink()
    house.drop("another.md", "b")
    assert child.wait(20) == 1
    assert house.result(ID)["output"]
    assert house.log.count("fsck --rebuild") == 1
    assert "Traceback" not in house.log


def test_a_runner_whose_journal_is_spoilt_leaves(house: House) -> None:
    """Also when it finds that only later, in the middle of its work."""
    house.drop(f"{ID}.md", "a")
    house.drain()
    with pytest.raises(DamagedJournalError), house.running() as running:  # noqa: PT012 - it is raised at the end
        whole(house.workspace.journal_file)
        running.runner._parts.journal._db.execute("PRAGMA cache_size = 0")
        page_in_the_middle(house.workspace.journal_file)
        house.drop("another.md", "b")
        until(lambda: not running._thread.is_alive())
    assert house.log.count("fsck --rebuild") <= 1


def test_an_answer_is_kept_though_the_journal_cannot_be_used(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a gate has added must be read before the answer can be taken; meanwhile it lies on the disk."""
    house.hook("#!/bin/sh\necho more\n", event="UserPromptSubmit")
    house.kimi.add(Fault(latency=0.5))
    parts = house.parts()
    with house.running(parts=parts):
        house.drop(f"{ID}.md", "a")
        assert house.kimi.wait_for(1)
        real = parts.journal.read
        seen: list[Callable[[Connection], Any]] = []

        def read(operation: Callable[[Connection], Any]) -> Any:
            if not seen and house.kimi.requests and "said" in repr(operation):
                seen.append(operation)
                raise JournalError("locked")
            return real(operation)

        monkeypatch.setattr(parts.journal, "read", read)
        (entry,) = house.wait(ID)
    assert seen
    assert entry.outcome is Outcome.DONE
    assert len(house.kimi.requests) == 1


def test_a_missing_wal_loses_no_accepted_task(house: House) -> None:
    """A file in accepted/ whose row is gone is taken again, unless its task has a result."""
    house.call("pause")
    house.drop(f"{ID}.md", "a")
    house.drain()
    journal = Journal(house.workspace.journal_file)
    journal.write(lambda db: db.execute("DELETE FROM tasks"))
    journal.close()
    house.call("resume")
    house.drain()
    assert house.entry().outcome is Outcome.DONE
