"""An event that hooks are tried with, and what a hook is handed of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kimi_hooks import events, gate_events, taken
from kimi_hooks.config_hooks import Hook
from kimi_hooks.events import CREATED, PROMPT, Event, EventKind, Moment
from kimi_hooks.task import Task

Origin = Literal["task", "fixture", "sample"]


@dataclass(frozen=True)
class Occasion:
    """An event, and where it is from: `told` says so in words.

    `prompt` is the task's, `result_file` and `transcript` lie on the disk; `result` is what the result file of a
    made-up task would hold.
    """

    event: Event
    origin: Origin
    told: str
    prompt: str = ""
    result_file: str | None = None
    transcript: str | None = None
    result: Mapping[str, Any] | None = None


def trial_id() -> str:
    """Return an event id that nobody takes for a real one's."""
    return f"test-{os.urandom(5).hex()}"


def hook_input(occasion: Occasion, hook: Hook, event_id: str, home: str) -> dict[str, Any]:
    """Return what the hook is handed: as for the real event, but for its id."""
    handed = events.hook_input(
        occasion.event,
        name=hook.event_name,
        attempt=1,
        home=home,
        prompt=occasion.prompt,
        result_file=occasion.result_file,
        transcript=occasion.transcript,
    )
    return {**handed, "event_id": event_id}


def asked(
    kind: EventKind, task_id: str, task: Task, result: Mapping[str, Any] | None, model: str | None, now: float
) -> Moment:
    """Return the question at a gate about a task; `result` is how it ended, which tells of the answer."""
    if kind == CREATED:
        return gate_events.of_created(task_id, task, model, now)
    if kind == PROMPT:
        return gate_events.of_prompt(task_id, task, model, now)
    told = result or {}
    answer = {**told, "text": told["output"]}
    took = taken.of_result(told)
    return gate_events.of_stop(task_id, task, answer, took, blocks=0, duration_ms=told["duration_ms"], now=now)
