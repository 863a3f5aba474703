"""How every task ends: the result on the disk, then the row and the news it owes in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kimi_hooks import conversation, crash_points, events, owing, results, taken, transcripts, turns
from kimi_hooks.clock import iso
from kimi_hooks.conversation import Conversation
from kimi_hooks.crash_points import Point
from kimi_hooks.hooks import command
from kimi_hooks.journal import gates, reuse, sends, tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.logs import LOGGER, transition
from kimi_hooks.parts import Parts
from kimi_hooks.states import Outcome
from kimi_hooks.taken import NO_CALL, Call, Taken
from kimi_hooks.task import Task


@dataclass(frozen=True)
class Failure:
    """Why a task failed: `kind` is one of the words that `TaskFailed` matches on."""

    kind: str
    message: str
    http_status: int | None = None
    request_id: str | None = None


CANCELLED = Failure("cancelled", "cancelled by a person")
WITHOUT_THAT = "tokens and cost are without that"
_OUTCOMES = {"timeout": Outcome.TIMEOUT, "cancelled": Outcome.CANCELLED}


def end(
    parts: Parts,
    entry: Entry,
    task: Task,
    turn: Mapping[str, Any] | None,
    failure: Failure | None,
    call: Call = NO_CALL,
    told: Conversation | None = None,
) -> None:
    """End a task that has a row: done when there is no failure. Raises as `publish`.

    `turn` is the last answer, or what had come of it, None when there is none or it is kept. `told` is what was said
    before it, for those who have read that already.
    """
    told = (told or conversation.read(parts, entry)).and_then(turn)
    write_transcript(parts, entry, task, told)
    model, silent = parts.settings.current.get("KIMI_MODEL"), sum(map(_is_silent, told.kept))
    built = build(entry, task, told.answer, failure, parts.clock.now(), model, call, silent)
    publish(parts, {**built, "turns": len(told.kept)}, call, has_kept=bool(entry.turns or entry.retried))


def write_transcript(parts: Parts, entry: Entry, task: Task, told: Conversation) -> None:
    """Bring the transcript of a task in step, if a hook may read it; nothing depends on it.

    To make a file for each task takes a tenth of what a busy runner can do, so it is made where there are gates, and
    else unless no hook speaks of it.
    """
    file, home = parts.workspace.transcript_file(entry.id), parts.workspace.home
    hooks = parts.newest_config.each_hook()
    # Before the end only hooks at gates are told of it.
    is_known = any(hook.kind.is_gate for hook in hooks)
    if not is_known and not any(command.may_mention(hook, "transcript", home) for hook in hooks):
        return
    try:
        transcripts.write(file, home, entry, task, told, is_known=is_known)
    except OSError as error:
        LOGGER.warning("%s: its transcript cannot be written: %s", entry.id, error)


def unsent(entry: Entry) -> Entry:
    """Return the entry of a task whose call was not made after all."""
    is_first = entry.attempts == 1
    return replace(entry, attempts=entry.attempts - 1, started_at=None if is_first else entry.started_at)


def publish(parts: Parts, result: Mapping[str, Any], call: Call | None = None, *, has_kept: bool = True) -> None:
    """Put a finished result into `results/`, and bring the journal in step. Raises OSError and JournalError.

    Not `has_kept`: nothing of the task lies in `spool/turns/`.
    """
    try:
        results.write(parts.workspace.results, result)
    except OSError:
        # The answer may have been paid for: kept on our own disk, it is not asked for again.
        turns.keep(parts.workspace.turns, result)
        crash_points.reached(Point.RESULT_KEPT)
        raise
    crash_points.reached(Point.RESULT_WRITTEN)
    if has_kept:
        # Before the row: once that has ended, somebody may have the task run again, and this would be of that run.
        turns.forget(parts.workspace.turns, result["task_id"])
        crash_points.reached(Point.TURNS_FORGOTTEN)
    settle(parts, result, call)


def has_result(parts: Parts, entry: Entry) -> bool:
    """Tell whether the end of the task's present run is on the disk already, wherever that could be written."""
    there = results.of_run(parts.workspace.results, entry.id, entry.retried)
    return there is not None or turns.kept(parts.workspace.turns, entry.id, entry.retried) is not None


def carry_on(parts: Parts, entry: Entry) -> bool:
    """Finish what stopped between a task's end and its row; tell whether there was anything. Raises as `publish`."""
    there = results.of_run(parts.workspace.results, entry.id, entry.retried)
    kept = turns.kept(parts.workspace.turns, entry.id, entry.retried) if there is None else None
    if there is not None:
        turns.forget(parts.workspace.turns, entry.id)
        settle(parts, there)
    elif kept is not None:
        publish(parts, kept)
    return there is not None or kept is not None


