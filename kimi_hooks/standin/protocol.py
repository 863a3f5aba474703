"""The rules of the Kimi API that the imitation keeps: models, refusals and their exact words.

Source: the Kimi platform's documentation and recorded replies, November 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_LONG, _SHORT = 1_048_576, 262_144
CONTEXTS: Mapping[str, int] = MappingProxyType(
    {
        "kimi-k3.1-pro": _LONG,
        "kimi-k3.1-pro-highspeed": _LONG,
        "kimi-k3": _LONG,
        "kimi-k2.7-code": _SHORT,
        "kimi-k2.7-code-highspeed": _SHORT,
        "kimi-k2.6": _SHORT,
    }
)
LIVE_MODELS = frozenset(CONTEXTS)
_FIXED = {"temperature": 1.0, "top_p": 0.95, "n": 1, "presence_penalty": 0, "frequency_penalty": 0}
_BYTES_PER_TOKEN = 4
_USUAL_TYPES = {
    400: "invalid_request_error",
    401: "invalid_authentication_error",
    403: "permission_denied_error",
    404: "resource_not_found_error",
    429: "rate_limit_reached_error",
    503: "server_unavailable",
}
_USUAL_WORDS = {
    "content_filter": "The request was rejected because it was considered high risk",
    "incorrect_api_key_error": "Incorrect API key provided",
    "invalid_authentication_error": "Invalid Authentication",
    "engine_overloaded_error": "The engine is currently overloaded, please try again later",
    "rate_limit_reached_error": "Your account reached organization max RPM: 3, please try again after 1 seconds",
    "exceeded_current_quota_error": "Your account is suspended due to insufficient balance, please recharge",
    "permission_denied_error": "The API you are accessing is not open",
}


@dataclass(frozen=True)
class Refusal:
    """An error reply: HTTP status, error type and words."""

    status: int
    type: str
    message: str

    def body(self) -> dict[str, Any]:
        """Return it in the shape of the API."""
        return {"error": {"message": self.message, "type": self.type}}


def usual(status: int, error_type: str | None = None, message: str | None = None) -> Refusal:
    """Build the refusal that a status usually comes with."""
    error_type = error_type or _USUAL_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004 - HTTP's own number
    return Refusal(
        status, error_type, message or _USUAL_WORDS.get(error_type, f"The imitation was told to fail ({status})")
    )


def no_access(authorization: str | None, keys: frozenset[str] | None) -> Refusal | None:
    """Refuse a missing or unknown key; `keys` None takes any."""
    scheme, _, key = (authorization or "").partition(" ")
    if not key.strip():
        return usual(401, "incorrect_api_key_error")
    if scheme != "Bearer" or (keys is not None and key.strip() not in keys):
        return usual(401)
    return None


def parse(raw: bytes) -> dict[str, Any] | None:
    """Read a request body; None when it is not a JSON object."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def mistake(body: dict[str, Any] | None, known_models: frozenset[str] | None) -> Refusal | None:
    """Find the first thing in a chat request that Kimi would refuse."""
    if body is None:
        return usual(400, message="Invalid request: the body is not a JSON object")
    return _model_mistake(body, known_models) or _messages_mistake(body) or _sampling_mistake(body) or _too_long(body)


def text_of(message: Any) -> str:
    """Return a message's text, the parts of a list put together."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def texts(body: dict[str, Any], role: str) -> list[str]:
    """Return the texts of all messages of one role."""
    return [text_of(message) for message in body["messages"] if message.get("role") == role]


def tokens(text: str) -> int:
    """Count tokens in a made-up but steady way: one for every 4 bytes of UTF-8."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def prompt_tokens(body: dict[str, Any]) -> int:
    """Count the tokens of a request."""
    return sum(tokens(text_of(message)) for message in body["messages"])


def cap(body: dict[str, Any]) -> int:
    """Return the cap on the answer in tokens, reasoning included."""
    given = body.get("max_completion_tokens", body.get("max_tokens"))
    if isinstance(given, int):
        return given
    return 131_072 if CONTEXTS.get(body["model"]) == _LONG else 32_768


def models(known: frozenset[str] | None, created: int) -> dict[str, Any]:
    """Return the list that GET /models gives."""
    ids = sorted(LIVE_MODELS if known is None else known)
    return {"object": "list", "data": [_model(name, created) for name in ids]}


def _model(name: str, created: int) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "moonshot",
        "permission": [],
        "root": name,
        "parent": "",
        "context_length": CONTEXTS.get(name, _SHORT),
        "supports_image_in": True,
        "supports_video_in": True,
        "supports_reasoning": True,
        "supports_dynamic_tools": name.startswith("kimi-k3"),
    }
    if name == "kimi-k3":
        efforts = ["low", "high", "max"]
        shown |= {"think_efforts": efforts, "reasoning_efforts": efforts, "supports_thinking_type": "only"}
    return shown


def _model_mistake(body: dict[str, Any], known: frozenset[str] | None) -> Refusal | None:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        return usual(400, message="Invalid request: model is required")
    if known is not None and model not in known:
        return usual(404, message=f"Not found the model {model} or Permission denied")
    return None


def _messages_mistake(body: dict[str, Any]) -> Refusal | None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return usual(400, message="Invalid request: messages must not be empty")
    for at, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("system", "user", "assistant", "tool"):
            return usual(400, message=f"Invalid request: the message at position {at} has no valid role")
        if not message.get("content") and not message.get("tool_calls"):
            where = f"the message at position {at} with role '{role}'"
            return usual(400, message=f"Invalid request: {where} must not be empty")
    return None


def _sampling_mistake(body: dict[str, Any]) -> Refusal | None:
    for name, only in _FIXED.items():
        if body.get(name) is not None and body[name] != only:
            return usual(400, message=f"invalid {name}: only {only:g} is allowed for this model")
    return None


def _too_long(body: dict[str, Any]) -> Refusal | None:
    limit, asked = CONTEXTS.get(body["model"], _LONG), prompt_tokens(body)
    if asked <= limit:
        return None
    words = f"Your request exceeded model token limit: {limit} (requested: {asked})"
    return usual(400, message=f"Invalid request: {words}")
