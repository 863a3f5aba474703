"""What is asked of Kimi for a task."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from kimi_hooks import context
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.body import build_body, unstreamed
from kimi_hooks.kimi.client import Endpoint, Request
from kimi_hooks.kimi.model import Resolved
from kimi_hooks.logs import LOGGER
from kimi_hooks.parts import Parts
from kimi_hooks.task import Task


def request_for(parts: Parts, task: Task) -> Request:
    """Return the request: the system text, one message for each context file, the prompt as it was given.

    Raises TaskError when a context file cannot be used, CallFailedError when the model is not to be asked any more.
    """
    model = resolved(parts, task).model
    texts = context.read(context_files(parts, task, must_exist=True), parts.config.max_task_bytes)
    messages = [{"role": "system", "content": task.system}] if task.system else []
    messages += [{"role": "system", "content": f"File {name}:\n\n{text}"} for name, text in texts]
    messages.append({"role": "user", "content": task.prompt})
    return Request(
        model=model,
        known=parts.catalogue.find(model),
        messages=tuple(messages),
        temperature=task.temperature,
        max_tokens=task.max_tokens,
        reasoning_effort=task.reasoning_effort,
        thinking=task.thinking,
    )


def endpoint_of(parts: Parts, entry: Entry) -> Endpoint:
    """Return who is asked: Kimi, or the imitation. The queue does not start a task for Kimi without a key."""
    if entry.standin:
        return parts.standin()
    settings = parts.settings.current
    return Endpoint(url=settings.values["KIMI_API_URL"], key=settings.get("KIMI_API_KEY") or "", standin=False)


def resolved(parts: Parts, task: Task) -> Resolved:
    """Return the model to ask for the task, and a warning where it is not the one that was meant.

    Raises CallFailedError when that one is retired and `kimi.retired_models` is `fail`.
    """
    known = parts.settings.current.values
    return parts.catalogue.resolve(task.model or known["KIMI_MODEL"], known["KIMI_API_URL"], standin=task.standin)


def warned(parts: Parts, entry: Entry, task: Task) -> Entry:
    """Return the entry with a warning when another model is asked than was meant; the log tells it once.

    Raises CallFailedError as `resolved`.
    """
    warning = resolved(parts, task).warning
    if warning is None:
        return entry
    if entry.attempts == 1:
        LOGGER.warning("%s %s", entry.id, warning)
    return replace(entry, warnings=(*entry.warnings, warning))


def fingerprint(parts: Parts, entry: Entry, request: Request) -> str:
    """Return a hash that is the same for the same request at the same place, and for no other."""
    place = "standin" if entry.standin else parts.settings.current.values["KIMI_API_URL"].rstrip("/")
    body = unstreamed(build_body(request)[0])
    return hashlib.sha256(json.dumps([place, body], sort_keys=True).encode()).hexdigest()


def context_files(parts: Parts, task: Task, *, must_exist: bool) -> list[Path]:
    """Return the task's context files. Raises TaskError when one lies where it must not, or is not there."""
    if not task.context:
        return []
    sent_from = Path(task.dispatched_from) if task.dispatched_from else None
    return context.locate(parts.workspace, parts.config.context_roots, task.context, sent_from, must_exist=must_exist)
