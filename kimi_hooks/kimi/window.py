"""Whether a request fits into its model's window, before it is sent and paid for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kimi_hooks.kimi.body import Request
from kimi_hooks.kimi.estimate import message_tokens
from kimi_hooks.kimi.failure import CallFailedError, Failure
from kimi_hooks.kimi.model import Model

_ASCII_PER_TOKEN = 8
_OTHERS_PER_TOKEN = 4
_REPEATED = re.compile(r"(.)\1+", re.DOTALL)


def check(request: Request, others: Sequence[Model], count: Callable[[], int]) -> None:
    """Raise CallFailedError, kind `invalid_request`, if prompt and `max_tokens` are larger than the model's window.

    Of a model whose window is not known nothing is said. `count` asks Kimi for the tokens of the prompt; it is called
    only where our own guess, which is rather too high, does not fit, and may raise CallFailedError. `others` are the
    models to be named instead.
    """
    window = request.known.context if request.known else None
    if window is None:
        return
    room = window - (request.max_tokens or 0)
    if room <= 0:
        raise _refusal(_cap_too_large(request, window))
    if message_tokens(request.messages) <= room:
        return
    tokens, how = _count(request, count)
    if tokens > room:
        raise _refusal(_too_long(request, window, others, f"{how}{tokens}", tokens))


def fewest_tokens(messages: Iterable[Mapping[str, Any]]) -> int:
    """Guess the tokens of a request's messages, rather far too few: what is over the window by this guess is over it.

    One for 8 ASCII characters or 4 others, about half of what prose takes, for a wrong refusal would be worse than a
    request that Kimi refuses itself, which costs nothing. One token may hold a hundred blanks or dashes; so the same
    character in a row counts once. Images may be small, and count nothing.
    """
    return sum(_fewest(text) for message in messages for text in _texts(message.get("content")))


def _count(request: Request, count: Callable[[], int]) -> tuple[int, str]:
    """Return Kimi's count; where it gives none, the fewest tokens that it can be: in doubt Kimi itself decides."""
    try:
        return count(), ""
    except CallFailedError as error:
        if _was_ended(error.failure):
            raise
        return fewest_tokens(request.messages), "at least "


def _was_ended(failure: Failure) -> bool:
    """Tell whether the time was over or somebody had ended the call: then nothing more is to be sent."""
    return failure.http_status is None and failure.kind in {"timeout", "unknown"}


def _fewest(text: str) -> int:
    once = _REPEATED.sub(r"\1", text)
    ascii_only = len(once.encode("ascii", "ignore"))
    return ascii_only // _ASCII_PER_TOKEN + (len(once) - ascii_only) // _OTHERS_PER_TOKEN


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if part.get("type") == "text"]


def _refusal(message: str) -> CallFailedError:
    return CallFailedError(Failure("invalid_request", "never", message))


def _cap_too_large(request: Request, window: int) -> str:
    return (
        f"max_tokens {request.max_tokens} leaves no room for the prompt: the window of {request.model} holds "
        f"{window} tokens, prompt and answer together; set max_tokens lower, or leave it out."
    )


def _too_long(request: Request, window: int, others: Iterable[Model], counted: str, tokens: int) -> str:
    cap = f" and {request.max_tokens} of max_tokens" if request.max_tokens else ""
    needed = tokens + (request.max_tokens or 0)
    larger = ", ".join(f"{model.id} ({model.context})" for model in others if (model.context or 0) >= needed)
    remedies = [
        "Give fewer or shorter files and a shorter prompt",
        *(["set max_tokens lower"] if request.max_tokens else []),
        *([f"ask a model with a larger window: {larger}"] if larger else []),
    ]
    place = f"The request is too long for {request.model}"
    told = f"{counted} tokens of prompt{cap}, and its window holds {window}"
    return f"{place}: {told}. {', or '.join(remedies)}."
