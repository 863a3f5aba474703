"""What is sent: the body of one chat request, with nothing in it that Kimi refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kimi_hooks.kimi.failure import CallFailedError, Failure
from kimi_hooks.kimi.model import Model

_DISABLED = "disabled"


@dataclass(frozen=True)
class Request:
    """What one task asks; `max_tokens` is the cap on the answer including its reasoning.

    `known` is what the catalogue knows of the model: what it would refuse is left out. Without it all is sent.
    `continues`: the last message is the beginning of the answer, so that nothing more may be an answer, too.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    temperature: float | None = None
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    thinking: str | None = None
    known: Model | None = None
    continues: bool = False


def build_body(request: Request) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the JSON body, only documented fields in it, and warnings about what was left out."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [dict(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    known = request.known or Model(request.model)
    warnings = [
        *_put_cap(body, request, known),
        *_put_temperature(body, request, known),
        *_put_effort(body, request, known),
        *_put_thinking(body, request, known),
    ]
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


def _put_cap(body: dict[str, Any], request: Request, known: Model) -> list[str]:
    """Put the cap, lowered to what there is room for: Kimi refuses a higher one (HTTP 400)."""
    wanted = request.max_tokens
    if wanted is None:
        return []
    room = known.largest_output
    body["max_completion_tokens"] = cap = wanted if room is None else min(wanted, room)
    if cap == wanted:
        return []
    return [f"max_tokens {wanted} was lowered to {cap}, the most that {known.id} takes."]


def _put_temperature(body: dict[str, Any], request: Request, known: Model) -> list[str]:
    value = request.temperature
    if value is None:
        return []
    fixed = _fixed(request, known).get("temperature")
    if fixed is not None and value != fixed:
        return [f"temperature {value:g} was not sent: {request.model} accepts only {fixed:g}{_when(request, known)}."]
    body["temperature"] = value
    return []


def _fixed(request: Request, known: Model) -> Mapping[str, float]:
    return {**known.fixed, **known.fixed_without_thinking} if _is_off(request, known) else known.fixed


def _when(request: Request, known: Model) -> str:
    if not known.fixed_without_thinking:
        return ""
    return " with thinking disabled" if _is_off(request, known) else " while it thinks"


def _is_off(request: Request, known: Model) -> bool:
    return request.thinking == _DISABLED and known.thinking in (None, "switchable")


def _put_effort(body: dict[str, Any], request: Request, known: Model) -> list[str]:
    value, words = request.reasoning_effort, known.reasoning_efforts
    if value is None:
        return []
    if words == ():
        return [f"reasoning_effort {value} was not sent: {request.model} does not take it."]
    body["reasoning_effort"] = value
    if words and value not in words:
        known_words = ", ".join(words)
        return [f"reasoning_effort {value} is not a word that {request.model} is known to take ({known_words})."]
    return []


def _put_thinking(body: dict[str, Any], request: Request, known: Model) -> list[str]:
    """Put `thinking` where the model has that parameter; `keep` where it has thought before in this conversation."""
    value = request.thinking
    left_out = _no_thinking(value, known)
    if left_out is not None:
        return [left_out] if left_out else []
    if known.thinking_keep and value != _DISABLED and _has_thought(request.messages):
        body["thinking"] = {"type": "enabled", "keep": known.thinking_keep}
    elif value is not None:
        body["thinking"] = {"type": value}
    return []


def _no_thinking(value: str | None, known: Model) -> str | None:
    """Return why the word is not sent, empty where that changes nothing; None where it may be sent."""
    if value is None or known.thinking in (None, "switchable"):
        return None
    if known.thinking == "never":
        return f"thinking {value} was not sent: {known.id} does not think." if value != _DISABLED else ""
    if value == _DISABLED:
        less = "; a lower reasoning_effort makes it think less" if known.reasoning_efforts else ""
        return f"thinking {value} was not sent: {known.id} always thinks{less}."
    return "" if known.thinking == "always" else None


def _has_thought(messages: Sequence[Mapping[str, Any]]) -> bool:
    return any(message.get("reasoning_content") for message in messages)
