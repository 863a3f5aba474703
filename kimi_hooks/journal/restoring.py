"""Rows that are made anew from what lies on the disk: of ended tasks from their results, of open ones from answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kimi_hooks import taken
from kimi_hooks.clock import parse_iso
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.states import Outcome, State
from kimi_hooks.taken import NOTHING, Taken

_TIMEOUT = 3600.0


def ended(db: Connection, result: Mapping[str, Any], spec: str, now: float) -> None:
    """Insert the row of a task of which only its result tells, and its calls; it is the newest ending."""
    values = {
        "id": result["task_id"],
        "name": str(result.get("task_name") or result["task_id"]),
        "group": result.get("group"),
        "state": Outcome(result["outcome"]).state,
        "standin": bool(result.get("standin")),
        "timeout": _TIMEOUT,
        "created_at": _at(result, "created_at", now),
        "started_at": _at(result, "started_at", None),
        "completed_at": _at(result, "completed_at", now),
        "attempts": int(result.get("attempts") or 0),
        "crashes": int(result.get("crashes") or 0),
        "outcome": result["outcome"],
        "error_kind": (result.get("error") or {}).get("kind"),
        "acknowledged_at": _at(result, "acknowledged_at", None),
        "warnings": "[]",
        "retried": int(result.get("retried") or 0),
        "spec": spec,
    }
    db.execute(
        'INSERT INTO tasks (id, name, "group", state, priority, standin, due_at, timeout, created_at, started_at, '
        "completed_at, attempts, crashes, outcome, error_kind, acknowledged_at, warnings, retried, spec, ended) VALUES "
        "(:id, :name, :group, :state, 0, :standin, :created_at, :timeout, :created_at, :started_at, :completed_at, "
        ":attempts, :crashes, :outcome, :error_kind, :acknowledged_at, :warnings, :retried, :spec, "
        "(SELECT coalesce(max(ended), 0) + 1 FROM tasks))",
        values,
    )
    bill(db, result, now)


def run_again(db: Connection, task_id: str, retried: int, result: Mapping[str, Any] | None, now: float) -> None:
    """Let the fresh row of a task be of its nth run; what the one before took, by its result, stays on the bill."""
    created_at, took = now, NOTHING
    if result is not None:
        created_at, took = _at(result, "created_at", now), taken.of_result(result)
        took = replace(took, unpriced=int(bool(took.unpriced and any(took.tokens.values()))))
        bill(db, result, now)
    query = "UPDATE tasks SET retried = ?, created_at = ?, taken = ? WHERE id = ?"
    db.execute(query, (retried, created_at, taken.write(took), task_id))


def agree(db: Connection, result: Mapping[str, Any], now: float) -> None:
    """Let the row of an ended task say how its result says that it ended."""
    outcome = Outcome(result["outcome"])
    db.execute(
        "UPDATE tasks SET state = ?, outcome = ?, error_kind = ?, attempts = ?, crashes = ?, retried = ?, "
        "acknowledged_at = coalesce(acknowledged_at, ?), completed_at = coalesce(completed_at, ?) WHERE id = ?",
        (
            outcome.state,
            outcome,
            (result.get("error") or {}).get("kind"),
            result["attempts"],
            result["crashes"],
            result.get("retried", 0),
            _at(result, "acknowledged_at", None),
            _at(result, "completed_at", now),
            result["task_id"],
        ),
    )
    db.execute(
        "UPDATE tasks SET ack_written = 0 WHERE id = ? AND acknowledged_at IS NOT NULL AND ?",
        (result["task_id"], result.get("acknowledged_at") is None),
    )


def adopt(db: Connection, entry: Entry, answers: Sequence[Mapping[str, Any]], calls: int, now: float) -> None:
    """Let an open task be as it was when the last of its kept answers had come: a start then settles it.

    `answers` are all that are kept, `calls` is how many there must have been.
    """
    earlier = answers[:-1]
    took = [Taken(**answer["took"]) for answer in earlier]
    # What the runs before took is all that is on record of a task that was run again and not asked since.
    before = NOTHING if entry.attempts else tasks.taken_before(db, entry.id)
    db.execute(
        "UPDATE tasks SET state = ?, hold_reason = NULL, gate = NULL, attempts = ?, turns = ?, blocks = ?, taken = ?, "
        "started_at = coalesce(started_at, created_at) WHERE id = ?",
        (
            State.EXECUTING,
            calls,
            len(earlier),
            sum(bool(answer.get("whole")) for answer in earlier),
            taken.write(sum(took, before)),
            entry.id,
        ),
    )
    if not entry.standin:
        if entry.attempts:
            db.execute("DELETE FROM sends WHERE task_id = ?", (entry.id,))
        for answer, one in zip(earlier, took, strict=True):
            _send(db, entry.id, now, answer.get("model"), one)
        for _ in range(calls - len(earlier) - 1):
            _send(db, entry.id, now, None, NOTHING)
        db.execute("INSERT INTO sends (task_id, sent_at) VALUES (?, ?)", (entry.id, now))


def has_sends(db: Connection, task_id: str) -> bool:
    return db.execute("SELECT 1 FROM sends WHERE task_id = ? LIMIT 1", (task_id,)).fetchone() is not None


def renumber(db: Connection) -> None:
    """Number the endings in the order in which the tasks ended."""
    rows = db.execute("SELECT seq FROM tasks WHERE ended IS NOT NULL ORDER BY completed_at, ended").fetchall()
    db.execute("UPDATE tasks SET ended = -ended WHERE ended IS NOT NULL")
    db.executemany("UPDATE tasks SET ended = ? WHERE seq = ?", [(n, row["seq"]) for n, row in enumerate(rows, 1)])


def bill(db: Connection, result: Mapping[str, Any], now: float) -> None:
    """Record the calls of a task of which none is on record.

    What they took together stands in one, of cut ones nobody knows it. The imitation's are never recorded.
    """
    if result.get("standin") or has_sends(db, result["task_id"]):
        return
    at = _at(result, "started_at", None) or _at(result, "completed_at", now)
    attempts, crashes = int(result.get("attempts") or 0), int(result.get("crashes") or 0)
    tokens, cost = result["tokens"], result.get("cost") or {}
    known = {name: int(tokens.get(name) or 0) for name in ("prompt", "completion", "cached", "reasoning")}
    amount, currency = cost.get("amount"), cost.get("currency")
    took = Taken(**known, amount=amount or 0.0, currency=currency, unpriced=int(not cost and any(known.values())))
    # A task that was run again may have taken something before, and nothing in its last run.
    for number in range(max(attempts, int(any(known.values())))):
        is_cut = attempts - crashes <= number < attempts and number > 0
        _send(db, result["task_id"], at, result.get("model"), took if number == 0 else None if is_cut else NOTHING)


def _send(db: Connection, task_id: str, at: float, model: str | None, took: Taken | None) -> None:
    known = [None] * 4 if took is None else [took.prompt, took.completion, took.cached, took.reasoning]
    amount = None if took is None or took.unpriced or took.currency is None else took.amount
    db.execute(
        "INSERT INTO sends (task_id, sent_at, ended_at, model, prompt, completion, cached, reasoning, amount, "
        "currency) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (task_id, at, at, model, *known, amount, None if took is None else took.currency),
    )


def _at(result: Mapping[str, Any], name: str, default: float | None) -> Any:
    """Return an instant of a result in seconds since 1970; the default where it has none that can be read."""
    try:
        return default if result.get(name) is None else parse_iso(str(result[name]))
    except ValueError:
        return default


def spec_of(result: Mapping[str, Any], prompt: str | None) -> str:
    """Return the text for the row of a task whose file is gone; without a prompt it cannot be asked again."""
    names = ("group", "channel", "account", "thread_id", "reply_to", "metadata", "standin")
    told = {name: result[name] for name in names if result.get(name) is not None}
    known = {"name": result.get("task_name"), "model": result.get("requested_model"), **told}
    return json.dumps(known if prompt is None else {"prompt": prompt, **known}, ensure_ascii=False)
