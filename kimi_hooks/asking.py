"""What is asked of Kimi for a task."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kimi_hooks import addressee, context, extracts
from kimi_hooks.context import Found
from kimi_hooks.errors import TaskError
from kimi_hooks.kimi import window
from kimi_hooks.kimi.body import build_body, unstreamed
from kimi_hooks.kimi.client import Request
from kimi_hooks.kimi.failure import CallFailedError, Failure, host_of
from kimi_hooks.kimi.model import Model
from kimi_hooks.logs import LOGGER, visible
from kimi_hooks.parts import Parts
from kimi_hooks.task import Task

if TYPE_CHECKING:
    from kimi_hooks.kimi.client import Endpoint

Message = dict[str, Any]


@dataclass(frozen=True)
class _Asker:
    """Which task asks, where, until when (seconds of clock.monotonic; None: for ever), and whether it may call."""

    parts: Parts
    task_id: str
    endpoint: Endpoint
    deadline: float | None
    may_call: bool


def request_for(
    parts: Parts,
    task_id: str,
    task: Task,
    endpoint: Endpoint,
    deadline: float | None,
    *,
    added: str | None = None,
    may_call: bool = True,
) -> Request:
    """Return the request: the system text, a message for each text and document, what hooks have `added`,
    then images and prompt in one.

    Documents have their text taken out by the endpoint that will be asked, until `deadline` (seconds of
    clock.monotonic). Raises TaskError when a context file cannot be used, and CallFailedError when the model is not to
    be asked any more, when its window is too small, and when the text of a document does not come. Not `may_call`:
    nobody is called, so only documents will do whose text is known, and the window is not looked at.
    """
    asker = _Asker(parts, task_id, endpoint, deadline, may_call)
    model = addressee.resolved(parts, task).model
    known = parts.catalogue.find(model)
    files = context_files(parts, task)
    images = [file for file in files if file.kind.way == "image"]
    _check_images(parts, images, known)
    request = Request(
        model=model,
        known=known,
        messages=tuple(_messages(asker, task, files, images, added)),
        temperature=task.temperature,
        max_tokens=task.max_tokens,
        reasoning_effort=task.reasoning_effort,
        thinking=task.thinking,
    )
    if may_call:
        _check_window(asker, request, has_images=bool(images))
    return request


def fingerprint(endpoint: Endpoint, request: Request) -> str:
    """Return a hash that is the same for the same request at the same place, and for no other."""
    place = "standin" if endpoint.standin else endpoint.url.rstrip("/")
    body = unstreamed(build_body(request)[0])
    return hashlib.sha256(json.dumps([place, body], sort_keys=True).encode()).hexdigest()


def context_files(parts: Parts, task: Task) -> list[Found]:
    """Return the task's context files, looked at and not read. Raises TaskError when one cannot go along."""
    return context.look(_context_paths(parts, task), _limits(parts))


def check_context(parts: Parts, task: Task) -> None:
    """Raise TaskError if a context file cannot go along; what other tasks may still make need not be there yet."""
    paths = _context_paths(parts, task)
    if not task.after:
        context.look(paths, _limits(parts))


def _limits(parts: Parts) -> context.Limits:
    return context.Limits(parts.config.max_task_bytes, parts.config.max_context_bytes)


def _context_paths(parts: Parts, task: Task) -> list[Path]:
    if not task.context:
        return []
    sent_from = Path(task.dispatched_from) if task.dispatched_from else None
    return context.locate(parts.workspace, parts.config.context_roots, task.context, sent_from)


def _messages(
    asker: _Asker, task: Task, files: Sequence[Found], images: Sequence[Found], added: str | None
) -> Iterator[Message]:
    if task.system:
        yield _system(task.system)
    for file in files:
        if file.kind.way != "image":
            text = context.read_text(file) if file.kind.way == "text" else _extract(asker, file)
            yield _system(f"File {file.name}:\n\n{text}")
    if len(images) > 1:
        # An image itself has no name, and the prompt may call them by theirs.
        yield _system(f"The images, in this order: {', '.join(file.name for file in images)}")
    if added:
        yield _system(added)
    content = [*map(_image, images), {"type": "text", "text": task.prompt}] if images else task.prompt
    yield {"role": "user", "content": content}


def _system(text: str) -> Message:
    return {"role": "system", "content": text}


def _image(file: Found) -> Message:
    data = base64.b64encode(context.read(file)).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{file.kind.media_type};base64,{data}"}}


def _extract(asker: _Asker, file: Found) -> str:
    """Return the document's text, taken out by the endpoint that the task is for and by no other."""
    parts, endpoint = asker.parts, asker.endpoint
    host = host_of(endpoint.url)

    def extract(data: bytes) -> str:
        if not asker.may_call:
            raise CallFailedError(Failure("unknown", "never", f"The text of {file.name} is not known yet."))
        LOGGER.info("%s %s goes to %s to have its text taken out", asker.task_id, visible(file.name), host)
        return parts.client.extract(asker.task_id, endpoint, file.name, data, deadline=asker.deadline)

    whose = extracts.STANDIN if endpoint.standin else extracts.whose_kimi(host)
    patience = None if asker.deadline is None else asker.deadline - parts.clock.monotonic()
    return parts.extracts.text(file, whose, extract, patience)


def _check_images(parts: Parts, images: Sequence[Found], known: Model | None) -> None:
    if images and known is not None and known.images is False:
        able = ", ".join(model.id for model in parts.catalogue.live() if model.images)
        told = f"{known.id} takes no images; leave it out, or ask a model that does"
        raise TaskError(f"context {images[0].path}: {told}{f': {able}' if able else ''}")


def _check_window(asker: _Asker, request: Request, *, has_images: bool) -> None:
    def count() -> int:
        return asker.parts.client.estimate(
            asker.task_id, asker.endpoint, request.model, request.messages, deadline=asker.deadline
        )

    others = [model for model in asker.parts.catalogue.live() if model.images or not has_images]
    window.check(request, others, count)
