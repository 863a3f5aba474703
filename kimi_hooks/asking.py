"""What is asked of Kimi for a task."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from kimi_hooks import context
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.client import Request
from kimi_hooks.parts import Parts
from kimi_hooks.task import Task


def request_for(parts: Parts, task: Task) -> Request:
    """Return the request: the system text, one message for each context file, the prompt as it was given.

    Raises TaskError when a context file cannot be used.
    """
    texts = context.read(context_files(parts, task, must_exist=True), parts.config.max_task_bytes)
    messages = [{"role": "system", "content": task.system}] if task.system else []
    messages += [{"role": "system", "content": f"File {name}:\n\n{text}"} for name, text in texts]
    messages.append({"role": "user", "content": task.prompt})
    return Request(
        model=model_of(parts, task),
        messages=tuple(messages),
        temperature=task.temperature,
        max_tokens=task.max_tokens,
        reasoning_effort=task.reasoning_effort,
    )


def model_of(parts: Parts, task: Task) -> str:
    """Return the model that the task goes to."""
    return task.model or parts.settings.current.values["KIMI_MODEL"]


def fingerprint(parts: Parts, entry: Entry, request: Request) -> str:
    """Return a hash that is the same for the same request at the same place, and for no other."""
    place = "standin" if entry.standin else parts.settings.current.values["KIMI_API_URL"].rstrip("/")
    return hashlib.sha256(json.dumps([place, asdict(request)], sort_keys=True).encode()).hexdigest()


def context_files(parts: Parts, task: Task, *, must_exist: bool) -> list[Path]:
    """Return the task's context files. Raises TaskError when one lies where it must not, or is not there."""
    if not task.context:
        return []
    sent_from = Path(task.dispatched_from) if task.dispatched_from else None
    return context.locate(parts.workspace, parts.config.context_roots, task.context, sent_from, must_exist=must_exist)
