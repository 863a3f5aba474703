"""The events that fire hooks, and what a hook reads on stdin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kimi_hooks.clock import iso

MAX_DESCRIPTION = 10_000
NotificationType = Literal[
    "queue_paused",
    "budget_reached",
    "queue_resumed",
    "hook_gave_up",
    "hook_disabled",
    "config_broken",
    "answer_unknown",
]
# What the id of a notification begins with: so it is told from a task's.
NOTIFICATION_ID = "notification-"


Matched = Literal["task_name", "error_kind", "notification_type", "source", "reason"]


@dataclass(frozen=True)
class EventKind:
    """`name` is ours, whatever alias the config uses; `matches` says what a matcher is compared with.

    A gate is asked and may refuse; all else is news.
    """

    name: str
    matches: Matched
    is_gate: bool = False


CREATED = EventKind("TaskCreated", "task_name", is_gate=True)
PROMPT = EventKind("UserPromptSubmit", "task_name", is_gate=True)
STOP = EventKind("Stop", "task_name", is_gate=True)
COMPLETED = EventKind("TaskCompleted", "task_name")
FAILED = EventKind("TaskFailed", "error_kind")
NOTIFICATION = EventKind("Notification", "notification_type")
SESSION_START = EventKind("SessionStart", "source")
SESSION_END = EventKind("SessionEnd", "reason")

# Every name that may stand under `hooks:` in config.yaml.
KINDS: Mapping[str, EventKind] = {
    "SessionStart": SESSION_START,
    "TaskCreated": CREATED,
    "UserPromptSubmit": PROMPT,
    "Stop": STOP,
    "TaskCompleted": COMPLETED,
    "TaskFailed": FAILED,
    "StopFailure": FAILED,
    "Notification": NOTIFICATION,
    "SessionEnd": SESSION_END,
}


@dataclass(frozen=True)
class TaskEvent:
    """Something that happened to a task, told by its result (the content of `results/<id>.json`)."""

    kind: EventKind
    result: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        """Derived, so that it is the same after a rebuild; without dots, as Standard Webhooks asks of ids.

        The end of a task that was run again is another event than its first end.
        """
        retried = self.result.get("retried")
        return f"{self.task_id}-{self.kind.name}{f'-{retried}' if retried else ''}"

    @property
    def task_id(self) -> str:
        return str(self.result["task_id"])

    @property
    def matched_text(self) -> str:
        if self.kind.matches == "error_kind":
            return str(self.result["error"]["kind"])
        return str(self.result["task_name"])


@dataclass(frozen=True)
class Notification:
    """News about the queue itself, as the journal keeps it; `at` is in seconds since 1970.

    `title` and `message` are for people, `detail` for programs: `reason`, `how`, or the hook and event that it is
    about, with the task of that event.
    """

    event_id: str
    type: NotificationType
    title: str
    message: str
    detail: Mapping[str, Any]
    at: float

    @property
    def kind(self) -> EventKind:
        return NOTIFICATION

    @property
    def matched_text(self) -> str:
        return self.type


@dataclass(frozen=True)
class Moment:
    """An event of which nothing else tells: `fields` are its own fields of the input, as they were when it happened.

    `task_id` is None when it is no task's.
    """

    kind: EventKind
    event_id: str
    fields: Mapping[str, Any]
    task_id: str | None = None

    @property
    def matched_text(self) -> str:
        return matched_text(self.kind, self.fields)


Event = TaskEvent | Notification | Moment


def matched_text(kind: EventKind, fields: Mapping[str, Any]) -> str:
    """Return what a matcher is compared with, from the fields of a hook's input."""
    if kind.matches == "error_kind":
        return str((fields.get("error") or {}).get("kind", ""))
    return str(fields.get(kind.matches) or "")


def of_result(result: Mapping[str, Any]) -> TaskEvent:
    """Return the news that an ended task makes: `TaskCompleted` when it is done, `TaskFailed` otherwise."""
    return TaskEvent(COMPLETED if result["outcome"] == "done" else FAILED, result)


