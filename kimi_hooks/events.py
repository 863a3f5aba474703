"""The events that fire hooks, and what a hook reads on stdin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MAX_DESCRIPTION = 10_000


@dataclass(frozen=True)
class EventKind:
    """`name` is ours, whatever alias the config uses; `matches` says what a matcher is compared with."""

    name: str
    matches: Literal["task_name", "error_kind"]


COMPLETED = EventKind("TaskCompleted", "task_name")
FAILED = EventKind("TaskFailed", "error_kind")

# Every name that may stand under `hooks:` in config.yaml.
KINDS: Mapping[str, EventKind] = {"TaskCompleted": COMPLETED, "TaskFailed": FAILED, "StopFailure": FAILED}


@dataclass(frozen=True)
class Event:
    """Something that happened to a task, told by its result (the content of `results/<id>.json`)."""

    kind: EventKind
    result: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        """Derived, so that it is the same after a rebuild; without dots, as Standard Webhooks asks of ids."""
        return f"{self.result['task_id']}-{self.kind.name}"

    @property
    def matched_text(self) -> str:
        if self.kind.matches == "error_kind":
            return str(self.result["error"]["kind"])
        return str(self.result["task_name"])


def of_result(result: Mapping[str, Any]) -> Event:
    """Return the news that an ended task makes: `TaskCompleted` when it is done, `TaskFailed` otherwise."""
    return Event(COMPLETED if result["outcome"] == "done" else FAILED, result)


def hook_input(event: Event, *, name: str, attempt: int, prompt: str, home: str, result_file: str) -> dict[str, Any]:
    """Return the JSON object for a hook's stdin: Claude Code's common fields, the event's own, then ours.

    `name` is the event's name as configured; `attempt` counts the runs of this hook for this event, from 1.
    Every field is always there, None where it does not apply.
    """
    result = event.result
    return {
        "session_id": result["task_id"],
        "transcript_path": None,
        "cwd": home,
        "hook_event_name": name,
        "event_id": event.event_id,
        "timestamp": result["completed_at"],
        "attempt": attempt,
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
        "result_file": result_file,
        "group": result["group"],
        "channel": result["channel"],
        "account": result["account"],
        "thread_id": result["thread_id"],
        "reply_to": result["reply_to"],
        "metadata": result["metadata"],
        "standin": result["standin"],
    }


# The names that a template may use: the fields above, and the config.
FIELDS = frozenset(
    {
        "session_id",
        "transcript_path",
        "cwd",
        "hook_event_name",
        "event_id",
        "timestamp",
        "attempt",
        "task_id",
        "task_name",
        "task_subject",
        "task_description",
        "status",
        "output",
        "last_assistant_message",
        "error",
        "model",
        "usage",
        "cost",
        "finish_reason",
        "duration_ms",
        "result_file",
        "group",
        "channel",
        "account",
        "thread_id",
        "reply_to",
        "metadata",
        "standin",
    }
)
