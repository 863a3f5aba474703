"""Results and the rows of their tasks: each ended task has both, and they say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kimi_hooks import events, owing, results, turns
from kimi_hooks.checking import aside
from kimi_hooks.checking.findings import Case, Finding
from kimi_hooks.clock import parse_iso
from kimi_hooks.ending import settle
from kimi_hooks.journal import checks, restoring
from kimi_hooks.journal.store import Connection
from kimi_hooks.states import ENDED, Outcome, State
from kimi_hooks.task import Task
from kimi_hooks.task_id import is_id

_KEYS = ("account", "acknowledged_at", "attempts", "channel", "completed_at", "cost", "crashes", "created_at",
         "duration_ms", "error", "finish_reason", "group", "metadata", "model", "outcome", "output", "reasoning",
         "reply_to", "requested_model", "standin", "started_at", "status", "task_id", "task_name", "thread_id",
         "tokens", "turns", "warnings")  # fmt: skip
_MOST = 1 << 53
_TOKENS = ("prompt", "completion", "total", "cached", "reasoning")
_LOST = "its answer is lost: there is no results/{id}.json"
_GET_BACK = (
    "put the file back from a copy, or have it asked, and paid for, again: kimi-hooks retry {id}; kimi-hooks ack {id} "
    "says that you know of it"
)


def damaged(case: Case) -> Iterator[Finding]:
    """Every `results/<id>.json` is a result, of that task."""
    for file in _files(case):
        wrong = _wrong(file)
        if wrong is not None:
            move = partial(aside.put, case.parts.workspace, file, wrong)
            yield Finding(f"results/{file.name}", wrong, "moved to spool/damaged/", move)


def kept(case: Case) -> Iterator[Finding]:
    """A result that was kept in `spool/turns/` belongs to a task that is open."""
    workspace = case.parts.workspace
    rows = case.parts.journal.read(checks.task_rows)
    states, retried = {row["id"]: row["state"] for row in rows}, {row["id"]: row["retried"] for row in rows}
    for folder in workspace.turns.iterdir():
        result = turns.kept(workspace.turns, folder.name, retried.get(folder.name, 0))
        is_open = folder.name in states and states[folder.name] not in ENDED
        if result and not is_open and is_result(result, folder.name) and not _is_there(case, folder.name):
            write = partial(results.write, workspace.results, result)
            yield Finding(f"spool/turns/{folder.name}", "a result lies here, and not in results/", "put there", write)


def without_row(case: Case) -> Iterator[Finding]:
    """Of every result the journal knows; else its row is made anew, and hooks are told unless somebody has seen it."""
    found = [file for file in _files(case) if _wrong(file) is None]
    rows = case.parts.journal.read(checks.task_rows)
    known = {row["id"] for row in rows}
    lost = [results.read(case.parts.workspace.results, file.stem) for file in found if file.stem not in known]
    in_order = sorted((one for one in lost if one), key=lambda one: str(one["completed_at"]))
    for number, result in enumerate(in_order, 1):
        insert = partial(_insert, case, result, is_last=number == len(in_order))
        yield Finding(f"results/{result['task_id']}.json", "the journal does not know of it", "it does now", insert)


def still_open(case: Case) -> Iterator[Finding]:
    """A task that has a result has ended. What a crash may leave is left to the next start."""
    for row in case.parts.journal.read(checks.task_rows):
        if row["state"] in {State.AVAILABLE, State.RETRYABLE, State.HELD}:
            result = results.read(case.parts.workspace.results, row["id"])
            if result is not None and result.get("retried", 0) >= row["retried"]:
                end = partial(_end, case, result)
                what = f"it is {row['state']}, and has a result"
                yield Finding(f"spool/journal.db, {row['id']}", what, "ended as the result says", end)


def disagreeing(case: Case) -> Iterator[Finding]:
    """Row and result say the same; the result is the truth, for it was there first."""
    for row in case.parts.journal.read(checks.task_rows):
        if row["state"] not in ENDED:
            continue
        result = results.read(case.parts.workspace.results, row["id"])
        if result is None:
            yield from _without_result(case, row)
        elif wrong := _differences(row, result):
            what = ", ".join(f"{name} is {there!r} there and {here!r} in the journal" for name, here, there in wrong)
            agree = partial(restoring.agree, result=result, now=case.now)
            mend = partial(case.parts.journal.write, agree)
            yield Finding(f"results/{row['id']}.json", what, "put right", mend)


def is_result(value: object, task_id: str) -> bool:
    """Tell whether this is a task's result, with all that other parts of the program rely on."""
    if not isinstance(value, dict) or value.get("task_id") != task_id or any(key not in value for key in _KEYS):
        return False
    if value["outcome"] not in list(Outcome):
        return False
    tokens, error = value.get("tokens"), value.get("error")
    is_told = isinstance(error, dict) and isinstance(error.get("kind"), str) and "message" in error
    return (
        isinstance(value.get("output"), str)
        and isinstance(tokens, dict)
        and all(_is_count(tokens.get(name)) for name in _TOKENS)
        and (error is None if value["outcome"] == Outcome.DONE else is_told)
        and all(_is_count(count) for count in (value["attempts"], value["crashes"], value.get("retried", 0)))
        and isinstance(value["task_name"], str)
        and (value["acknowledged_at"] is None or _is_instant(value["acknowledged_at"]))
        and _is_instant(value["completed_at"])
        and _is_cost(value["cost"])
        and isinstance(value["warnings"], list)
        and all(isinstance(told, str) for told in value["warnings"])
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= _MOST


def _is_instant(value: object) -> bool:
    try:
        parse_iso(str(value))
    except ValueError:
        return False
    return True


def _is_cost(value: object) -> bool:
    if value is None:
        return True
    return (
        isinstance(value, dict)
        and isinstance(value.get("amount"), int | float)
        and isinstance(value.get("currency"), str)
    )


def _without_result(case: Case, row: Any) -> Iterator[Finding]:
    # Who has acknowledged it may have removed it.
    if row["acknowledged_at"] is None and turns.kept(case.parts.workspace.turns, row["id"], row["retried"]) is None:
        remedy = _GET_BACK.format(id=row["id"])
        yield Finding(f"spool/journal.db, {row['id']}", _LOST.format(id=row["id"]), remedy)


def _differences(row: Any, result: Mapping[str, Any]) -> list[tuple[str, object, object]]:
    compared = {
        "outcome": (row["outcome"], result["outcome"]),
        "error": (row["error_kind"], (result["error"] or {}).get("kind")),
        "attempts": (row["attempts"], result["attempts"]),
        "crashes": (row["crashes"], result["crashes"]),
        "retried": (row["retried"], result.get("retried", 0)),
    }
    # An acknowledgement on its way is written at the next start.
    if row["ack_written"]:
        compared["acknowledged"] = (row["acknowledged_at"] is not None, result["acknowledged_at"] is not None)
    return [(name, here, there) for name, (here, there) in compared.items() if here != there]


def _files(case: Case) -> Iterator[Path]:
    return (file for file in sorted(case.parts.workspace.results.glob("*.json")) if is_id(file.stem))


def _wrong(file: Path) -> str | None:
    """Return what is wrong with a result's file, None when it is one. Raises OSError when it cannot be read."""
    if not file.is_file():
        return "it is no file"
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return "it is no JSON"
    return None if is_result(value, file.stem) else "it is no result of this task"


def _is_there(case: Case, task_id: str) -> bool:
    return results.read(case.parts.workspace.results, task_id) is not None


def _insert(case: Case, result: Mapping[str, Any], *, is_last: bool) -> None:
    config = case.parts.newest_config

    def insert(db: Connection) -> None:
        restoring.ended(db, result, _spec(case, result), case.now)
        if is_last:
            restoring.renumber(db)
        if result["acknowledged_at"] is None and case.owes_all is not False:
            owing.owe(db, config, events.of_result(result), case.now)

    case.parts.journal.write(insert)


def _end(case: Case, result: Mapping[str, Any]) -> None:
    settle(case.parts, result)
    case.parts.journal.write(partial(restoring.bill, result=result, now=case.now))


def _spec(case: Case, result: Mapping[str, Any]) -> str:
    """Return what the task's file said, as far as anything tells: its own file, or the first line of the transcript."""
    prompt = None
    try:
        with case.parts.workspace.transcript_file(result["task_id"]).open("rb") as lines:
            prompt = json.loads(lines.readline())["message"]["content"]
        return Task.model_validate_json(restoring.spec_of(result, prompt)).model_dump_json()
    except (OSError, ValueError, LookupError, TypeError):
        return restoring.spec_of(result, None)
