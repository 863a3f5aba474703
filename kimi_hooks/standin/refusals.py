"""What Kimi says when it says no, in its own words where they are known.

Source: the Kimi platform's documentation and recorded replies, November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

ACCOUNT = "Your account org-standin <ak-standin>"
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
    "rate_limit_reached_error": f"{ACCOUNT} request reached organization max RPM: 3, please try again after 1 seconds",
    "exceeded_current_quota_error": f"{ACCOUNT} is suspended due to insufficient balance, please recharge your account"
    " or check your plan and billing details",
    "permission_denied_error": "The API you are accessing is not open",
}


@dataclass(frozen=True)
class Refusal:
    """An error reply: HTTP status, error type, words, and headers besides the usual ones."""

    status: int
    type: str
    message: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def body(self) -> dict[str, Any]:
        """Return it in the shape of the API."""
        return {"error": {"message": self.message, "type": self.type}}


def usual(
    status: int, error_type: str | None = None, message: str | None = None, headers: Mapping[str, str] | None = None
) -> Refusal:
    """Build the refusal that a status usually comes with."""
    error_type = error_type or _USUAL_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004 - HTTP's own number
    words = message or _USUAL_WORDS.get(error_type, f"The imitation was told to fail ({status})")
    return Refusal(status, error_type, words, MappingProxyType(dict(headers or {})))


def invalid(words: str) -> Refusal:
    """Build the refusal of a request that is wrong in itself."""
    return usual(400, message=f"Invalid request: {words}")


def no_model(name: str) -> Refusal:
    """Build the refusal of a model that is unknown or retired."""
    return usual(404, message=f"Not found the model {name} or Permission denied")


def no_access(authorization: str | None, keys: frozenset[str] | None) -> Refusal | None:
    """Refuse a missing or unknown key (one of the other site is unknown here); `keys` None takes any."""
    scheme, _, key = (authorization or "").partition(" ")
    if not key.strip():
        return usual(401, "incorrect_api_key_error")
    if scheme != "Bearer" or (keys is not None and key.strip() not in keys):
        return usual(401)
    return None
