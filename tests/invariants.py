"""What must be true of a workspace at rest, whatever was killed when: read from the disk and the journal alone.

At rest means that no runner is there, and that `run --drain` has come to its end.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kimi_hooks.atomic import TEMPORARY_PREFIX
from kimi_hooks.config import Config
from kimi_hooks.events import COMPLETED, FAILED, Event, of_result
from kimi_hooks.hooks import engine
from kimi_hooks.journal import moments, notifications
from kimi_hooks.results import LATEST, MAX_PENDING, OUTPUT, PENDING
from kimi_hooks.states import ENDED, Outcome, State
from kimi_hooks.task_id import is_id
from kimi_hooks.workspace import Workspace, read_config

K = TypeVar("K")
Row = sqlite3.Row
TOLD = frozenset({"delivered", "gave_up"})
# Results tell of so many digits of money.
_LEAST_AMOUNT = 1e-5


@dataclass(frozen=True)
class _Seen:
    """One look at everything. `results` are those of tasks, by id; None where the file is not a result."""

    workspace: Workspace
    config: Config
    rows: Mapping[str, Row]
    results: Mapping[str, dict[str, Any] | None]
    sends: Mapping[str, list[Row]]
    deliveries: Mapping[tuple[str, str], Row]
    runs: Mapping[tuple[str, str], list[Row]]
    events: list[Event]
    off: frozenset[str]
    damage: list[str]

    def ended(self) -> Iterator[tuple[Row, dict[str, Any]]]:
        """Yield the ended tasks with their results, where both are there."""
        for task_id, row in self.rows.items():
            result = self.results.get(task_id)
            if row["state"] in ENDED and row["ended"] is not None and result is not None:
                yield row, result

    def is_open(self, task_id: str) -> bool:
        return task_id in self.rows and self.rows[task_id]["state"] not in ENDED


def violations(workspace: Workspace) -> list[str]:
    """Return what is broken of the promises, a line for each; nothing is written."""
    seen = _look(workspace)
    return [told for rule in _RULES for told in rule(seen)]


def _look(workspace: Workspace) -> _Seen:
    with closing(sqlite3.connect(f"{workspace.journal_file.as_uri()}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        rows = {row["id"]: row for row in db.execute("SELECT * FROM tasks ORDER BY seq")}
        return _Seen(
            workspace=workspace,
            config=read_config(workspace, or_last_good=True),
            rows=rows,
            results=_results(workspace, rows),
            sends=_by_key(db, "SELECT * FROM sends ORDER BY seq", lambda row: str(row["task_id"])),
            deliveries={_key(row): row for row in db.execute("SELECT * FROM deliveries")},
            runs=_by_key(db, "SELECT * FROM hook_runs ORDER BY seq", _key),
            events=_told_by_journal(db),
            off=frozenset(row["hook_id"] for row in db.execute("SELECT hook_id FROM switched_off")),
            damage=[row[0] for row in db.execute("PRAGMA quick_check") if row[0] != "ok"],
        )


def _results(workspace: Workspace, rows: Mapping[str, Row]) -> dict[str, dict[str, Any] | None]:
    files = (file for file in workspace.results.glob("*.json") if is_id(file.stem) or file.stem in rows)
    return {file.stem: _result(file) for file in files}


def _result(file: Path) -> dict[str, Any] | None:
    """Return the result in the file; None for what is not one: it tells why a task failed, and only then."""
    value = _read(file)
    is_one = value is not None and (value.get("outcome") == Outcome.DONE) == (value.get("error") is None)
    return value if is_one else None


def _read(file: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _key(row: Row) -> tuple[str, str]:
    return row["event_id"], row["hook_id"]


def _by_key(db: sqlite3.Connection, query: str, key: Callable[[Row], K]) -> dict[K, list[Row]]:
    found: dict[K, list[Row]] = defaultdict(list)
    for row in db.execute(query):
        found[key(row)].append(row)
    return found


def _told_by_journal(db: sqlite3.Connection) -> list[Event]:
    """Return the events of which no result tells."""
    asked = (("notifications", notifications.get), ("moments", moments.get))
    found = [
        get(db, row["event_id"])
        for table, get in asked
        for row in db.execute(f"SELECT event_id FROM {table}").fetchall()
    ]
    return [event for event in found if event is not None]


def _journal_is_whole(seen: _Seen) -> Iterator[str]:
    for told in seen.damage:
        yield f"the journal is damaged: {told}"


def _one_state(seen: _Seen) -> Iterator[str]:
    """Each task is in one state, and its row says nothing else beside."""
    for task_id, row in seen.rows.items():
        is_over = row["state"] in ENDED
        if row["state"] not in list(State) or row["state"] == State.EXECUTING:
            yield f"{task_id}: at rest it is {row['state']}"
        if is_over and Outcome(row["outcome"] or Outcome.DONE).state != row["state"]:
            yield f"{task_id}: {row['state']} with the outcome {row['outcome']}"
        for column in ("outcome", "ended", "completed_at"):
            if (row[column] is not None) != is_over:
                yield f"{task_id}: {row['state']}, and {column} is {row[column]}"
        if (row["hold_reason"] is not None) != (row["state"] == State.HELD):
            yield f"{task_id}: {row['state']}, held for {row['hold_reason']}"
        if is_over and (row["gate"] is not None or row["cancel_at"] is not None):
            yield f"{task_id}: {row['state']}, and waits at {row['gate']}, or for its end"


def _one_result(seen: _Seen) -> Iterator[str]:
    """An ended row has a result with the same id and outcome; no other task has one."""
    for task_id, row in seen.rows.items():
        if row["state"] in ENDED and seen.results.get(task_id) is None:
            yield f"{task_id}: {row['state']}, and there is no result"
    for task_id, result in seen.results.items():
        if task_id not in seen.rows:
            yield f"{task_id}: there is a result, and no row"
        elif result is None or result.get("task_id") != task_id:
            yield f"{task_id}: its result is not one, or is another task's"
        elif seen.is_open(task_id) and result.get("retried", 0) >= seen.rows[task_id]["retried"]:
            yield f"{task_id}: there is a result, and its row is {seen.rows[task_id]['state']}"


def _results_agree(seen: _Seen) -> Iterator[str]:
    """A result says what its row says."""
    for row, result in seen.ended():
        is_seen = row["acknowledged_at"] is not None
        kind = result["error"]["kind"] if result["error"] else None
        said = {
            "outcome": (result["outcome"], row["outcome"]),
            "error": (kind, row["error_kind"]),
            "attempts": (result["attempts"], row["attempts"]),
            "crashes": (result["crashes"], row["crashes"]),
            "retried": (result.get("retried", 0), row["retried"]),
            "status": (result["status"], "acknowledged" if is_seen else row["outcome"]),
            "acknowledged_at": (result["acknowledged_at"] is not None, is_seen),
            "ack_written": (row["ack_written"], 1),
        }
        for name, (there, wanted) in said.items():
            if there != wanted:
                yield f"{row['id']}: {name} is {there!r} in its result, and should be {wanted!r}"
        if result["crashes"] and not result["warnings"]:
            yield f"{row['id']}: a call was repeated, and no warning says so"


def _bill_agrees(seen: _Seen) -> Iterator[str]:
    """Tokens and cost of a result are the sum of the calls that are on record."""
    for row, result in seen.ended():
        # Earlier versions kept no record; calls of the imitation are never recorded.
        if "retried" in result and not result["standin"]:
            yield from _billed(row["id"], result, seen.sends.get(row["id"], []))


def _billed(task_id: str, result: Mapping[str, Any], sends: list[Row]) -> Iterator[str]:
    sums = {name: sum(send[name] or 0 for send in sends) for name in ("prompt", "completion", "cached", "reasoning")}
    amount = sum(send["amount"] or 0.0 for send in sends)
    told = {name: result["tokens"][name] for name in sums}
    was_retried = result["retried"] > 0
    if told != sums and not (was_retried and all(told[name] <= sums[name] for name in sums)):
        yield f"{task_id}: its tokens are {told}, its calls took {sums}"
    if len(sends) != result["attempts"] and not (was_retried and len(sends) > result["attempts"]):
        yield f"{task_id}: {result['attempts']} attempts, and {len(sends)} calls on record"
    if result["cost"] and abs(result["cost"]["amount"] - amount) > _LEAST_AMOUNT and not was_retried:
        yield f"{task_id}: its cost is {result['cost']['amount']}, its calls took {amount}"


def _no_open_send(seen: _Seen) -> Iterator[str]:
    for task_id, sends in seen.sends.items():
        if any(send["ended_at"] is None for send in sends):
            yield f"{task_id}: a call is under way on record"


def _all_told(seen: _Seen) -> Iterator[str]:
    """Each hook that wants an event has its delivery; what is owed has been told, or given up, and is on record."""
    for event in [*seen.events, *(of_result(result) for _, result in seen.ended())]:
        for owed in engine.owed(seen.config, event):
            if (event.event_id, owed.hook_id) not in seen.deliveries and owed.hook_id not in seen.off:
                yield f"{event.event_id}: the hook {owed.hook_id} is not owed it"
    for key, delivery in seen.deliveries.items():
        if delivery["state"] not in TOLD:
            yield f"{key[0]}: its delivery to {key[1]} is {delivery['state']}"
        elif delivery["state"] not in [run["outcome"] for run in seen.runs.get(key, [])]:
            yield f"{key[0]}: its delivery to {key[1]} is {delivery['state']}, and no run is on record"


def _no_news_without_result(seen: _Seen) -> Iterator[str]:
    """What a hook was told of a task's end is how it ended, or once had ended."""
    for (event_id, hook_id), delivery in seen.deliveries.items():
        row = seen.rows.get(delivery["task_id"])
        name = event_id.removeprefix(f"{delivery['task_id']}-").partition("-")[0]
        if row is None or name not in {COMPLETED.name, FAILED.name} or row["retried"]:
            continue
        if name != (COMPLETED.name if row["outcome"] == Outcome.DONE else FAILED.name):
            yield f"{event_id}: {hook_id} is told this of a task whose outcome is {row['outcome']}"


