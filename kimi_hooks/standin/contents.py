"""What Kimi checks in the messages of a request: who speaks, that something is said, and what it is."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from kimi_hooks.standin import models
from kimi_hooks.standin.refusals import Refusal, invalid, usual

HasFile = Callable[[str], bool]

_ROLES = ("system", "user", "assistant", "tool")
_DATA = re.compile(r"data:(image|video)/(?!svg)[\w.+-]+;base64,", re.ASCII)
_SHOWN = 60


def mistake(body: dict[str, Any], has_file: HasFile) -> Refusal | None:
    """Find the first message that Kimi would refuse; `has_file` tells whether an uploaded file can be looked at."""
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        return invalid("messages must not be empty")
    for at, message in enumerate(given):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            return invalid(f"the message at position {at} has no valid role")
        if not _says_something(message):
            return invalid(f"the message at position {at} with role '{message['role']}' must not be empty")
        if refusal := _content(message.get("content"), body["model"], has_file):
            return refusal
    return None


def _says_something(message: dict[str, Any]) -> bool:
    begun_by_name = message.get("partial") is True and message.get("name")
    return bool(message.get("content") or message.get("tool_calls") or begun_by_name)


def _content(content: Any, model: str, has_file: HasFile) -> Refusal | None:
    if content is None or isinstance(content, str):
        return None
    if not isinstance(content, list):
        return invalid("content must be a string or an array of parts")
    return next((refusal for part in content if (refusal := _part(part, model, has_file))), None)


def _part(part: Any, model: str, has_file: HasFile) -> Refusal | None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return None if isinstance(part.get("text"), str) and part["text"] else invalid("text content is empty")
    if kind not in ("image_url", "video_url"):
        return invalid("the type of a content part must be text, image_url or video_url")
    if not models.find(model).sees:
        return invalid(f"Image input not supported for model {model}")
    inner = part.get(kind)
    url = inner.get("url") if isinstance(inner, dict) else inner
    return _seen(url if isinstance(url, str) else "", kind.removesuffix("_url"), has_file)


def _seen(url: str, kind: str, has_file: HasFile) -> Refusal | None:
    if url.startswith("ms://"):
        return None if has_file(url.removeprefix("ms://")) else usual(404, message=f"Not found the file {url}")
    found = _DATA.match(url)
    if not found or found[1] != kind:
        return invalid(f"unsupported {kind} url: {url[:_SHOWN]}")
    try:
        data = base64.b64decode(url[found.end() :], validate=True)
    except (binascii.Error, ValueError):
        data = b""
    return None if data else invalid(f"the {kind} is not valid base64")
