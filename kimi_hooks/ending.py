"""How every task ends: the result on the disk, then the row and the news it owes in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kimi_hooks import events, results, turns
from kimi_hooks.clock import iso
from kimi_hooks.hooks import engine
from kimi_hooks.journal import deliveries, tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.logs import transition
from kimi_hooks.parts import Parts
from kimi_hooks.states import Outcome
from kimi_hooks.task import Task


@dataclass(frozen=True)
class Failure:
    """Why a task failed: `kind` is one of the words that `TaskFailed` matches on."""

    kind: str
    message: str
    http_status: int | None = None
    request_id: str | None = None


def end(parts: Parts, entry: Entry, task: Task, turn: Mapping[str, Any] | None, failure: Failure | None) -> None:
    """End a task that has a row: done when there is no failure. Raises as `publish`."""
    publish(parts, build(entry, task, turn, failure, parts.clock.now(), parts.settings.current.get("KIMI_MODEL")))


def publish(parts: Parts, result: Mapping[str, Any]) -> None:
    """Put a finished result into `results/`, and bring the journal in step. Raises OSError and JournalError."""
    try:
        results.write(parts.workspace.results, result)
    except OSError:
        # The answer may have been paid for: kept on our own disk, it is not asked for again.
        turns.keep(parts.workspace.turns, result)
        raise
    settle(parts, result)
    turns.forget(parts.workspace.turns, result["task_id"])


def has_result(parts: Parts, task_id: str) -> bool:
    """Tell whether the task's end is on the disk already, wherever that could be written."""
    there = results.read(parts.workspace.results, task_id)
    return there is not None or turns.kept(parts.workspace.turns, task_id) is not None


def carry_on(parts: Parts, task_id: str) -> bool:
    """Finish what stopped between a task's end and its row; tell whether there was anything. Raises as `publish`."""
    there = results.read(parts.workspace.results, task_id)
    kept = turns.kept(parts.workspace.turns, task_id) if there is None else None
    if there is not None:
        settle(parts, there)
    elif kept is not None:
        publish(parts, kept)
    return there is not None or kept is not None


def settle(parts: Parts, result: Mapping[str, Any]) -> None:
    """Bring the journal in step with a result that is on the disk, and owe its news."""
    parts.journal.write(lambda db: record(db, parts, result))
    # Before the line: what the log goes to may be a terminal that was stopped.
    parts.bell.ring()
    kind = result["error"]["kind"] if result["error"] else None
    transition(
        result["task_id"],
        Outcome(result["outcome"]).state,
        outcome=result["outcome"],
        tokens=result["tokens"]["total"],
        ms=result["duration_ms"],
        kind=kind,
        why=result["error"]["message"] if result["error"] else None,
    )


def record(db: Connection, parts: Parts, result: Mapping[str, Any]) -> None:
    """Finish the row and insert the deliveries, inside the caller's transaction."""
    kind = result["error"]["kind"] if result["error"] else None
    now = parts.clock.now()
    tasks.finish(db, result["task_id"], Outcome(result["outcome"]), kind, now)
    deliveries.owe(db, engine.owed(parts.config, events.of_result(result)), now)


def build(
    entry: Entry,
    task: Task,
    turn: Mapping[str, Any] | None,
    failure: Failure | None,
    now: float,
    default_model: str | None,
) -> dict[str, Any]:
    """Return the result file's content, every key of it."""
    answered = turn or results.NO_TURN
    requested = task.model or default_model
    outcome = _outcome(failure)
    return {
        "task_id": entry.id,
        "task_name": entry.name,
        "status": outcome,
        "outcome": outcome,
        "model": answered["model"] or requested,
        "requested_model": requested,
        "output": answered["text"],
        "reasoning": answered["reasoning"],
        "finish_reason": answered["finish_reason"],
        "tokens": answered["tokens"],
        "cost": answered["cost"],
        "turns": 1 if turn else 0,
        "attempts": entry.attempts,
        "crashes": entry.crashes,
        "created_at": iso(entry.created_at),
        "started_at": iso(entry.started_at),
        "completed_at": iso(now),
        "duration_ms": int((now - entry.started_at) * 1000) if entry.started_at else 0,
        "group": entry.group,
        "channel": task.channel,
        "account": task.account,
        "thread_id": task.thread_id,
        "reply_to": task.reply_to,
        "metadata": task.metadata,
        "warnings": [*entry.warnings, *answered["warnings"], *([results.STANDIN_WARNING] if entry.standin else [])],
        "error": _error(failure),
        "standin": entry.standin,
        "acknowledged_at": None,
    }


def _outcome(failure: Failure | None) -> Outcome:
    if failure is None:
        return Outcome.DONE
    return Outcome.TIMEOUT if failure.kind == "timeout" else Outcome.FAILED


def _error(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "kind": failure.kind,
        "message": failure.message,
        "http_status": failure.http_status,
        "request_id": failure.request_id,
    }