def of_session(kind: EventKind, run_id: str, why: str, now: float) -> Moment:
    """Return the news that a runner has started, or is stopping; `why` is the source, or the reason."""
    fields = {"session_id": run_id, "timestamp": iso(now), kind.matches: why}
    return Moment(kind, f"{run_id}-{kind.name}", fields)


# Every field of a hook's input, in its order.
_FIELDS = (
    "session_id",
    "transcript_path",
    "cwd",
    "hook_event_name",
    "event_id",
    "timestamp",
    "attempt",
    "source",
    "reason",
    "task_id",
    "task_name",
    "task_subject",
    "task_description",
    "prompt",
    "stop_hook_active",
    "stop_hook_count",
    "background_tasks",
    "session_crons",
    "status",
    "output",
    "last_assistant_message",
    "error",
    "model",
    "usage",
    "cost",
    "finish_reason",
    "duration_ms",
    "request_id",
    "reused_from",
    "result_file",
    "group",
    "channel",
    "account",
    "thread_id",
    "reply_to",
    "metadata",
    "standin",
    "notification_type",
    "title",
    "message",
    "detail",
)
# The names that a template may use besides `config`.
FIELDS = frozenset(_FIELDS)


def hook_input(
    event: Event,
    *,
    name: str,
    attempt: int,
    home: str,
    prompt: str = "",
    result_file: str | None = None,
    transcript: str | None = None,
) -> dict[str, Any]:
    """Return the JSON object for a hook's stdin: Claude Code's common fields, the event's own, then ours.

    `name` is the event's name as configured; `attempt` counts the runs of this hook for this event, from 1. `prompt`
    is the task's, `result_file` and `transcript` are those of the task which the event is about.
    Every field is always there, None where it does not apply.
    """
    return {
        **dict.fromkeys(_FIELDS),
        "transcript_path": transcript,
        "cwd": home,
        "hook_event_name": name,
        "event_id": event.event_id,
        "attempt": attempt,
        "result_file": result_file,
        **own_fields(event, prompt),
    }


def own_fields(event: Event, prompt: str = "") -> Mapping[str, Any]:
    """Return the fields that the event itself has, in contrast to those of the hook's run."""
    if isinstance(event, Moment):
        return event.fields
    return of_task(event.result, prompt) if isinstance(event, TaskEvent) else of_queue(event)


def of_task(result: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """Return the fields that tell of an ended task."""
    return {
        "session_id": result["task_id"],
        "timestamp": result["completed_at"],
        "task_id": result["task_id"],
        "task_name": result["task_name"],
        "task_subject": result["task_name"],
        "task_description": prompt[:MAX_DESCRIPTION],
        "status": result["outcome"],
        "output": result["output"],
        "last_assistant_message": result["output"],
        "error": result["error"],
        "model": result["model"],
        "usage": {f"{kind}_tokens": count for kind, count in result["tokens"].items()},
        "cost": result["cost"],
        "finish_reason": result["finish_reason"],
        "duration_ms": result["duration_ms"],
        # Results of older versions lack these two.
        "request_id": result.get("request_id"),
        "reused_from": result.get("reused_from"),
        "group": result["group"],
        "channel": result["channel"],
        "account": result["account"],
        "thread_id": result["thread_id"],
        "reply_to": result["reply_to"],
        "metadata": result["metadata"],
        "standin": result["standin"],
    }


def of_queue(notification: Notification) -> dict[str, Any]:
    """Return the fields that tell of the queue."""
    return {
        "session_id": notification.event_id,
        "timestamp": iso(notification.at),
        "task_id": notification.detail.get("task_id"),
        "task_name": notification.detail.get("task_name"),
        "task_subject": notification.detail.get("task_name"),
        "notification_type": notification.type,
        "title": notification.title,
        "message": notification.message,
        "detail": dict(notification.detail),
    }
