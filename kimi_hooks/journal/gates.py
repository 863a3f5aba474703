"""Where tasks stand at their gates, and what gates have said to Kimi.

`tasks.gate` is the gate that a task waits at, `PROMPTED` when it was let in, NULL when there was none or it has passed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from kimi_hooks.journal import sends
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import COLUMNS, PROMPTED, Entry, entry_of


@dataclass(frozen=True)
class Said:
    """What a gate has said to Kimi, and when: seconds since 1970."""

    text: str
    at: float


def waiting(db: Connection, gate: str, limit: int) -> list[tuple[Entry, str]]:
    """Return tasks that are held for a gate, each with its text, in the order of their arrival."""
    where = "gate = ? AND hold_reason = 'gate'"
    query = f"SELECT {COLUMNS}, spec FROM tasks WHERE {where} ORDER BY seq LIMIT ?"  # noqa: S608 - ours
    return [(entry_of(row), row["spec"]) for row in db.execute(query, (gate, limit))]


def stands(db: Connection, task_id: str) -> bool:
    """Tell whether a task waits at a gate, so that no call of it is under way."""
    row = db.execute("SELECT gate FROM tasks WHERE id = ?", (task_id,)).fetchone()
    return row is not None and row["gate"] not in {None, PROMPTED}


def stand_at(db: Connection, task_id: str, gate: str) -> None:
    """Note the gate that an executing task waits at: until it is passed, nothing has left."""
    db.execute("UPDATE tasks SET gate = ? WHERE id = ?", (gate, task_id))


def admit(db: Connection, entry: Entry, *, after: bool) -> None:
    """Let an accepted task be sent, or wait for the tasks it comes after; the entry tells its warnings.

    One that a person has held meanwhile stays held.
    """
    state, reason = ("held", "after") if after else ("available", None)
    db.execute(
        "UPDATE tasks SET state = iif(hold_reason = 'person', state, ?), gate = NULL, warnings = ?, "
        "hold_reason = iif(hold_reason = 'person', hold_reason, ?) WHERE id = ?",
        (state, json.dumps(entry.warnings), reason, entry.id),
    )


def let_in(db: Connection, entry: Entry, context: str, now: float) -> None:
    """Let a task be sent, with the context that was added to its prompt: its time begins now, and its call leaves."""
    db.execute(
        "UPDATE tasks SET gate = ?, started_at = ?, deadline_at = ? + timeout, warnings = ? WHERE id = ?",
        (PROMPTED, now, now, json.dumps(entry.warnings), entry.id),
    )
    say(db, entry.id, 0, context, now)
    sends.move(db, entry.id, now)


def not_sent(db: Connection, task_id: str, due_at: float, why: str | None = None) -> None:
    """Put a task back whose call was being made ready and has not left: it is as if it had not been started.

    `why` is what went wrong, None when nothing did but the end of the runner.
    """
    db.execute(
        "UPDATE tasks SET state = ?, due_at = ?, last_error = ?, attempts = attempts - 1, deadline_at = NULL, "
        "gate = NULL WHERE id = ?",
        ("retryable" if why else "available", due_at, why, task_id),
    )
    sends.forget(db, task_id)


def not_called(db: Connection, task_id: str) -> None:
    """Take the start of a task back that needs no call: its answer is there."""
    db.execute("UPDATE tasks SET attempts = attempts - 1 WHERE id = ?", (task_id,))
    sends.forget(db, task_id)


def send_back(db: Connection, entry: Entry, reason: str, now: float) -> None:
    """Let the task wait for another answer, since a gate has refused the last one."""
    db.execute(
        "UPDATE tasks SET state = 'available', gate = NULL, blocks = blocks + 1, due_at = ?, warnings = ? WHERE id = ?",
        (now, json.dumps(entry.warnings), entry.id),
    )
    say(db, entry.id, entry.turns, reason, now)


def say(db: Connection, task_id: str, turn: int, text: str, now: float) -> None:
    """Keep what is said to Kimi after its `turn`th answer; 0: along with the prompt."""
    if text:
        query = "INSERT OR REPLACE INTO said (task_id, turn, text, at) VALUES (?, ?, ?, ?)"
        db.execute(query, (task_id, turn, text, now))


def said(db: Connection, task_id: str) -> dict[int, Said]:
    """Return what gates have said to Kimi, by the number of the answer that it followed."""
    rows = db.execute("SELECT turn, text, at FROM said WHERE task_id = ?", (task_id,))
    return {row["turn"]: Said(row["text"], row["at"]) for row in rows}
