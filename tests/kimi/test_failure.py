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
        (499, "client_closed_request", "server_error", "retry"),
        (499, None, "server_error", "retry"),
        (500, "server_error", "server_error", "retry"),
        (500, "unexpected_output", "server_error", "retry"),
        (500, "invalid_request_error", "server_error", "retry"),
        (502, None, "server_error", "retry"),
        (503, "server_unavailable", "overloaded", "retry"),
        (503, None, "overloaded", "retry"),
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


@pytest.mark.parametrize(
    ("status", "error_type", "said", "kind"),
    [
        (429, "exceeded_current_quota_error", "m", "billing_error"),
        (
            403,
            None,
            "Your account org-1 <ak-1> is suspended due to insufficient balance, please recharge",
            "billing_error",
        ),
        (403, "permission_denied_error", "You exceeded your current token quota: 1 2", "billing_error"),
        (429, None, "You exceeded your current quota, please check your account balance", "billing_error"),
        (429, "rate_limit_reached_error", "project daily budget reached", "billing_error"),
        (403, "permission_denied_error", "Project Daily spending budget exceeded", "billing_error"),
        (None, None, "insufficient balance", "billing_error"),
    ],
)
def test_no_money_pauses_however_it_is_said(status: int | None, error_type: str | None, said: str, kind: str) -> None:
    """An empty account and a used up budget of a project stop every call, whichever status and type tell it."""
    failure = _classify(status, error_type, said)
    assert (failure.kind, failure.action, failure.until_next_day, failure.limit_told) == (kind, "pause", False, None)
    assert "kimi-hooks resume" in failure.message


def test_words_of_money_in_a_prompt_do_not_pause() -> None:
    """A request that is refused for what it asks ends alone, even if its words are quoted."""
    assert _classify(400, "invalid_request_error", "bad text: insufficient balance").action == "never"


@pytest.mark.parametrize(
    ("said", "limit", "advice"),
    [
        ("Your account org-1 request reached organization max RPM: 3, please try again after 1 seconds",
         "requests_per_minute 3", "set limits.requests_per_minute to 3 in config.yaml"),
        ("request reached organization max concurrency: 1, please try again", "concurrency 1",
         "set limits.concurrency to 1 in config.yaml"),
        ("request reached max organization concurrency: 50", "concurrency 50", "limits.concurrency to 50"),
        ("request reached organization TPM rate limit, current: 1410, limit: 100", "tokens_per_minute 100", "max_tokens"),
        ("request reached project TPM rate limit, current:501, limit:500,000", "tokens_per_minute 500000", "max_tokens"),
        ("request reached organization TPD rate limit, current: 1500001, limit: 1500000", "tokens_per_day 1500000",
         "the next day"),
        ("Organization Rate limit exceeded, please try again after 1 seconds", None, "lower the limits"),
        ("max RPM: none", None, "lower the limits"),
    ],
)  # fmt: skip
def test_the_limit_that_was_hit(said: str, limit: str | None, advice: str) -> None:
    """Kimi's own number is handed on, with what to set."""
    failure = _classify(429, "rate_limit_reached_error", said)
    assert (failure.kind, failure.action, failure.limit_told) == ("rate_limit", "retry", limit)
    assert advice in failure.message


@pytest.mark.parametrize(
    ("said", "until_next_day"),
    [
        ("request reached organization TPD rate limit, current: 1500001, limit: 1500000", True),
        ("you have used up your tokens per day", True),
        ("request reached organization max RPM: 3", False),
    ],
)
def test_tokens_of_the_day(said: str, until_next_day: bool) -> None:
    """Only a limit of the day is worth waiting for the next one."""
    failure = _classify(429, "rate_limit_reached_error", said)
    assert (failure.action, failure.until_next_day) == ("retry", until_next_day)


def test_a_limit_is_told_only_of_a_limit() -> None:
    """Words about limits in another refusal mean nothing."""
    failure = _classify(400, "invalid_request_error", "TPD and max RPM: 3 are no parameters")
    assert (failure.limit_told, failure.until_next_day) == (None, False)