def settle(parts: Parts, result: Mapping[str, Any], call: Call | None = None) -> None:
    """Bring the journal in step with a result that is on the disk, and owe its news."""
    file = parts.journal.write(lambda db: record(db, parts, result, call))
    crash_points.reached(Point.TASK_ENDED)
    if file is not None:
        _forget_file(parts.workspace.accepted / file)
    # Before the line: what the log goes to may be a terminal that was stopped.
    parts.bell.ring()
    kind = result["error"]["kind"] if result["error"] else None
    transition(
        result["task_id"],
        Outcome(result["outcome"]).state,
        outcome=result["outcome"],
        tokens=result["tokens"]["total"],
        ms=result["duration_ms"],
        request=_request(result, call),
        kind=kind,
        why=result["error"]["message"] if result["error"] else None,
    )


def _forget_file(accepted: Path) -> None:
    """Remove the file of a task that has ended; where that fails, the next start does it."""
    with contextlib.suppress(OSError):
        accepted.unlink()
    crash_points.reached(Point.ACCEPTED_FORGOTTEN)


def _request(result: Mapping[str, Any], call: Call | None) -> str | None:
    """Return the id under which Kimi's support can look the last call up, of a good answer as well as of a failure."""
    if result["error"]:
        failed: str | None = result["error"]["request_id"]
        return failed
    return call.request_id if call else None


def record(db: Connection, parts: Parts, result: Mapping[str, Any], call: Call | None = NO_CALL) -> str | None:
    """Finish the row and insert the deliveries, inside the caller's transaction; return the name of the task's file.

    `call` is the one that was under way; None when only the result tells of it.
    """
    kind = result["error"]["kind"] if result["error"] else None
    now = parts.clock.now()
    # At a gate no call is under way: what is open was recorded for one that was not made.
    if not call.was_sent if call is not None else gates.stands(db, result["task_id"]):
        sends.forget(db, result["task_id"])
    took = _last_call(db, result) if call is None else call.took
    sends.end(db, result["task_id"], result["model"], took, now)
    if call is not None and call.fingerprint and result["outcome"] == "done":
        reuse.remember(db, result["task_id"], call.fingerprint)
    file = tasks.finish(db, result["task_id"], Outcome(result["outcome"]), kind, result["attempts"], took, now)
    owing.owe(db, parts.newest_config, events.of_result(result), now)
    return file


def _last_call(db: Connection, result: Mapping[str, Any]) -> Taken:
    """Work out what the last call took: a crash has left nothing but the result, which tells of all."""
    took = taken.of_result(result) - tasks.taken_before(db, result["task_id"])
    is_under_way = sends.under_way_since(db, result["task_id"]) is not None
    return took if took.total else taken.UNKNOWN if is_under_way else taken.NOTHING


def build(
    entry: Entry,
    task: Task,
    turn: Mapping[str, Any] | None,
    failure: Failure | None,
    now: float,
    default_model: str | None,
    call: Call = NO_CALL,
    silent: int = 0,
) -> dict[str, Any]:
    """Return the result file's content, every key of it; `silent` answers came without what they took."""
    answered = turn or results.NO_TURN
    sum_of_calls = entry.taken + call.took
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
        "tokens": sum_of_calls.tokens,
        "cost": sum_of_calls.cost,
        "turns": 1 if turn else 0,
        "attempts": entry.attempts,
        "crashes": entry.crashes,
        "retried": entry.retried,
        "created_at": iso(entry.created_at),
        "started_at": iso(entry.started_at),
        "completed_at": iso(now),
        "duration_ms": max(0, int((now - entry.started_at) * 1000)) if entry.started_at else 0,
        "group": entry.group,
        "channel": task.channel,
        "account": task.account,
        "thread_id": task.thread_id,
        "reply_to": task.reply_to,
        "metadata": task.metadata,
        "warnings": [*entry.warnings, *answered["warnings"], *_about_cost(entry, sum_of_calls, silent)],
        "error": _error(failure),
        "standin": entry.standin,
        "request_id": call.request_id,
        "reused_from": call.reused_from,
        "acknowledged_at": None,
    }


def _is_silent(turn: Mapping[str, Any]) -> bool:
    """Tell whether Kimi has answered and not said what that took."""
    return bool(turn.get("took", {}).get("unknown"))


def _about_cost(entry: Entry, took: Taken, silent: int) -> list[str]:
    if entry.standin:
        return [results.STANDIN_WARNING]
    told = []
    if took.unpriced:
        told.append("the cost is not known: no price is known for the model at this address; see `kimi-hooks models`")
    silent = min(silent, took.unknown)
    if silent:
        calls = "a call" if silent == 1 else f"{silent} calls"
        told.append(f"Kimi did not tell what {calls} took; {WITHOUT_THAT}")
    if cut := took.unknown - silent:
        calls, it = ("a call was", "it") if cut == 1 else (f"{cut} calls were", "they")
        told.append(f"{calls} cut, and may have been paid for; nobody knows what {it} took: {WITHOUT_THAT}")
    return told


def _outcome(failure: Failure | None) -> Outcome:
    if failure is None:
        return Outcome.DONE
    return _OUTCOMES.get(failure.kind, Outcome.FAILED)


def _error(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "kind": failure.kind,
        "message": failure.message,
        "http_status": failure.http_status,
        "request_id": failure.request_id,
    }
