"""What the imitation says, and the chunks in which it says it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kimi_hooks.standin import protocol
from kimi_hooks.standin.faults import Fault

_CHUNKS_AT_MOST = 200
_CHUNK_CHARACTERS = 16
_BEGINNING = 60


@dataclass(frozen=True)
class Reply:
    """One answer with everything that its chunks need; token counts follow from the texts."""

    id: str
    created: int
    model: str
    reasoning: str
    text: str
    finish_reason: str
    prompt_tokens: int

    def usage(self) -> dict[str, Any]:
        """Return the usage object: prompt includes cached, completion includes reasoning."""
        thought = protocol.tokens(self.reasoning)
        completion = thought + protocol.tokens(self.text)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "cached_tokens": 0,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }


def reply(body: dict[str, Any], fault: Fault, *, number: int, created: int) -> Reply:
    """Answer a valid request: the same request gets the same words."""
    reasoning = "This is the imitation; it does not think. 我是模擬。"
    text = introduction(body) if fault.text is None else fault.text
    room = protocol.cap(body)
    thought = cut(reasoning, room)
    said = cut(text, room - protocol.tokens(thought))
    ending = "stop" if (thought, said) == (reasoning, text) else "length"
    return Reply(
        id=f"chatcmpl-standin-{number:06d}",
        created=created,
        model=body["model"],
        reasoning=thought,
        text=said,
        finish_reason=fault.finish_reason or ending,
        prompt_tokens=protocol.prompt_tokens(body),
    )


def introduction(body: dict[str, Any]) -> str:
    """Say who is speaking, and prove what was received: the bytes of the last user message and their SHA-256."""
    prompt = (protocol.texts(body, "user") or [""])[-1]
    raw = prompt.encode("utf-8", "replace")
    system = len(protocol.texts(body, "system"))
    parts = [
        "[stand-in for Kimi] This is a local imitation, not Kimi. 這是本機的模擬，不是 Kimi。",
        f"Your prompt had {len(raw):,} bytes (sha256 {hashlib.sha256(raw).hexdigest()}).",
        f"There were {system} system messages." if system else "",
        f"It began: {json.dumps(' '.join(prompt[:_BEGINNING].split()), ensure_ascii=False)}",
    ]
    return " ".join(part for part in parts if part)


def cut(text: str, tokens: int) -> str:
    """Cut a text to a number of tokens, at a character."""
    raw = text.encode("utf-8", "replace")
    return text if protocol.tokens(text) <= tokens else raw[: max(tokens, 0) * 4].decode("utf-8", "ignore")


def whole(answer: Reply) -> dict[str, Any]:
    """Return the reply to a request that does not stream."""
    message = {"role": "assistant", "content": answer.text, "reasoning_content": answer.reasoning}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
    return _frame(answer, "chat.completion", [choice]) | {"usage": answer.usage()}


def opening(answer: Reply) -> Iterator[dict[str, Any]]:
    """Yield the chunks that come before the text: the role, the reasoning, an empty reasoning."""
    yield _delta(answer, {"role": "assistant", "content": ""})
    for piece in _pieces(answer.reasoning):
        yield _delta(answer, {"reasoning_content": piece})
    yield _delta(answer, {"reasoning_content": ""})


def content(answer: Reply) -> Iterator[dict[str, Any]]:
    """Yield the chunks of the text."""
    for piece in _pieces(answer.text):
        yield _delta(answer, {"content": piece})


def ending(answer: Reply, *, include_usage: bool) -> Iterator[dict[str, Any]]:
    """Yield the chunk with the finish_reason and, if asked for, the one with the usage alone."""
    last = {"index": 0, "delta": {}, "finish_reason": answer.finish_reason, "usage": answer.usage()}
    yield _frame(answer, "chat.completion.chunk", [last])
    if include_usage:
        yield _frame(answer, "chat.completion.chunk", []) | {"usage": answer.usage()}


def _pieces(text: str) -> Iterator[str]:
    size = max(_CHUNK_CHARACTERS, -(-len(text) // _CHUNKS_AT_MOST))
    return (text[at : at + size] for at in range(0, len(text), size))


def _delta(answer: Reply, delta: dict[str, Any]) -> dict[str, Any]:
    return _frame(answer, "chat.completion.chunk", [{"index": 0, "delta": delta, "finish_reason": None}])


def _frame(answer: Reply, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": answer.id, "object": kind, "created": answer.created, "model": answer.model, "choices": choices}
