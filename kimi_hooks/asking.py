"""What is asked of Kimi for a task."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kimi_hooks import context, extracts
from kimi_hooks.context import Found
from kimi_hooks.errors import TaskError
from kimi_hooks.kimi import catalogue, window
from kimi_hooks.kimi.catalogue import Model
from kimi_hooks.kimi.client import Request
from kimi_hooks.kimi.failure import host_of
from kimi_hooks.logs import LOGGER, visible
from kimi_hooks.parts import Parts
from kimi_hooks.task import Task

if TYPE_CHECKING:
    from kimi_hooks.kimi.client import Endpoint

Message = dict[str, Any]


@dataclass(frozen=True)
class Asker:
    """Which task asks, where, and until when (seconds of clock.monotonic; None: for ever)."""

    parts: Parts
    task_id: str
    endpoint: Endpoint
    deadline: float | None


def request_for(parts: Parts, task_id: str, task: Task, endpoint: Endpoint, deadline: float | None) -> Request:
    """Return the request: the system text, a message for each text and document, then images and prompt in one.

    Documents have their text taken out first, by the endpoint that will be asked. Raises TaskError when a context file
    cannot be used, and CallFailedError when a document's text does not come or the model's window is too small.
    """
    asker = Asker(parts, task_id, endpoint, deadline)
    model = task.model or parts.settings.current.values["KIMI_MODEL"]
    known = catalogue.find(model)
    files = context.look(_context_paths(parts, task), _limits(parts))
    images = [file for file in files if file.kind.way == "image"]
    _check_images(images, model, known)
    request = Request(
        model=model,
        messages=tuple(_messages(asker, task, files, images)),
        temperature=task.temperature,
        max_tokens=task.max_tokens,
        reasoning_effort=task.reasoning_effort,
    )
    _check_window(asker, request, known, takes_images=bool(images))
    return request


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


def _messages(asker: Asker, task: Task, files: Sequence[Found], images: Sequence[Found]) -> Iterable[Message]:
    if task.system:
        yield _system(task.system)
    for file in files:
        if file.kind.way != "image":
            text = context.read_text(file) if file.kind.way == "text" else _extract(asker, file)
            yield _system(f"File {file.name}:\n\n{text}")
    if len(images) > 1:
        # An image itself has no name, and the prompt may call them by theirs.
        yield _system(f"The images, in this order: {', '.join(file.name for file in images)}")
    content = [*map(_image, images), {"type": "text", "text": task.prompt}] if images else task.prompt
    yield {"role": "user", "content": content}


def _system(text: str) -> Message:
    return {"role": "system", "content": text}


def _image(file: Found) -> Message:
    data = base64.b64encode(context.read(file)).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{file.kind.media_type};base64,{data}"}}


def _extract(asker: Asker, file: Found) -> str:
    """Return the document's text, taken out by the endpoint that the task is for and by no other."""
    parts, endpoint = asker.parts, asker.endpoint

    def extract(data: bytes) -> str:
        LOGGER.info("%s %s goes to %s to have its text taken out", asker.task_id, visible(file.name), endpoint.url)
        return parts.client.extract(asker.task_id, endpoint, file.name, data, deadline=asker.deadline)

    whose = extracts.STANDIN if endpoint.standin else extracts.whose_kimi(host_of(endpoint.url))
    patience = None if asker.deadline is None else asker.deadline - parts.clock.monotonic()
    return parts.extracts.text(file, whose, extract, patience)


def _check_images(images: Sequence[Found], model: str, known: Model | None) -> None:
    if images and known is not None and not known.images:
        told = f"context {images[0].path}: {model} takes no images; leave it out, or ask a model that does"
        raise TaskError(f"{told}{_named(able for able in catalogue.every() if able.images)}")


def _named(models: Iterable[Model]) -> str:
    names = ", ".join(model.id for model in models)
    return f": {names}" if names else ""


def _check_window(asker: Asker, request: Request, known: Model | None, *, takes_images: bool) -> None:
    def count() -> int:
        return asker.parts.client.estimate(
            asker.task_id, asker.endpoint, request.model, request.messages, deadline=asker.deadline
        )

    window.check(request, known, (model for model in catalogue.every() if model.images or not takes_images), count)
