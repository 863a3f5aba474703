"""What can still be read of a damaged journal, and the new one that it goes into."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kimi_hooks.journal import checks
from kimi_hooks.journal.store import Connection, DatabaseError, Row, connect_as_is
from kimi_hooks.states import State
from kimi_hooks.task_id import is_id

TABLES = ("facts", "switched_off", "dedupe", "notifications", "moments", "tasks", "needs", "said", "sends",
          "deliveries", "hook_runs")  # fmt: skip


@dataclass
class Salvaged:
    """How many rows of each table were read; `cut` are the tables of which something, or everything, is lost."""

    rows: dict[str, int] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)


def is_whole(file: Path) -> bool:
    """Tell whether the journal can be opened, and SQLite finds nothing wrong with it."""
    try:
        with closing(connect_as_is(file)) as db:
            return not checks.integrity(db)
    except (DatabaseError, OSError):
        return False


def copy(file: Path, target: Path) -> bool:
    """Copy the journal and what belongs to it, to be read there; tell whether there is anything to read."""
    if not file.is_file() or not file.stat().st_size:
        return False
    shutil.copyfile(file, target)
    wal = file.with_name(f"{file.name}-wal")
    if wal.is_file():
        shutil.copyfile(wal, target.with_name(f"{target.name}-wal"))
    return True


def pour(source: Path, db: Connection) -> Salvaged:
    """Put all rows of the source that can be read, and make sense, into an empty journal."""
    found = Salvaged()
    try:
        with closing(connect_as_is(source)) as old:
            for table in TABLES:
                _pour_table(old, db, table, found)
    except DatabaseError:
        found.cut.extend(table for table in TABLES if table not in found.rows)
    return found


def _pour_table(old: Connection, db: Connection, table: str, found: Salvaged) -> None:
    columns = {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}
    count, seen = 0, set()
    is_cut = False
    # From both ends: what lies between the first and the last damaged page is lost.
    for order in ("ASC", "DESC"):
        try:
            for row in _rows(old, table, order):
                values = {name: row[name] for name in row.keys() if name in columns}  # noqa: SIM118 - sqlite3.Row
                key = tuple(values.values())
                if key not in seen and _is_sound(table, values):
                    seen.add(key)
                    count += _insert(db, table, values)
        except (DatabaseError, UnicodeDecodeError, OverflowError):
            is_cut = True
        if not is_cut:
            break
    found.rows[table] = count
    if is_cut:
        found.cut.append(table)


def _rows(old: Connection, table: str, order: str) -> Iterator[Row]:
    has_rowid = table not in {"facts", "switched_off", "dedupe", "needs", "said", "moments"}
    key = "rowid" if has_rowid else ", ".join(f"{name} {order}" for name in _keys(old, table))
    # NOT INDEXED: what an index says may be what is damaged.
    return iter(old.execute(f"SELECT * FROM {table} NOT INDEXED ORDER BY {key} {order if has_rowid else ''}"))  # noqa: S608 - ours


def _keys(old: Connection, table: str) -> list[str]:
    return [row["name"] for row in old.execute(f"PRAGMA table_info({table})") if row["pk"]] or ["1"]


def _insert(db: Connection, table: str, values: dict[str, Any]) -> int:
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join("?" * len(values))
    with suppress(DatabaseError):
        statement = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own schema
        return db.execute(statement, tuple(values.values())).rowcount
    return 0


def _is_sound(table: str, values: dict[str, Any]) -> bool:
    """Tell whether a row can be believed: bytes that were overwritten may still be read as a row."""
    texts = ("id", "task_id", "event_id", "hook_id", "state", "key", "value", "event", "name", "spec", "ref")
    if any(name in values and not isinstance(values[name], str) for name in texts):
        return False
    if table == "tasks":
        is_read = _is_json(values["spec"], dict) and _is_json(values.get("warnings", "[]"), list)
        return is_read and is_id(values["id"]) and values["state"] in list(State)
    return not values.get("task_id") or is_id(values["task_id"])


def _is_json(text: object, kind: type) -> bool:
    """Tell whether a text is whole: the end of a long one lies on pages of its own, which may be damaged alone."""
    try:
        return isinstance(text, str) and isinstance(json.loads(text), kind)
    except ValueError:
        return False
