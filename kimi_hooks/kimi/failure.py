"""What a failed call means: its kind, whether to try again, and words for the person who must act."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from kimi_hooks.errors import KimiHooksError
from kimi_hooks.kimi import told
from kimi_hooks.kimi.remedies import Refusal, remedy
from kimi_hooks.kimi.usage import Usage
from kimi_hooks.text import mended

Action = Literal["retry", "never", "pause"]

_EXCERPT = 500
_REQUEST_ID = 200
_READ_AT_MOST = 20_000
# Keys and the ids of account, organization and user: what a log must not hold.
_SECRET = re.compile(r"\b(sk|ak|org|uid|user|proj|cak)-[A-Za-z0-9_-]{4,}")
_USERINFO = re.compile(r"[^\s/'\"@]+@")
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
    499: ("server_error", "retry"),
    503: ("overloaded", "retry"),
    529: ("overloaded", "retry"),
}
# What a project may spend and what an account holds is told with several statuses and types, always in these words.
_STATUSES_OF_MONEY = frozenset({None, 402, 403, 429})
_STATUSES_OF_KEYS = frozenset({401, 403})


@dataclass(frozen=True)
class Failure:
    """Why one call failed. `action`: try again, never again, or pause the queue because every call would fail.

    `retry_after` is what the server asked for, in seconds: a floor, not a promise. With `until_next_day`, trying again
    is of no use before Kimi's next day. `limit_told` is the limit that was hit, as far as Kimi's words tell it:
    `requests_per_minute 3`, `concurrency 1`, `tokens_per_minute 100` or `tokens_per_day 1500000`.
    """

    kind: str
    action: Action
    message: str
    http_status: int | None = None
    request_id: str | None = None
    retry_after: float | None = None
    until_next_day: bool = False
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
    is_code_key: bool = False,
) -> Failure:
    """Tell what a refusal means by its HTTP status and error type; any body is taken, JSON or not.

    `status` is None for an error inside a stream. `now` is wall time in seconds, for a Retry-After that is a date.
    `is_code_key`: the key is one of Kimi Code, which no address here takes.
    Source: the errors page of the Kimi platform, and recorded replies.
    """
    error_type, said = _read_error(body)
    kind, action = _verdict(status, error_type, said)
    is_code_key = is_code_key and kind == "authentication_failed" and status in _STATUSES_OF_KEYS
    host, url = host_of(api_url), without_userinfo(api_url).rstrip("/")
    refusal = Refusal(kind, status, error_type.strip(), said, host, url, action == "never", is_code_key)
    return Failure(
        kind=kind,
        # Every call with such a key would be refused, whatever it asks for.
        action="pause" if is_code_key else action,
        message=_message(refusal),
        http_status=status,
        request_id=request_id(headers),
        retry_after=told.retry_after(_lowered(headers), now),
        until_next_day=kind == "rate_limit" and told.is_of_the_day(said),
        limit_told=told.limit(said) if kind == "rate_limit" else None,
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """Find the id under which Kimi's support can look a request up; nothing else of the headers is ever told."""
    lowered = _lowered(headers)
    found = next((lowered[name] for name in _REQUEST_ID_HEADERS if lowered.get(name)), None)
    return found if found is None else re.sub(r"[^!-~]", "?", found[:_REQUEST_ID])


def host_of(api_url: str) -> str:
    """Name the API's host for a message, without anything secret that the URL may hold."""
    try:
        return urlsplit(api_url).hostname or "the API"
    except ValueError:
        return "the API"


def without_userinfo(text: str) -> str:
    """Take out of a URL, or a text with one in it, the user and the password that it may hold."""
    return _USERINFO.sub("", text)


def excerpt(text: str) -> str:
    """Make foreign text fit for a message: one line, no markup, no keys, no half characters, at most 500 characters."""
    plain = re.sub(r"<[^<>]+>", " ", mended(text[:_READ_AT_MOST]))
    shown = "".join(char if char.isprintable() else "�" for char in " ".join(plain.split()))
    hidden = _SECRET.sub(r"\1-***", shown)
    return hidden if len(hidden) <= _EXCERPT else hidden[: _EXCERPT - 1] + "…"


def _verdict(status: int | None, error_type: str, said: str) -> tuple[str, Action]:
    if status in _STATUSES_OF_MONEY and (told.is_over_budget(said) or told.is_out_of_money(said)):
        return "billing_error", "pause"
    table = _BY_TYPE if status is not None else _BY_TYPE + _BY_TYPE_ALONE
    for word, kind, action in table:
        if word in error_type:
            return kind, action
    if status is None or status >= 500:  # noqa: PLR2004 - HTTP's own number
        return _BY_STATUS.get(status or 500, ("server_error", "retry"))
    return _BY_STATUS.get(status, ("invalid_request", "never"))


def _message(refusal: Refusal) -> str:
    how = f"HTTP {refusal.status}" if refusal.status else "with an error in the stream"
    place = f"Kimi at {refusal.host} answered {how}"
    return f"{place}: {refusal.said or 'no reason given'}. {remedy(refusal)}".replace(".. ", ". ")


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


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
