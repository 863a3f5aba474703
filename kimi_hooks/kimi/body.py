"""What is sent: the body of one chat request, with nothing in it that Kimi refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kimi_hooks.kimi import catalogue
from kimi_hooks.kimi.failure import CallFailedError, Failure


@dataclass(frozen=True)
class Request:
    """What one task asks; `max_tokens` is the cap on the answer including its reasoning.

    `continues`: the last message is the beginning of the answer, so that nothing more may be an answer, too.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    temperature: float | None = None
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    continues: bool = False


def build_body(request: Request) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the JSON body, only documented fields in it, and warnings about what was left out."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [dict(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.max_tokens is not None:
        body["max_completion_tokens"] = request.max_tokens
    known = catalogue.find(request.model)
    warnings = [*_put_temperature(body, request, known), *_put_effort(body, request, known)]
    return body, tuple(warnings)


def unstreamed(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that asks for the same answer in one piece."""
    return {name: value for name, value in body.items() if name not in {"stream", "stream_options"}}


def encode(body: Mapping[str, Any]) -> bytes:
    """Write the body as UTF-8 JSON. Raises CallFailedError for text or numbers that JSON cannot carry."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError as error:
        message = f"The request cannot be written as UTF-8 JSON ({error}); mend the prompt's encoding or its numbers."
        raise CallFailedError(Failure("invalid_request", "never", message)) from error


def _put_temperature(body: dict[str, Any], request: Request, known: catalogue.Model | None) -> list[str]:
    value = request.temperature
    fixed = known.fixed.get("temperature") if known else None
    if value is None:
        return []
    if fixed is not None and value != fixed:
        return [f"temperature {value:g} was not sent: {request.model} accepts only {fixed:g}."]
    body["temperature"] = value
    return []


def _put_effort(body: dict[str, Any], request: Request, known: catalogue.Model | None) -> list[str]:
    value = request.reasoning_effort
    if value is None:
        return []
    if known and not known.reasoning_efforts:
        return [f"reasoning_effort {value} was not sent: {request.model} does not take it."]
    body["reasoning_effort"] = value
    if known and value not in known.reasoning_efforts:
        words = ", ".join(known.reasoning_efforts)
        return [f"reasoning_effort {value} is not a word that {request.model} is known to take ({words})."]
    return []
