"""Held tasks: whatever may let one start or doom it has it looked at."""

from __future__ import annotations

import pytest

from kimi_hooks.journal import needs, tasks
from kimi_hooks.journal.needs import Settled
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.task import Task


@pytest.fixture
def journal() -> Journal:
    return Journal(None)


def add(db: Connection, name: str, *after: str, gate: str | None = None) -> None:
    task = Task(prompt="Hello.", name=name, after=list(after))
    tasks.accept(db, tasks.fresh(f"kimi-{name}", task, [], 0.0, gate), task)


def put(db: Connection, name: str, **columns: object) -> None:
    for column, value in columns.items():
        db.execute(f"UPDATE tasks SET {column} = ? WHERE name = ?", (value, name))


def settle(db: Connection) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of the released, and of the doomed."""
    settled = needs.settle(db)
    names = tuple(sorted(task_id.removeprefix("kimi-") for task_id in settled.released))
    return names, sorted(task.task_id.removeprefix("kimi-") for task in settled.doomed)


def is_unsettled(db: Connection) -> bool:
    return db.execute("SELECT 1 FROM unsettled").fetchone() is not None


def test_the_completed_end_of_the_last_needed_task_releases(journal: Journal) -> None:
    """Not that of the first one; afterwards nothing is left to look at."""

    def story(db: Connection) -> None:
        add(db, "a")
        add(db, "b")
        add(db, "c", "a", "b")
        assert settle(db) == ((), [])
        assert not is_unsettled(db)
        put(db, "a", state="completed")
        assert settle(db) == ((), [])
        put(db, "b", state="completed")
        assert settle(db) == (("c",), [])

    journal.write(story)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_needed_task_that_fails_dooms_until_that_is_done(journal: Journal, state: str) -> None:
    """Told again at each look while it could not be failed, and not after that."""

    def story(db: Connection) -> None:
        add(db, "a")
        add(db, "b", "a")
        settle(db)
        put(db, "a", state=state, outcome=state)
        assert settle(db) == settle(db) == ((), ["b"])
        put(db, "b", hold_reason=None, state="failed")
        assert settle(db) == ((), [])
        assert not is_unsettled(db)

    journal.write(story)


def test_a_task_may_be_named_before_it_comes(journal: Journal) -> None:
    """By its name or by its id."""

    def story(db: Connection) -> None:
        add(db, "by-name", "a")
        add(db, "by-id", "kimi-a")
        assert settle(db) == ((), [])
        add(db, "a")
        put(db, "a", state="completed")
        assert settle(db) == (("by-id", "by-name"), [])

    journal.write(story)


def test_a_task_that_passes_its_gate_is_looked_at_then(journal: Journal) -> None:
    """What it comes after may have ended while it waited there."""

    def story(db: Connection) -> None:
        add(db, "a")
        put(db, "a", state="completed")
        add(db, "b", "a", gate="TaskCreated")
        assert settle(db) == ((), [])
        put(db, "b", hold_reason="after")
        assert settle(db) == (("b",), [])

    journal.write(story)


def test_all_in_circles_are_doomed_and_no_others(journal: Journal) -> None:
    """However the circle is closed, and also when it is only seen at the next start."""

    def story(db: Connection) -> None:
        for name, needed in (("a", "b"), ("b", "c"), ("before", "a"), ("x", "y"), ("y", "x"), ("alone", "later")):
            add(db, name, needed)
        assert settle(db) == ((), ["x", "y"])
        add(db, "c", "a", "alone")
        assert settle(db) == ((), ["a", "b", "c", "x", "y"])
        db.execute("DELETE FROM unsettled")
        assert settle(db) == ((), [])
        needs.unsettle(db)
        assert sorted(task.task_id for task in needs.settle(db).doomed) == [
            "kimi-a", "kimi-b", "kimi-c", "kimi-x", "kimi-y",
        ]  # fmt: skip

    journal.write(story)


def test_nothing_is_settled_where_nothing_waits(journal: Journal) -> None:
    """An ordinary task is no business of these tables."""

    def story(db: Connection) -> None:
        add(db, "a")
        put(db, "a", state="completed")
        assert not is_unsettled(db)
        assert needs.settle(db) == Settled((), ())

    journal.write(story)
