"""The journal: transactions that threads share, and a schema that is made once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kimi_hooks.errors import DamagedJournalError, JournalError, WorkspaceError
from kimi_hooks.journal import facts
from kimi_hooks.journal.schema import MIGRATIONS
from kimi_hooks.journal.store import Connection, Journal, glance, open_existing


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db")
    yield journal
    journal.close()


def remember(db: Connection, key: str) -> None:
    db.execute("INSERT INTO facts (key, value) VALUES (?, 'x')", (key,))


def keys(journal: Journal) -> set[str]:
    return journal.read(lambda db: {row["key"] for row in db.execute("SELECT key FROM facts")})


def test_what_was_written_is_there_for_another_process(journal: Journal, tmp_path: Path) -> None:
    """`write` returns when it is on the disk."""
    journal.write(lambda db: remember(db, "a"))
    with closing(Journal(tmp_path / "journal.db")) as other:
        assert keys(other) == {"a"}


def test_a_failed_operation_leaves_nothing(journal: Journal) -> None:
    """Its error reaches the one who asked, and its changes are undone."""

    def half(db: Connection) -> None:
        remember(db, "a")
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        journal.write(half)
    assert keys(journal) == set()


def test_threads_share_a_commit_and_not_their_errors(journal: Journal) -> None:
    """Of forty at once, the twenty that fail do not undo the twenty that do not."""
    failed: list[int] = []

    def work(number: int) -> None:
        def operation(db: Connection) -> None:
            remember(db, str(number))
            if number % 2:
                raise ValueError

        try:
            journal.write(operation)
        except ValueError:
            failed.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keys(journal) == {str(number) for number in range(0, 40, 2)}
    assert sorted(failed) == list(range(1, 40, 2))


def test_opening_again_keeps_all(journal: Journal, tmp_path: Path) -> None:
    """The schema is made once."""
    journal.write(lambda db: facts.pause(db, facts.Pause("person")))
    journal.close()
    with closing(Journal(tmp_path / "journal.db")) as again:
        assert again.read(facts.paused) == "person"
        assert again.read(lambda db: db.execute("PRAGMA user_version").fetchone()[0]) == len(MIGRATIONS)


def test_many_processes_may_make_it_at_once(tmp_path: Path) -> None:
    """Eight that open a journal which is not there yet agree on one schema."""
    made: list[Journal] = []
    threads = [threading.Thread(target=lambda: made.append(Journal(tmp_path / "new.db"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    for number, journal in enumerate(made):
        journal.write(lambda db, key=str(number): remember(db, key))  # type: ignore[misc]
    assert len(keys(made[0])) == 8
    for journal in made:
        journal.close()


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """A verb that only looks leaves no file behind."""
    with closing(open_existing(tmp_path / "none.db")) as journal:
        assert journal.read(facts.paused) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_journal_is_told(tmp_path: Path) -> None:
    """The file is named, and nothing of it is changed."""
    (tmp_path / "journal.db").write_bytes(b"no database" * 500)
    with pytest.raises(DamagedJournalError, match=r"journal\.db"):
        Journal(tmp_path / "journal.db")
    assert (tmp_path / "journal.db").read_bytes() == b"no database" * 500


def test_a_commit_survives_only_whole(journal: Journal) -> None:
    """When the transaction itself cannot be had, everyone who waited is told."""
    other = sqlite3.connect(journal._db.execute("PRAGMA database_list").fetchone()["file"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal._db.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(JournalError, match="locked"):
        journal.write(lambda db: remember(db, "a"))
    other.execute("ROLLBACK")
    other.close()
    journal.write(lambda db: remember(db, "b"))
    assert keys(journal) == {"b"}


def test_a_journal_of_a_newer_version_is_refused(journal: Journal, tmp_path: Path) -> None:
    """Before anything is changed; the message has the file, both versions and the remedy."""
    file = tmp_path / "newer.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = file.read_bytes()
    with pytest.raises(WorkspaceError, match=rf"newer\.db: written by a newer .*{len(MIGRATIONS) + 1}.*; upgrade"):
        Journal(file)
    assert file.read_bytes() == before


def test_a_glance_makes_and_changes_nothing(journal: Journal, tmp_path: Path) -> None:
    """It reads what is there; without a journal, or with one that is none, it has nothing."""
    journal.write(lambda db: remember(db, "a"))
    (tmp_path / "text").write_text("no database at all, and long enough to be looked at")
    assert glance(tmp_path / "journal.db", lambda db: db.execute("SELECT key FROM facts").fetchone()[0]) == "a"
    glance(tmp_path / "journal.db", lambda db: remember(db, "b"))
    assert keys(journal) == {"a"}
    for name in ("missing", "text"):
        assert glance(tmp_path / name, lambda db: db.execute("SELECT 1 FROM facts").fetchone()[0]) is None
    assert not (tmp_path / "missing").exists()
