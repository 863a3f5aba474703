"""What a chat request holds: its texts, its tokens, and the answer that it has begun itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kimi_hooks.standin import models

BYTES_PER_TOKEN = 4
# Kimi's own number for an image of any size (help centre, November 2026); of videos none is known.
_IMAGE_TOKENS = 1024
_SEEN = ("image_url", "video_url")


def parse(raw: bytes) -> dict[str, Any] | None:
    """Read a request body; None when it is not a JSON object."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def text_of(message: Any) -> str:
    """Return a message's text, the parts of a list put together."""
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, str) else "".join(str(part.get("text", "")) for part in parts_of(message))


def parts_of(message: Any) -> Iterator[dict[str, Any]]:
    """Yield the parts of a message whose content is a list."""
    content = message.get("content") if isinstance(message, dict) else None
    return (part for part in content if isinstance(part, dict)) if isinstance(content, list) else iter(())


def texts(body: Mapping[str, Any], role: str) -> list[str]:
    """Return the texts of all messages of one role."""
    return [text_of(message) for message in body["messages"] if message.get("role") == role]


def images(body: Mapping[str, Any]) -> int:
    """Count the images and videos of a request."""
    return sum(part.get("type") in _SEEN for message in body["messages"] for part in parts_of(message))


def pieces(body: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield all that counts in a request in its order: whose it is, and its bytes."""
    for message in body["messages"]:
        for key in ("name", "reasoning_content"):
            if isinstance(message.get(key), str):
                yield f"{message.get('role')} {key}", message[key].encode("utf-8", "replace")
        yield str(message.get("role")), text_of(message).encode("utf-8", "replace")
        if message.get("tool_calls"):
            yield "tool_calls", json.dumps(message["tool_calls"]).encode()


def tokens(text: str) -> int:
    """Count tokens in a made-up but steady way: one for every 4 bytes of UTF-8."""
    return byte_tokens(len(text.encode("utf-8", "replace")))


def byte_tokens(size: int) -> int:
    """Count the tokens of so many bytes."""
    return -(-size // BYTES_PER_TOKEN)


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Count the tokens of a request, images included."""
    return sum(byte_tokens(len(piece)) for _, piece in pieces(body)) + images(body) * _IMAGE_TOKENS


def asked_cap(body: Mapping[str, Any]) -> int | None:
    """Return the cap on the answer that a request names, in tokens; `max_tokens` is its older name."""
    given = body.get("max_completion_tokens")
    return body.get("max_tokens") if given is None else given


def cap(body: Mapping[str, Any]) -> int:
    """Return the cap on the answer in tokens, reasoning included."""
    given, model = asked_cap(body), models.find(body["model"])
    return given if given is not None else min(model.output, max(model.context - prompt_tokens(body), 1))


def begun(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the last message if it is the beginning of the answer: an assistant's with `partial`."""
    last: dict[str, Any] = body["messages"][-1]
    return last if last.get("role") == "assistant" and last.get("partial") is True else None


def prefixes(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the answer may have begun with: a `name` counts as part of it, but need not stand in the answer."""
    last = begun(body)
    if last is None:
        return ()
    text, name = text_of(last), last.get("name")
    return (name + text, text) if isinstance(name, str) and name else (text,)
