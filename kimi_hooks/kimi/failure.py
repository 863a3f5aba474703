"""What a failed call means: its kind, whether to try again, and words for the person who must act."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from kimi_hooks.errors import KimiHooksError
from kimi_hooks.kimi.usage import Usage

Action = Literal["retry", "never", "pause"]

_EXCERPT = 500
_READ_AT_MOST = 20_000
# Keys and the ids of account, organization and user: what a log must not hold.
_SECRET = re.compile(r"\b(sk|ak|org|uid|user|proj|cak)-[A-Za-z0-9_-]{4,}")
_REQUEST_ID_HEADERS = ("msh-request-id", "x-msh-trace-id", "x-request-id")

# The words of error.type, which weigh more than the status: 429 alone has three meanings.
_BY_TYPE: tuple[tuple[str, str, Action], ...] = (
    ("exceeded_current_quota", "billing_error", "pause"),
    ("incorrect_api_key", "authentication_failed", "pause"),
    ("invalid_authentication", "authentication_failed", "pause"),
    ("engine_overloaded", "overloaded", "retry"),
    ("rate_limit_reached", "rate_limit", "retry"),
    ("content_filter", "content_filter", "never"),
    ("permission_denied", "authentication_failed", "never"),
    ("resource_not_found", "model_not_found", "never"),
)
# Asked only where there is no status, inside a stream.
_BY_TYPE_ALONE: tuple[tuple[str, str, Action], ...] = (
    ("invalid_request", "invalid_request", "never"),
    ("server_unavailable", "overloaded", "retry"),
)
_BY_STATUS: Mapping[int, tuple[str, Action]] = {
    401: ("authentication_failed", "pause"),
    402: ("billing_error", "pause"),
    403: ("authentication_failed", "never"),
    404: ("model_not_found", "never"),
    408: ("server_error", "retry"),
    409: ("server_error", "retry"),
    425: ("server_error", "retry"),
    429: ("rate_limit", "retry"),
    503: ("overloaded", "retry"),
    529: ("overloaded", "retry"),
}
_REMEDY = {
    "authentication_failed": "Keys of api.moonshot.cn and api.moonshot.ai are separate: is this the key of the other "
    "site? Set KIMI_API_KEY and KIMI_API_URL so that they belong together.",
    "billing_error": "The account has no money left: recharge it in the console.",
    "model_not_found": "See which models there are with GET {api_url}/models, and whether the key may use them; "
    "set KIMI_MODEL or the task's model.",
    "content_filter": "Kimi's content filter refused the text; change the prompt.",
    "invalid_request": "Sending it again would be refused again; change the task.",
    "rate_limit": "That may pass; if it stays, lower the limits in config.yaml.",
    "overloaded": "That may pass; topping up the account does not help.",
    "server_error": "That may pass.",
}
_PERMISSION = "The key may not do this (API not open to it, or this address is not on the organization's list)."
_REDIRECT = "The redirect was not followed, for the key must not go elsewhere; set KIMI_API_URL to the final address."


@dataclass(frozen=True)
class Failure:
    """Why one call failed. `action`: try again, never again, or pause the queue because every call would fail.

    `retry_after` is what the server asked for, in seconds: a floor, not a promise.
    """

    kind: str
    action: Action
    message: str
    http_status: int | None = None
    request_id: str | None = None
    retry_after: float | None = None
    limit_told: str | None = None


class CallFailedError(KimiHooksError):
    """Kimi gave no answer. `partial` is the text that had arrived, `usage` what it took if that was told."""

    def __init__(self, failure: Failure, partial: str = "", usage: Usage | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.partial = partial
        self.usage = usage


def classify(
    status: int | None,
    headers: Mapping[str, str],
    body: bytes,
    api_url: str,
    *,
    now: Callable[[], float] = time.time,
) -> Failure:
    """Tell what a refusal means by its HTTP status and error type; any body is taken, JSON or not.

    `status` is None for an error inside a stream. `now` is wall time in seconds, for a Retry-After that is a date.
    Source: the errors page of the Kimi platform, and recorded replies.
    """
    error_type, said = _read_error(body)
    kind, action = _verdict(status, error_type)
    return Failure(
        kind=kind,
        action=action,
        message=_message(kind, action, status, said, api_url),
        http_status=status,
        request_id=request_id(headers),
        retry_after=_retry_after(headers, now),
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """Find the id under which Kimi's support can look a request up."""
    lowered = _lowered(headers)
    return next((lowered[name] for name in _REQUEST_ID_HEADERS if lowered.get(name)), None)


def host_of(api_url: str) -> str:
    """Name the API's host for a message, without anything secret that the URL may hold."""
    try:
        return urlsplit(api_url).hostname or "the API"
    except ValueError:
        return "the API"


def excerpt(text: str) -> str:
    """Make foreign text fit for a message: one line, no markup, no keys, at most 500 characters."""
    plain = re.sub(r"<[^<>]+>", " ", text[:_READ_AT_MOST])
    hidden = _SECRET.sub(r"\1-***", " ".join(plain.split()))
    return hidden if len(hidden) <= _EXCERPT else hidden[: _EXCERPT - 1] + "…"


def _verdict(status: int | None, error_type: str) -> tuple[str, Action]:
    table = _BY_TYPE if status is not None else _BY_TYPE + _BY_TYPE_ALONE
    for word, kind, action in table:
        if word in error_type:
            return kind, action
    if status is None or status >= 500:  # noqa: PLR2004 - HTTP's own number
        return _BY_STATUS.get(status or 500, ("server_error", "retry"))
    return _BY_STATUS.get(status, ("invalid_request", "never"))


def _message(kind: str, action: Action, status: int | None, said: str, api_url: str) -> str:
    place = f"Kimi at {host_of(api_url)} answered " + (f"HTTP {status}" if status else "with an error in the stream")
    remedy = _REMEDY[kind].format(api_url=_without_userinfo(api_url))
    if status is not None and 300 <= status < 400:  # noqa: PLR2004 - HTTP's own numbers
        remedy = _REDIRECT
    elif kind == "authentication_failed" and action == "never":
        remedy = _PERMISSION
    return f"{place}: {said or 'no reason given'}. {remedy}".replace(".. ", ". ")


def _without_userinfo(api_url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", api_url).rstrip("/")


def _read_error(body: bytes) -> tuple[str, str]:
    """Return the error's type (with its code, if any, in lower case) and its words."""
    text = body[:_READ_AT_MOST].decode("utf-8", errors="replace")
    try:
        error = json.loads(text)
    except (ValueError, RecursionError):
        return "", excerpt(text)
    if isinstance(error, dict) and "error" in error:
        error = error["error"]
    if not isinstance(error, dict):
        return "", excerpt(error if isinstance(error, str) else text)
    said = error.get("message")
    return f"{_word(error, 'type')} {_word(error, 'code')}".lower(), excerpt(said if isinstance(said, str) else text)


def _word(error: dict[str, Any], name: str) -> str:
    value = error.get(name)
    return value if isinstance(value, str) else ""


def _retry_after(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    lowered = _lowered(headers)
    given = [_seconds(lowered.get(name), lowered, now) for name in ("retry-after", "x-retry-after")]
    return max((seconds for seconds in given if seconds is not None), default=None)


def _seconds(value: str | None, lowered: Mapping[str, str], now: Callable[[], float]) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        date = _date(value)
        if date is None:
            return None
        # The server's own Date is the better reference: our clock may be wrong.
        seconds = date - (_date(lowered.get("date", "")) or now())
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _date(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
