"""Whatever comes in is answered or refused; nothing that a client sends makes the imitation fail."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks.clock import Clock
from kimi_hooks.standin import answers, multipart, rules, words
from kimi_hooks.standin.caching import PromptCache
from kimi_hooks.standin.faults import Fault, UnknownWordError
from kimi_hooks.standin.server import Standin
from tests.standin.calling import chat, get

_WORDS = ["user", "assistant", "text", "image_url", "type", "disabled", "kimi-k2.6", "object", "", "x", "anyOf"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(_WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=3),
    max_leaves=8,
)
_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"])},
    optional=dict.fromkeys(("content", "name", "partial", "tool_calls", "reasoning_content"), _JSON),
)
_BODY = st.fixed_dictionaries(
    {"model": st.sampled_from(["kimi-k3", "kimi-k2.6", "moonshot-v1-8k", "other"])},
    optional={
        "messages": st.lists(_MESSAGE | _JSON, max_size=3) | _JSON,
        **dict.fromkeys(
            ("n", "stop", "thinking", "temperature", "top_p", "tools", "tool_choice", "max_completion_tokens",
             "max_tokens", "response_format", "stream", "stream_options", "presence_penalty"), _JSON
        ),
    },
)  # fmt: skip


@given(body=_BODY)
def test_any_body_is_answered_or_refused(body: dict[str, Any]) -> None:
    """Fields of any type and shape lead to a refusal or to an answer, each of which is JSON."""
    refusal = rules.mistake(body, None, lambda _: False)
    if refusal is None:
        reply = answers.reply(body, Fault(), number=1, created=0, cached=PromptCache(Clock()).use("k", body))
        assert json.dumps([answers.whole(reply), *answers.opening(reply), *answers.ending(reply, include_usage=True)])
    else:
        assert json.dumps(refusal.body())


@given(line=st.text(max_size=40) | st.lists(st.sampled_from([*words.WORDS, "x"]).flatmap(
    lambda word: st.text("0123456789.-=MB x", max_size=4).map(lambda value: f"{word}={value}"))).map(" ".join))  # fmt: skip
def test_any_order_is_understood_or_refused(line: str) -> None:
    """An order is a Fault or an UnknownWordError, never another error."""
    with suppress(UnknownWordError):
        assert isinstance(words.fault(line), Fault)


@given(kind=st.text(max_size=20) | st.just("multipart/form-data; boundary=b"), raw=st.binary(max_size=60)
       | st.lists(st.sampled_from([b"--b", b"\r\n", b"--", b"\r\n\r\n", b'content-disposition: form-data; name="file"', b"x"])).map(b"".join))  # fmt: skip
def test_any_upload_is_read_or_passed_over(kind: str, raw: bytes) -> None:
    """A broken upload has no parts, or some; reading it comes to an end."""
    parts = multipart.read(kind, raw)
    assert parts is None or all(part.name == name for name, part in parts.items())


@pytest.mark.parametrize(
    "request_head",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /v1/files HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"GET /v1/models\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"garbage\r\n\r\n",
        b"",
    ],
)
def test_odd_requests_do_no_harm(standin: Standin, request_head: bytes) -> None:
    """A request that is none is refused or dropped, and the next one is answered."""
    with socket.create_connection(standin._address(), 10) as connection:
        connection.sendall(request_head)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(4096), b""))
    # To what is no HTTP the answer is none either.
    assert not received.startswith(b"HTTP/") or b"X-Kimi-Standin: 1" in received
    assert b" 200 " not in received[:20]
    assert get(standin, "/models").status_code == 200


def test_a_length_of_thousands_of_digits_is_refused(standin: Standin) -> None:
    """It is answered, not met with a traceback."""
    with socket.create_connection(standin._address(), 10) as connection:
        connection.sendall(b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_leaves_early(standin: Standin) -> None:
    """A body that breaks off is no request, and nobody is answered."""
    body = json.dumps(chat("hi")).encode()
    with socket.create_connection(standin._address(), 10) as connection:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (len(body) + 5)
        connection.sendall(head + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert standin.requests == ()