def _files_of_open_tasks(seen: _Seen) -> Iterator[str]:
    """What lies in `spool/` belongs to tasks that have not ended, and theirs is all there."""
    workspace = seen.workspace
    for file in workspace.incoming.iterdir():
        yield f"spool/incoming/{file.name}: left there"
    for folder in (workspace.accepted, workspace.turns):
        for file in folder.iterdir():
            if not seen.is_open(file.name.partition("__")[0]):
                yield f"spool/{folder.name}/{file.name}: its task has ended, or is not known"
    for task_id, row in seen.rows.items():
        if seen.is_open(task_id):
            missing = [file for file in _wanted(workspace, row) if not file.is_symlink() and not file.exists()]
            yield from (f"{task_id}: {row['state']}, and {file} is gone" for file in missing)


def _wanted(workspace: Workspace, row: Row) -> Iterator[Path]:
    if row["file"] is not None:
        yield workspace.accepted / row["file"]
    for turn in range(1, row["turns"] + 1):
        yield workspace.turns / row["id"] / f"{turn}.json"


def _refused_files_are_kept(seen: _Seen) -> Iterator[str]:
    """A refused file lies beside its reason."""
    names = {file.name for file in seen.workspace.rejected.iterdir() if not file.name.startswith(TEMPORARY_PREFIX)}
    ending = ".reason.txt"
    for name in names:
        if name.removesuffix(ending) not in names or (not name.endswith(ending) and name + ending not in names):
            yield f"spool/rejected/{name}: without its file or its reason"


