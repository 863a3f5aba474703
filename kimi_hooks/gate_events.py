"""What happens to a task at its gates, as hooks are told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kimi_hooks.clock import iso
from kimi_hooks.events import CREATED, MAX_DESCRIPTION, PROMPT, STOP, Moment
from kimi_hooks.taken import Taken

if TYPE_CHECKING:
    from kimi_hooks.task import Task


def of_created(task_id: str, task: Task, model: str | None, now: float, retried: int = 0) -> Moment:
    """Return the event that a task was accepted; `model` is the one that will be asked for.

    At each run of a task, `retried` for those before it, what happens to it is another event.
    """
    return Moment(CREATED, f"{task_id}-{CREATED.name}{_again(retried)}", _of_task(task_id, task, model, now), task_id)


def of_prompt(task_id: str, task: Task, model: str | None, now: float, retried: int = 0) -> Moment:
    """Return the event that a task is about to be sent for the first time."""
    fields = {**_of_task(task_id, task, model, now), "prompt": task.prompt}
    return Moment(PROMPT, f"{task_id}-{PROMPT.name}{_again(retried)}", fields, task_id)


def of_stop(
    task_id: str,
    task: Task,
    answer: Mapping[str, Any],
    took: Taken,
    *,
    blocks: int,
    duration_ms: int,
    now: float,
    retried: int = 0,
) -> Moment:
    """Return the event that Kimi has answered.

    `took` is what all calls so far took, `blocks` how many answers of the task were refused before this one.
    """
    fields = {
        **_of_task(task_id, task, answer["model"], now),
        "stop_hook_active": blocks > 0,
        "stop_hook_count": blocks,
        "background_tasks": [],
        "session_crons": [],
        "output": answer["text"],
        "last_assistant_message": answer["text"],
        "usage": {f"{kind}_tokens": count for kind, count in took.tokens.items()},
        "cost": took.cost,
        "finish_reason": answer["finish_reason"],
        "duration_ms": duration_ms,
        "request_id": answer.get("request_id"),
    }
    return Moment(STOP, f"{task_id}-{STOP.name}-{blocks + 1}{_again(retried)}", fields, task_id)


def _again(retried: int) -> str:
    return f"-{retried}" if retried else ""


def _of_task(task_id: str, task: Task, model: str | None, now: float) -> dict[str, Any]:
    return {
        "session_id": task_id,
        "timestamp": iso(now),
        "task_id": task_id,
        "task_name": task.name,
        "task_subject": task.name,
        "task_description": task.prompt[:MAX_DESCRIPTION],
        "model": model,
        "group": task.group,
        "channel": task.channel,
        "account": task.account,
        "thread_id": task.thread_id,
        "reply_to": task.reply_to,
        "metadata": task.metadata,
        "standin": task.standin,
    }
