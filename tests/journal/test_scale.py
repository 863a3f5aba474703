"""What a turn of the runner asks of the journal costs what has changed, however many tasks are there.

Cost is counted in steps of SQLite's own machine, so that nothing here depends on how busy this one is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from kimi_hooks.events import CREATED
from kimi_hooks.journal import needs, sends, standing, starts, tasks
from kimi_hooks.journal.sends import Send
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.task import Task

T = TypeVar("T")
NOW = 1_800_000_000.0
FEW, MANY = 10, 1000


def steps(journal: Journal, operation: Callable[[Connection], object]) -> int:
    """Return how many steps an operation takes, about."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    def counted(db: Connection) -> None:
        db.set_progress_handler(step, 1)
        operation(db)
        db.set_progress_handler(None, 1)

    journal.write(counted)
    return count


def add(db: Connection, number: int, *, gate: str | None = None, **keys: Any) -> None:
    task = Task(prompt="Hello.", name=keys.pop("name", f"task-{number}"), **keys)
    tasks.accept(db, tasks.fresh(f"kimi-1800000000-{number:08}", task, [], NOW, gate), task)


def waiting(kind: str, count: int) -> Journal:
    """Return a journal in which so many tasks wait, for one reason, and one for nothing but its turn."""
    journal = Journal(None)

    def fill(db: Connection) -> None:
        add(db, 99_999_999, name="first")
        db.execute("UPDATE tasks SET state = 'executing'")
        for number in range(count):
            match kind:
                case "its time":
                    add(db, number, not_before=3600)
                case "another task":
                    add(db, number, after=["first"])
                case "one that was never dropped":
                    add(db, number, after=["absent"])
                case "the one before it":
                    add(db, number, after=[f"task-{number - 1}"] if number else ["first"])
                case "a gate":
                    add(db, number, gate=CREATED.name)
                case "an earlier answer":
                    add(db, number, reuse=60)
                case _:
                    add(db, number)
        change = {
            "a person": "state = 'held', hold_reason = 'person'",
            "a person, at a gate": "state = 'held', hold_reason = 'person', gate = 'TaskCreated'",
            "another try": f"state = 'retryable', due_at = {NOW + 3600}, deadline_at = {NOW + 9000}",
            "nothing any more": "state = 'completed', outcome = 'done', ended = seq, acknowledged_at = 1",
        }.get(kind)
        if change is not None:
            db.execute(f"UPDATE tasks SET {change} WHERE name != 'first'")
        sends.record(db, [Send(f"kimi-{number}") for number in range(count)], NOW - 3600)
        add(db, count, name="next")
        db.execute("UPDATE tasks SET priority = 1 WHERE name = 'next'")
        needs.settle(db)

    journal.write(fill)
    return journal


REASONS = (
    "its turn",
    "its time",
    "another task",
    "one that was never dropped",
    "the one before it",
    "a gate",
    "an earlier answer",
    "a person",
    "a person, at a gate",
    "another try",
    "nothing any more",
)


def turn(db: Connection) -> list[starts.Due]:
    """Do what each turn does."""
    standing.look(db, NOW, 61.0, 1_000_000)
    needs.settle(db)
    tasks.overdue(db, NOW, standin=False)
    return starts.next_due(db, NOW, 1, standin=False)


@pytest.mark.parametrize("reason", REASONS)
def test_a_turn_costs_no_more_for_those_that_wait(reason: str) -> None:
    """Whatever thousands wait for, the next one is found in at most twice the steps."""
    few, many = waiting(reason, FEW), waiting(reason, MANY)
    assert many.read(turn)[0].id == f"kimi-1800000000-{MANY:08}"
    assert steps(many, turn) <= 2 * steps(few, turn)


def test_few_that_are_due_are_found_among_many_that_are_not() -> None:
    """Also where there is room for more than are due: those whose time has not come are not looked at."""

    def fill_up(db: Connection) -> object:
        return starts.next_due(db, NOW, 32, standin=False)

    few, many = waiting("its time", FEW), waiting("its time", MANY)
    assert len(many.read(lambda db: starts.next_due(db, NOW, 32, standin=False))) == 1
    assert steps(many, fill_up) <= 2 * steps(few, fill_up)


def test_thousands_that_are_due_are_not_sorted() -> None:
    """The best ones come first all the same."""

    def fill_up(db: Connection) -> list[starts.Due]:
        return starts.next_due(db, NOW, 5, standin=False)

    many = waiting("its turn", MANY)
    assert [due.id[-4:] for due in many.read(fill_up)] == ["1000", "0000", "0001", "0002", "0003"]
    assert steps(many, fill_up) < MANY


def test_a_chain_of_thousands_is_looked_through_for_circles_once() -> None:
    """A runner that starts with them looks at each a few times, and not at all of them for each."""
    chain = waiting("the one before it", MANY)

    def start(db: Connection) -> None:
        needs.unsettle(db)
        assert needs.settle(db) == needs.Settled((), ())

    assert steps(chain, start) < 200 * MANY


def test_the_end_of_one_looks_at_those_that_wait_for_it() -> None:
    """It does not walk the rest of the chain."""
    chain = waiting("the one before it", MANY)

    def end_first(db: Connection) -> needs.Settled:
        db.execute("UPDATE tasks SET state = 'completed' WHERE name = 'first'")
        return needs.settle(db)

    assert steps(chain, end_first) < MANY
    assert chain.read(lambda db: tasks.get(db, "kimi-1800000000-00000000")).state == "available"  # type: ignore[union-attr]
