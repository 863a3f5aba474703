from __future__ import annotations

import pytest

from kimi_hooks.standin.faults import Fault, read_directives
from kimi_hooks.standin.server import Standin
from tests.standin.calling import chat, post


def test_faults_are_used_up_in_their_order(standin: Standin) -> None:
    """Each fault applies to as many fitting requests as it says."""
    standin.add(
        Fault("http", times=2, status=500),
        Fault("http", when="special", status=503),
        Fault("http", when=lambda prompt: prompt.startswith("x"), status=429),
    )
    seen = [post(standin, chat(prompt)).status_code for prompt in ("a", "b", "c", "xy", "so special", "special")]
    assert seen == [500, 500, 200, 429, 503, 200]


@pytest.mark.parametrize(
    ("line", "status", "error_type"),
    [
        ("status=500", 500, "server_error"),
        ("status=429 type=engine_overloaded_error retry-after=1", 429, "engine_overloaded_error"),
        ("status=401", 401, "invalid_authentication_error"),
        ("foo", 400, "invalid_request_error"),
        ("status=abc", 400, "invalid_request_error"),
        ("status=200", 400, "invalid_request_error"),
        ("retry-after=", 400, "invalid_request_error"),
    ],
)
def test_directives(standin: Standin, line: str, status: int, error_type: str) -> None:
    """A line in the prompt orders a fault; a word that is not known is refused with the known ones."""
    reply = post(standin, chat(f"Do this.\nstandin: {line}\nThanks"))
    assert (reply.status_code, reply.json()["error"]["type"]) == (status, error_type)
    if status == 400:
        assert "retry-after=SECONDS" in reply.json()["error"]["message"]


def test_a_directive_sets_retry_after(standin: Standin) -> None:
    """The header goes out as asked for."""
    assert post(standin, chat("standin: status=429 retry-after=7")).headers["Retry-After"] == "7"


def test_a_directive_for_the_first_requests_only(standin: Standin) -> None:
    """times=N counts the requests with this same prompt."""
    body = chat("standin: status=500 times=2")
    assert [post(standin, body).status_code for _ in range(4)] == [500, 500, 200, 200]
    assert post(standin, chat("standin: status=500 times=2 \nother")).status_code == 500


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("nothing", None),
        ("see standin: cut", None),
        ("standin:", None),
        ("standin: cut", Fault("cut")),
        ("standin: stall latency-ms=500\r\n", Fault("stall", latency=0.5)),
        ("standin: finish=content_filter", Fault(finish_reason="content_filter")),
        ("standin: empty", Fault(text="")),
        ("standin: text=Hello  big world=1", Fault(text="Hello  big world=1")),
        (
            "standin: finish=length text=a\nstandin: latency-ms=1",
            Fault(text="a", finish_reason="length", latency=0.001),
        ),
        ("standin: status=429 type=text=x", Fault("http", status=429, type="text=x")),
    ],
)
def test_words(prompt: str, expected: Fault | None) -> None:
    """Only a line that begins with the word counts; text= takes the rest of its line."""
    assert read_directives(prompt) == (expected, None)


def test_directives_of_earlier_messages_count(standin: Standin) -> None:
    """In a longer conversation the newest directive holds."""
    messages = [
        {"role": "user", "content": "standin: text=first"},
        {"role": "assistant", "content": "first"},
        {"role": "user", "content": "go on"},
    ]
    body = post(standin, {"model": "kimi-k3", "messages": messages}).json()
    assert body["choices"][0]["message"]["content"] == "first"
