"""What must not stand in the journal, and how it is put right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kimi_hooks import taken
from kimi_hooks.events import CREATED
from kimi_hooks.journal.deliveries import Delivery, HookRun, RunOutcome, keep
from kimi_hooks.journal.lanes import OPEN_STATES
from kimi_hooks.journal.store import Connection, Row
from kimi_hooks.states import ENDED, Outcome, State

MOST = 20
_OUTCOMES = {State.COMPLETED: Outcome.DONE, State.FAILED: Outcome.FAILED, State.CANCELLED: Outcome.CANCELLED}
_TABLES = ("tasks", "needs", "dedupe", "sends", "deliveries", "hook_runs", "facts", "notifications", "said", "moments",
           "switched_off", "unsettled")  # fmt: skip
_NUMBERED = ("tasks", "sends", "deliveries", "hook_runs", "notifications")
_LEAST = {"timeout": 3600.0}
# Stands for the next number of an ending.
_NEXT = "next"
_DELIVERY_STATES = json.dumps([*sorted(OPEN_STATES), "delivered", "gave_up"])


def no_numbers(db: Connection) -> list[tuple[str, str, int]]:
    """Return tables, columns and counts of what is text where a number belongs: SQLite takes what it is given."""
    found = []
    for table in _NUMBERED:
        for column in _numbers(db, table):
            query = f"SELECT count(*) FROM {table} WHERE typeof({column}) IN ('text', 'blob')"  # noqa: S608 - names of ours
            found += [(table, column, count)] if (count := db.execute(query).fetchone()[0]) else []
    return found


def put_number(db: Connection, table: str, column: str, now: float) -> None:
    """Put in place of each such text what says least: nothing where that may be, now for an instant, else 0."""
    kind, may_be_null, default = _numbers(db, table)[column]
    least = None if may_be_null else default or _LEAST.get(column, now if kind == "REAL" else 0)
    query = f"UPDATE {table} SET {column} = ? WHERE typeof({column}) IN ('text', 'blob')"  # noqa: S608 - as above
    db.execute(query, (least,))


def _numbers(db: Connection, table: str) -> dict[str, tuple[str, bool, str | None]]:
    """Return the columns for numbers: of which kind, whether they may be empty, and their default."""
    columns = db.execute(f"PRAGMA table_info({table})").fetchall()
    return {
        row["name"]: (row["type"], not row["notnull"], row["dflt_value"]) for row in columns if row["type"] != "TEXT"
    }


def integrity(db: Connection) -> list[str]:
    """Return what SQLite finds wrong with the file, and tables that are gone; nothing when it is whole."""
    there = {row["name"] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    gone = [f"the table {table} is gone" for table in _TABLES if table not in there]
    return gone + [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({MOST})") if row[0] != "ok"]


def task_rows(db: Connection) -> list[Row]:
    """Return all rows as they are, without their text."""
    columns = ("id, state, hold_reason, gate, cancel_at, outcome, error_kind, ended, completed_at, "
               "acknowledged_at, ack_written, attempts, crashes, retried, warnings, taken, standin, file")  # fmt: skip
    return db.execute(f"SELECT {columns} FROM tasks ORDER BY seq").fetchall()  # noqa: S608 - a constant


def spec(db: Connection, task_id: str) -> str:
    return str(db.execute("SELECT spec FROM tasks WHERE id = ?", (task_id,)).fetchone()[0])


def contradictions(row: Row, now: float) -> dict[str, Any]:
    """Return the columns of a task's row that contradict the others, each with the value that does not."""
    right = _ended(row, now) if _is_over(row) else _open(row)
    right |= {"warnings": row["warnings"] if _is_list(row["warnings"]) else "[]"}
    right |= {"taken": row["taken"] if _is_taken(row["taken"]) else None}
    return {name: value for name, value in right.items() if row[name] != value}


def put_right(db: Connection, task_id: str, values: Mapping[str, Any]) -> None:
    """Give a row these values; a new ending is the newest one."""
    values = dict(values)
    if values.get("ended") == _NEXT:
        values["ended"] = db.execute("SELECT coalesce(max(ended), 0) + 1 FROM tasks").fetchone()[0]
    names = ", ".join(f"{name} = :{name}" for name in values)
    db.execute(f"UPDATE tasks SET {names} WHERE id = :task_id", {**values, "task_id": task_id})  # noqa: S608 - columns of ours


def _is_over(row: Row) -> bool:
    """Tell whether a row means an ended task; one whose state is no word goes by what else it says."""
    return row["state"] in ENDED or (row["state"] not in list(State) and row["ended"] is not None)


def _ended(row: Row, now: float) -> dict[str, Any]:
    has_outcome = row["outcome"] in list(Outcome)
    state = row["state"] if row["state"] in ENDED else Outcome(row["outcome"]).state if has_outcome else State.FAILED
    fits = has_outcome and Outcome(row["outcome"]).state == state
    return {
        "state": str(state),
        "outcome": row["outcome"] if fits else str(_OUTCOMES[State(state)]),
        "ended": row["ended"] if (row["ended"] or 0) > 0 else _NEXT,
        "completed_at": now if row["completed_at"] is None else row["completed_at"],
        **dict.fromkeys(("hold_reason", "gate", "cancel_at")),
    }


