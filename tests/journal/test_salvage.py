"""Of a damaged journal, rows are believed that make sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from kimi_hooks.journal import salvage, tasks
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.task import Task

WHOLE, DAMAGED = "kimi-1800000000-aaaaaaaa", "kimi-1800000000-bbbbbbbb"


@pytest.mark.parametrize(
    "damage",
    ["spec = substr(spec, 1, 100) || char(0)", "spec = substr(spec, 1, 100)", "warnings = '['", "warnings = 7"],
)
def test_a_task_whose_text_is_cut_is_not_believed(tmp_path: Path, damage: str) -> None:
    """Its file or its result tells of it; the row would be tried in vain for ever."""

    def fill(db: Connection) -> None:
        for task_id in (WHOLE, DAMAGED):
            task = Task(prompt="A long text. " * 20, name="long")
            tasks.accept(db, tasks.fresh(task_id, task, [], 0.0), task)
        db.execute(f"UPDATE tasks SET {damage} WHERE id = ?", (DAMAGED,))

    old, new = Journal(tmp_path / "old.db"), Journal(None)
    old.write(fill)
    old.close()
    assert new.write(lambda db: salvage.pour(tmp_path / "old.db", db)).rows["tasks"] == 1
    assert new.read(lambda db: tasks.get(db, WHOLE)) is not None
    assert new.read(lambda db: tasks.get(db, DAMAGED)) is None