def _no_leftovers(seen: _Seen) -> Iterator[str]:
    """No half-written file is left; in `spool/` itself other processes may be writing, so there it goes an hour later."""
    spool = seen.workspace.spool
    for folder in (seen.workspace.results, *(path for path in spool.rglob("*") if path.is_dir())):
        for file in folder.glob(f"{TEMPORARY_PREFIX}*"):
            yield f"{file.relative_to(seen.workspace.home)}: left there"


def _pending_is_right(seen: _Seen) -> Iterator[str]:
    """`pending-wake.json` lists what has ended and was not acknowledged, the newest first."""
    ended = sorted((row for row, _ in seen.ended()), key=lambda row: -row["ended"])
    wanted = [(row["id"], row["name"], row["outcome"]) for row in ended if row["acknowledged_at"] is None]
    there = _read(seen.workspace.results / PENDING) or {"pending": [], "more": 0}
    listed = [(entry["task_id"], entry["task_name"], entry["status"]) for entry in there["pending"]]
    if (listed, there["more"]) != (wanted[:MAX_PENDING], max(0, len(wanted) - MAX_PENDING)):
        yield f"{PENDING} lists {listed} and {there['more']} more, and should list {wanted}"


def _latest_is_right(seen: _Seen) -> Iterator[str]:
    """`latest.json` is the result of the task that ended last, `task-output.txt` its text."""
    ended = max((row for row, _ in seen.ended()), key=lambda row: int(row["ended"]), default=None)
    if ended is None:
        return
    wanted, there = seen.results[ended["id"]], _read(seen.workspace.results / LATEST)
    if there != wanted:
        yield f"{LATEST} is of {there and there.get('task_id')}, and should be as the result of {ended['id']}"
    output = seen.workspace.results / OUTPUT
    if wanted is not None and (not output.exists() or output.read_text() != wanted["output"]):
        yield f"{OUTPUT} is not the text of {ended['id']}"


_RULES: tuple[Callable[[_Seen], Iterator[str]], ...] = (
    _journal_is_whole,
    _one_state,
    _one_result,
    _results_agree,
    _bill_agrees,
    _no_open_send,
    _all_told,
    _no_news_without_result,
    _files_of_open_tasks,
    _refused_files_are_kept,
    _no_leftovers,
    _pending_is_right,
    _latest_is_right,
)
