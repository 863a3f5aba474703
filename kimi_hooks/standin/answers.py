"""What the imitation says, and the chunks in which it says it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kimi_hooks.standin import messages, models, rules, texts
from kimi_hooks.standin.faults import Fault

_BEGINNING = 60
_REASONING = "This is the imitation; it does not think. 我是模擬。"


@dataclass(frozen=True)
class Reply:
    """One answer with everything that its chunks need; `reasoning` None: it did not think."""

    id: str
    created: int
    model: str
    reasoning: texts.Text | None
    text: texts.Text
    finish_reason: str
    prompt_tokens: int
    cached_tokens: int
    choices: int = 1

    def usage(self) -> dict[str, Any]:
        """Return the usage object: prompt includes cached, completion includes reasoning."""
        thought = self.choices * texts.count(self.reasoning or "")
        completion = thought + self.choices * texts.count(self.text)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "cached_tokens": self.cached_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }


def reply(body: Mapping[str, Any], fault: Fault, *, number: int, created: int, cached: int = 0) -> Reply:
    """Answer a valid request: the same request gets the same words."""
    reasoning, text = _reasoning(body, fault), _text(body, fault)
    room = texts.count(reasoning or "") + texts.count(text) if fault.no_cap else messages.cap(body)
    thought = None if reasoning is None else texts.cut(reasoning, room)
    said = texts.cut(text, room - texts.count(thought or ""))
    ending = "stop" if (thought, said) == (reasoning, text) else "length"
    return Reply(
        id=f"chatcmpl-standin-{number:06d}",
        created=created,
        model=body["model"],
        reasoning=thought,
        text=said,
        finish_reason=fault.finish_reason or ending,
        prompt_tokens=messages.prompt_tokens(body),
        cached_tokens=cached,
        choices=body.get("n") or 1,
    )


def _reasoning(body: Mapping[str, Any], fault: Fault) -> texts.Text | None:
    begun = messages.begun(body)
    # An answer that came with its reasoning is past it: what follows is text.
    if not models.thinks(body) or (begun and begun.get("reasoning_content")):
        return None
    if fault.reasoning is None:
        return _REASONING
    return texts.Numbered(fault.reasoning * messages.BYTES_PER_TOKEN)


def _text(body: Mapping[str, Any], fault: Fault) -> texts.Text:
    if fault.size is not None:
        whole: texts.Text = texts.Numbered(fault.size)
    else:
        whole = introduction(body) if fault.text is None else fault.text
    return texts.after(texts.until(whole, rules.stops_of(body)), messages.prefixes(body))


def introduction(body: Mapping[str, Any]) -> str:
    """Say who is speaking, and prove what was received: the bytes of the last user message and their SHA-256."""
    prompt = (messages.texts(body, "user") or [""])[-1]
    raw = prompt.encode("utf-8", "replace")
    system, images = len(messages.texts(body, "system")), messages.images(body)
    parts = [
        "[stand-in for Kimi] This is a local imitation, not Kimi. 這是本機的模擬，不是 Kimi。",
        f"Your prompt had {len(raw):,} bytes (sha256 {hashlib.sha256(raw).hexdigest()}).",
        _there_were(system, "system message"),
        _there_were(images, "image"),
        f"It began: {json.dumps(' '.join(prompt[:_BEGINNING].split()), ensure_ascii=False)}",
    ]
    said = " ".join(part for part in parts if part)
    return json.dumps({"standin": said}, ensure_ascii=False) if _wants_json(body) else said


def _there_were(number: int, what: str) -> str:
    if number == 1:
        return f"There was 1 {what}."
    return f"There were {number} {what}s." if number else ""


def _wants_json(body: Mapping[str, Any]) -> bool:
    asked = body.get("response_format")
    return isinstance(asked, dict) and asked.get("type") in ("json_object", "json_schema")


def whole(answer: Reply) -> dict[str, Any]:
    """Return the reply to a request that does not stream."""
    message = {"role": "assistant", "content": texts.part(answer.text, 0, len(answer.text))}
    if answer.reasoning is not None:
        message["reasoning_content"] = texts.part(answer.reasoning, 0, len(answer.reasoning))
    choices = [
        {"index": index, "message": message, "finish_reason": answer.finish_reason} for index in range(answer.choices)
    ]
    return _frame(answer, "chat.completion", choices) | {"usage": answer.usage()}


def opening(answer: Reply) -> Iterator[dict[str, Any]]:
    """Yield the chunks that come before the text: the role, the reasoning, an empty reasoning."""
    yield from _deltas(answer, {"role": "assistant", "content": ""})
    if answer.reasoning is None:
        return
    for piece in texts.chunks(answer.reasoning):
        yield from _deltas(answer, {"reasoning_content": piece})
    yield from _deltas(answer, {"reasoning_content": ""})


def content(answer: Reply) -> Iterator[dict[str, Any]]:
    """Yield the chunks of the text."""
    for piece in texts.chunks(answer.text):
        yield from _deltas(answer, {"content": piece})


def ending(answer: Reply, *, include_usage: bool) -> Iterator[dict[str, Any]]:
    """Yield the chunk with the finish_reason and the usage and, if asked for, one with the usage alone."""
    for index in range(answer.choices):
        last = {"index": index, "delta": {}, "finish_reason": answer.finish_reason, "usage": answer.usage()}
        yield _frame(answer, "chat.completion.chunk", [last])
    if include_usage:
        yield _frame(answer, "chat.completion.chunk", []) | {"usage": answer.usage()}


def _deltas(answer: Reply, delta: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for index in range(answer.choices):
        choice = {"index": index, "delta": delta, "finish_reason": None}
        yield _frame(answer, "chat.completion.chunk", [choice])


def _frame(answer: Reply, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": answer.id, "object": kind, "created": answer.created, "model": answer.model, "choices": choices}