def _open(row: Row) -> dict[str, Any]:
    """Nobody pays for a task of which it is not known where it stands: it is held until a person lets it go on."""
    state = row["state"] if row["state"] in list(State) else str(State.HELD)
    reason = (row["hold_reason"] or "person") if state == State.HELD else None
    gate = CREATED.name if reason == "gate" else None if row["gate"] == CREATED.name else row["gate"]
    never = dict.fromkeys(("outcome", "ended", "completed_at", "acknowledged_at"))
    return {"state": state, "hold_reason": reason, "gate": gate, "ack_written": 1, **never}


def _is_json(text: object) -> bool:
    try:
        json.loads(str(text))
    except ValueError:
        return False
    return True


def _is_taken(text: str | None) -> bool:
    try:
        taken.read(text)
    except (ValueError, TypeError):
        return False
    return True


def _is_list(text: object) -> bool:
    return _is_json(text) and isinstance(json.loads(str(text)), list)


def lost_deliveries(db: Connection) -> list[Row]:
    """Return the deliveries of tasks that are not there."""
    where = "task_id != '' AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.id = deliveries.task_id)"
    return db.execute(f"SELECT seq, event_id, hook_id FROM deliveries WHERE {where}").fetchall()  # noqa: S608 - a constant


def odd_deliveries(db: Connection) -> list[Row]:
    """Return the deliveries in a state that there is not."""
    query = "SELECT seq, event_id, hook_id FROM deliveries WHERE state NOT IN (SELECT value FROM json_each(?))"
    return db.execute(query, (_DELIVERY_STATES,)).fetchall()


def remove_delivery(db: Connection, seq: int) -> None:
    db.execute("DELETE FROM deliveries WHERE seq = ?", (seq,))


def owe_again(db: Connection, seq: int, now: float) -> None:
    db.execute("UPDATE deliveries SET state = 'waiting', due_at = ? WHERE seq = ?", (now, seq))


def has_delivery(db: Connection, event_id: str, hook_id: str) -> bool:
    query = """SELECT 1 FROM deliveries WHERE event_id = :event AND hook_id = :hook
        UNION ALL SELECT 1 FROM switched_off WHERE hook_id = :hook"""
    return db.execute(query, {"event": event_id, "hook": hook_id}).fetchone() is not None


def give_up(db: Connection, deliveries: Iterable[Delivery], why: str, now: float) -> None:
    """Count those deliveries as given up of which there is no word."""
    for owed in deliveries:
        if not has_delivery(db, owed.event_id, owed.hook_id):
            db.execute(
                "INSERT INTO deliveries (event_id, hook_id, event, task_id, state, due_at, place) "
                "VALUES (?, ?, ?, ?, 'gave_up', ?, ?)",
                (owed.event_id, owed.hook_id, owed.event, owed.task_id or "", now, owed.place),
            )
            keep(db, _run(owed.hook_id, owed.event, owed.event_id, owed.task_id, "gave_up", why, now))


def complete_runs(db: Connection, why: str, now: float) -> None:
    """Write a record for each delivery that is over, and of whose last run there is none."""
    query = """SELECT hook_id, event, event_id, nullif(task_id, ''), state FROM deliveries
        WHERE state IN ('delivered', 'gave_up') AND NOT EXISTS (SELECT 1 FROM hook_runs
        WHERE hook_runs.event_id = deliveries.event_id AND hook_runs.hook_id = deliveries.hook_id
        AND hook_runs.outcome = deliveries.state)"""
    for row in db.execute(query).fetchall():
        keep(db, _run(row[0], row[1], row[2], row[3], row[4], why, now))


def _run(
    hook_id: str, event: str, event_id: str, task_id: str | None, outcome: RunOutcome, why: str, now: float
) -> HookRun:
    return HookRun(hook_id, event, event_id, task_id, 0, outcome, None, 0, "", why, now)


def open_sends(db: Connection) -> list[str]:
    """Return the tasks that have a call under way on record, and are not executing."""
    query = """SELECT DISTINCT task_id FROM sends WHERE ended_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM tasks WHERE tasks.id = sends.task_id AND tasks.state = 'executing')"""
    return [row["task_id"] for row in db.execute(query)]


def close_sends(db: Connection, task_id: str) -> None:
    """Let the calls of a task count as over; what they took is not known."""
    db.execute("UPDATE sends SET ended_at = sent_at WHERE task_id = ? AND ended_at IS NULL", (task_id,))


def waiting_for_nobody(db: Connection) -> list[Row]:
    """Return the held tasks that come after a task which is not there any more, and what they name it."""
    query = """SELECT tasks.id, needs.ref FROM tasks JOIN needs ON needs.task_id = tasks.id
        WHERE tasks.state = 'held' AND hold_reason = 'after' AND needed_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM tasks AS needed WHERE needed.id = needs.needed_id)"""
    return db.execute(query).fetchall()


def without_needs(db: Connection) -> list[Row]:
    """Return the held tasks whose text names others that they come after, and of whom the journal says nothing."""
    query = """SELECT id, spec FROM tasks WHERE state = 'held' AND hold_reason = 'after'
        AND NOT EXISTS (SELECT 1 FROM needs WHERE task_id = tasks.id)"""
    return db.execute(query).fetchall()


def need(db: Connection, task_id: str, refs: Iterable[str]) -> None:
    db.executemany("INSERT OR IGNORE INTO needs (task_id, ref) VALUES (?, ?)", [(task_id, ref) for ref in refs])


def name_file(db: Connection, task_id: str, file: str) -> None:
    db.execute("UPDATE tasks SET file = ? WHERE id = ?", (file, task_id))


def reindex(db: Connection) -> None:
    """Make all indexes anew from the tables."""
    db.execute("REINDEX")
