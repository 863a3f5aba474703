from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks.kimi.failure import Failure, classify, excerpt, host_of

_URL = "https://api.moonshot.cn/v1"


def _classify(status: int | None, error_type: str | None = None, message: str = "Words of Kimi") -> Failure:
    error = {"message": message} | ({"type": error_type} if error_type else {})
    return classify(status, {}, json.dumps({"error": error}).encode(), _URL)


@pytest.mark.parametrize(
    ("status", "error_type", "kind", "action"),
    [
        (400, "content_filter", "content_filter", "never"),
        (400, "invalid_request_error", "invalid_request", "never"),
        (400, None, "invalid_request", "never"),
        (401, "incorrect_api_key_error", "authentication_failed", "pause"),
        (401, "invalid_authentication_error", "authentication_failed", "pause"),
        (401, None, "authentication_failed", "pause"),
        (402, None, "billing_error", "pause"),
        (403, "permission_denied_error", "authentication_failed", "never"),
        (403, "exceeded_current_quota_error", "billing_error", "pause"),
        (404, "resource_not_found_error", "model_not_found", "never"),
        (404, None, "model_not_found", "never"),
        (408, None, "server_error", "retry"),
        (409, None, "server_error", "retry"),
        (413, None, "invalid_request", "never"),
        (422, None, "invalid_request", "never"),
        (425, None, "server_error", "retry"),
        (429, "engine_overloaded_error", "overloaded", "retry"),
        (429, "rate_limit_reached_error", "rate_limit", "retry"),
        (429, "exceeded_current_quota_error", "billing_error", "pause"),
        (429, None, "rate_limit", "retry"),
        (500, "server_error", "server_error", "retry"),
        (500, "unexpected_output", "server_error", "retry"),
        (500, "invalid_request_error", "server_error", "retry"),
        (502, None, "server_error", "retry"),
        (503, "server_unavailable", "overloaded", "retry"),
        (504, None, "server_error", "retry"),
        (529, None, "overloaded", "retry"),
        (301, None, "invalid_request", "never"),
        (307, None, "invalid_request", "never"),
        (None, "engine_overloaded_error", "overloaded", "retry"),
        (None, "content_filter", "content_filter", "never"),
        (None, "invalid_request_error", "invalid_request", "never"),
        (None, "server_unavailable", "overloaded", "retry"),
        (None, None, "server_error", "retry"),
    ],
)
def test_table(status: int | None, error_type: str | None, kind: str, action: str) -> None:
    """Status and type together decide what is done; the words of Kimi reach the person."""
    failure = _classify(status, error_type)
    assert (failure.kind, failure.action, failure.http_status) == (kind, action, status)
    assert "Words of Kimi" in failure.message
    assert "api.moonshot.cn" in failure.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>504 Gateway Time-out</body></html>",
        b'{"error": {"message": "cut',
        b"null",
        b"[]",
        b"7",
        b'{"error": null}',
        b'{"error": "text"}',
        b'{"error": {"message": 3, "type": 4, "code": 400, "param": "prompt"}}',
        b'{"message": "no error object"}',
        b"\xff\xfe\x00",
        b"[" * 10_000,
    ],
)
def test_any_body_is_taken(body: bytes) -> None:
    """HTML, nothing, cut JSON and odd shapes are classified by the status alone."""
    assert classify(504, {}, body, _URL).kind == "server_error"


@given(st.sampled_from([None, 200, 302, 400, 401, 403, 404, 418, 429, 500, 599]), st.binary(max_size=200))
def test_no_body_raises(status: int | None, body: bytes) -> None:
    """No bytes whatever make the classification fail."""
    assert len(classify(status, {}, body, _URL).message) < 1200


def test_code_stands_in_for_type() -> None:
    """A body with a code instead of a type is understood too."""
    body = b'{"error": {"code": "exceeded_current_quota_error", "message": "m"}}'
    assert classify(429, {}, body, _URL).kind == "billing_error"


def test_a_wrong_key_names_both_sites() -> None:
    """The usual reason of a 401 is the key of the other site, so both are named."""
    message = _classify(401).message
    assert "api.moonshot.cn" in message
    assert "api.moonshot.ai" in message


def test_an_unknown_model_says_how_to_look() -> None:
    """A 404 tells where the list of models is, without what the URL holds of a user."""
    failure = classify(404, {}, b"", "https://me:pw@api.moonshot.ai/v1/")
    assert "GET https://api.moonshot.ai/v1/models" in failure.message
    assert "pw" not in failure.message


def test_a_redirect_says_why_it_was_refused() -> None:
    """The person learns that the key was kept back."""
    assert "key must not go elsewhere" in _classify(308).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "1"}, 1.0),
        ({"retry-after": "1", "X-Retry-After": "2.5"}, 2.5),
        ({"X-Retry-After": "7"}, 7.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 60.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT", "Date": "Thu, 01 Jan 1970 00:01:30 GMT"}, 10.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """The longer of the two headers counts, as seconds or as a date seen from the server's own clock."""
    assert classify(429, headers, b"", _URL, now=lambda: 40.0).retry_after == seconds


def test_retry_after_as_a_date_from_the_standard_library() -> None:
    """A date as Python itself writes it is read back."""
    at = format_datetime(datetime.fromtimestamp(1000, UTC), usegmt=True)
    assert classify(503, {"Retry-After": at}, b"", _URL, now=lambda: 990.0).retry_after == 10.0


@pytest.mark.parametrize("name", ["Msh-Request-Id", "X-Msh-Trace-Id", "x-request-id"])
def test_request_id(name: str) -> None:
    """Each of the headers that hold an id for the support is read."""
    assert classify(500, {name: "abc"}, b"", _URL).request_id == "abc"


def test_excerpts_are_short_and_hold_no_secret() -> None:
    """At most 500 characters of foreign text, on one line, without keys and without ids of the account."""
    text = excerpt("key sk-abcdef123456 of org-0123456789 <ak-0987654321>\n" + "x" * 9000)
    assert len(text) == 500
    assert "abcdef" not in text
    assert "0123456789" not in text
    assert "\n" not in text


def test_a_url_that_is_none_has_a_name_too() -> None:
    """A message can always say a place."""
    assert host_of("http://[") == host_of("") == "the API"