@pytest.mark.parametrize(
    ("host", "names", "leaves_out"),
    [
        ("api.moonshot.cn", "key of platform.kimi.ai? Then set KIMI_API_URL=https://api.moonshot.ai/v1.", "kimi.com"),
        ("api.moonshot.ai", "key of platform.kimi.com? Then set KIMI_API_URL=https://api.moonshot.cn/v1.", "kimi.ai"),
        ("kimi.example.org", "belongs to the address in KIMI_API_URL", "platform."),
    ],
)
def test_a_wrong_key_names_the_other_site(host: str, names: str, leaves_out: str) -> None:
    """A 401 is a wrong key or a key of the other site, which is named; an address of one's own has none."""
    message = classify(401, {}, b"", f"https://{host}/v1").message
    assert "See whether KIMI_API_KEY is right" in message
    assert names in message
    assert leaves_out not in message


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_of_kimi_code_is_named_as_such(status: int) -> None:
    """It is another product; no call can succeed with its key, so the queue waits."""
    failure = classify(status, {}, b"", _URL, is_code_key=True)
    assert (failure.kind, failure.action) == ("authentication_failed", "pause")
    assert "Kimi Code" in failure.message
    assert "api.moonshot.ai" not in failure.message


def test_a_key_of_kimi_code_explains_nothing_else() -> None:
    """Other refusals are what they are."""
    assert "Kimi Code" not in classify(429, {}, b"", _URL, is_code_key=True).message


def test_an_unknown_model_says_how_to_look() -> None:
    """A 404 tells where the list of models is, without what the URL holds of a user."""
    said = b'{"error":{"type":"resource_not_found_error","message":"Not found the model x or Permission denied"}}'
    failure = classify(404, {}, said, "https://me:pw@api.moonshot.ai/v1/")
    assert "`kimi-hooks models --remote` or GET https://api.moonshot.ai/v1/models" in failure.message
    assert "pw" not in failure.message
    assert "ends in /v1" not in failure.message


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Not Found</html>",
        b'{"error":{"message":"The requested resource was not found","type":"resource_not_found_error"}}',
    ],
    ids=["html", "json"],
)
def test_a_404_that_does_not_name_a_model_names_the_address(body: bytes) -> None:
    """Where Kimi does not say that it is the model, the path may be wrong, which is told too."""
    assert "KIMI_API_URL is; it ends in /v1" in classify(404, {}, body, _URL).message


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
        ({"Retry-After": "1795379859"}, 86_400.0),
        ({"Retry-After": "1e300", "X-Retry-After": "1"}, 86_400.0),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 60.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT", "Date": "Thu, 01 Jan 1970 00:01:30 GMT"}, 10.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """The longer of the two headers counts, as seconds or as a date seen from the server's own clock; a day at most."""
    assert classify(429, headers, b"", _URL, now=lambda: 40.0).retry_after == seconds


def test_retry_after_as_a_date_from_the_standard_library() -> None:
    """A date as Python itself writes it is read back."""
    at = format_datetime(datetime.fromtimestamp(1000, UTC), usegmt=True)
    assert classify(503, {"Retry-After": at}, b"", _URL, now=lambda: 990.0).retry_after == 10.0


@pytest.mark.parametrize("name", ["Msh-Request-Id", "X-Msh-Trace-Id", "x-request-id"])
def test_request_id(name: str) -> None:
    """Each of the headers that hold an id for the support is read."""
    assert classify(500, {name: "abc"}, b"", _URL).request_id == "abc"


def test_only_ids_for_the_support_are_read() -> None:
    """Of the headers, those of the account are never told, and an id cannot write a line of a log."""
    headers = {
        "Msh-Org-Id": "org-12345",
        "Msh-Uid": "u12345",
        "Msh-Project-Id": "p12345",
        "Msh-Request-Id": "a\nb" * 99,
    }
    failure = classify(500, headers, b"", _URL)
    assert failure.request_id == ("a?b" * 99)[:200]
    assert "12345" not in str(failure)


def test_excerpts_are_short_and_hold_no_secret() -> None:
    """At most 500 characters of foreign text, on one line, without keys and without ids of the account."""
    text = excerpt("key sk-abcdef123456 of org-0123456789 <ak-0987654321>\n" + "x" * 9000)
    assert len(text) == 500
    assert "abcdef" not in text
    assert "0123456789" not in text
    assert "\n" not in text


def test_half_a_character_in_a_refusal_can_be_written() -> None:
    """The words of a refusal go into the journal, which takes whole characters only."""
    body = b'{"error":{"message":"\\ud83d\\ude42 odd \\ud800","type":"x"}}'
    assert "🙂 odd \ufffd" in classify(500, {}, body, _URL).message


def test_a_url_that_is_none_has_a_name_too() -> None:
    """A message can always say a place."""
    assert host_of("http://[") == host_of("") == "the API"
