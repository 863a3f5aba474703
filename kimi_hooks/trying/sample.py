"""A made-up event that says of itself that it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kimi_hooks import events
from kimi_hooks.clock import iso
from kimi_hooks.events import (
    COMPLETED,
    FAILED,
    KINDS,
    NOTIFICATION,
    SESSION_END,
    SESSION_START,
    Event,
    EventKind,
    Notification,
)
from kimi_hooks.task import Task
from kimi_hooks.trying.occasion import Occasion, asked, trial_id

TASK_ID = "kimi-1700000000-madeup00"
_NAME = "made-up task"
_MODEL = "kimi-k3"
_PROMPT = "This prompt is made up, to try hooks. Nobody has written it."
_ANSWER = "This answer is made up, to try hooks. Kimi has not written it."
_FAILURE = "This failure is made up, to try hooks. Kimi has not said so."


def of_kind(name: str, now: float) -> Occasion:
    """Return an event of this name that has not happened; `now` is when it says that it has."""
    kind = KINDS[name]
    event = _event(kind, now)
    result = _result(kind, now) if kind in (COMPLETED, FAILED) else None
    return Occasion(event, "sample", "made up: no task is behind it", prompt=_PROMPT, result=result)


def _event(kind: EventKind, now: float) -> Event:
    if kind in (COMPLETED, FAILED):
        return events.of_result(_result(kind, now))
    if kind in (SESSION_START, SESSION_END):
        return events.of_session(kind, trial_id(), "startup" if kind == SESSION_START else "stopped", now)
    if kind == NOTIFICATION:
        title, message = "The queue is paused", "This notification is made up, to try hooks. The queue is not paused."
        return Notification(trial_id(), "queue_paused", title, message, {"reason": "person"}, now)
    task = Task(prompt=_PROMPT, name=_NAME, standin=True)
    made = asked(kind, TASK_ID, task, _result(kind, now), _MODEL, now)
    return replace(made, event_id=trial_id())


def _result(kind: EventKind, now: float) -> Mapping[str, Any]:
    """Return what the result file of the made-up task would hold."""
    failed = kind == FAILED
    outcome = "failed" if failed else "done"
    error = {"kind": "server_error", "message": _FAILURE, "http_status": 503, "request_id": None}
    tokens = {"prompt": 20, "completion": 30, "total": 50, "cached": 0, "reasoning": 0}
    return {
        "task_id": TASK_ID,
        "task_name": _NAME,
        "status": outcome,
        "outcome": outcome,
        "model": _MODEL,
        "requested_model": _MODEL,
        "output": "" if failed else _ANSWER,
        "reasoning": None,
        "finish_reason": None if failed else "stop",
        "tokens": tokens,
        "cost": None,
        "turns": 0 if failed else 1,
        "attempts": 1,
        "crashes": 0,
        "created_at": iso(now),
        "started_at": iso(now),
        "completed_at": iso(now),
        "duration_ms": 1000,
        "group": None,
        "channel": "telegram",
        "account": None,
        "thread_id": None,
        "reply_to": None,
        "metadata": {},
        "warnings": ["made up by kimi-hooks hooks test, to try hooks"],
        "error": error if failed else None,
        # So that nobody takes it for an answer of Kimi's.
        "standin": True,
        "request_id": None,
        "reused_from": None,
        "acknowledged_at": None,
    }
