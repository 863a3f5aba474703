"""An event that hooks are tried with, and what a hook is handed of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kimi_hooks import events
from kimi_hooks.config_hooks import Hook
from kimi_hooks.events import PROMPT, STOP, Event, EventKind

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


def gate_fields(
    kind: EventKind, about: Mapping[str, Any], prompt: str, answer: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the fields of a question at a gate; `about` are those that tell of the task.

    `answer` are the fields that tell of Kimi's answer, which only `Stop` has.
    """
    fields = {**about, "task_subject": about["task_name"], "task_description": prompt[: events.MAX_DESCRIPTION]}
    if kind == PROMPT:
        fields["prompt"] = prompt
    if kind == STOP:
        again = {"stop_hook_active": False, "stop_hook_count": 0, "background_tasks": [], "session_crons": []}
        # Not final: neither how the task ended nor what became of it is known yet.
        fields = {**fields, **(answer or {}), **again, "status": None, "error": None}
    return fields
