from __future__ import annotations

import hashlib
import json
import tracemalloc

import pytest

from kimi_hooks.clock import Clock
from kimi_hooks.kimi.client import Client, Endpoint, Request
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from tests.kimi.asking import ask, failed
from tests.kimi.scripted import SSE, scripted

_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
_EVENT = b'data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\n'


def test_an_answer_arrives_whole(client: Client, endpoint: Endpoint, standin: Standin) -> None:
    """Text, reasoning, usage and request id of one streamed answer, characters cut by the network included."""
    answer = ask(client, endpoint, "héllo 世界")
    assert "這是本機的模擬" in answer.text
    assert "\ufffd" not in answer.text
    assert answer.reasoning is not None
    assert answer.reasoning.endswith("我是模擬。")
    assert (answer.finish_reason, answer.model, answer.request_id) == ("stop", "kimi-k3", "standin-000001")
    assert answer.usage is not None
    assert answer.usage.total == answer.usage.prompt + answer.usage.completion
    assert answer.warnings == ()


def test_what_is_sent(client: Client, endpoint: Endpoint, standin: Standin) -> None:
    """One POST with exactly the documented fields, as UTF-8 JSON, that asks for no compression."""
    ask(client, endpoint, "世界", max_tokens=500)
    (record,) = standin.requests
    assert (record.method, record.path) == ("POST", "/v1/chat/completions")
    assert record.body == {
        "model": "kimi-k3",
        "messages": [{"role": "user", "content": "世界"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 500,
    }
    assert "世界".encode() in record.raw
    assert record.headers["accept-encoding"] == "identity"


def test_a_trailing_slash_is_tolerated(client: Client, standin: Standin) -> None:
    """The base URL may end in a slash."""
    ask(client, Endpoint(standin.url + "/", "sk-right", standin=True))
    assert standin.requests[0].path == "/v1/chat/completions"


def test_two_megabytes_arrive_byte_for_byte(client: Client, endpoint: Endpoint) -> None:
    """A prompt of 2 MB arrives as it is: the imitation names the same SHA-256."""
    prompt = "Ein Satz, 一句话, \u2028 🙂.\n" * 70_000
    assert len(prompt.encode()) > 2_000_000
    assert hashlib.sha256(prompt.encode()).hexdigest() in ask(client, endpoint, prompt).text


def test_a_long_answer_arrives_byte_for_byte(client: Client, endpoint: Endpoint, standin: Standin) -> None:
    """An answer of 300 KB arrives as it was sent."""
    text = "一句话🙂 and words.\n" * 10_000
    standin.add(Fault(text=text))
    assert ask(client, endpoint).text == text


def test_connections_are_kept(standin: Standin, endpoint: Endpoint, client: Client) -> None:
    """Calls of one thread after each other use one connection."""
    ports = set()
    for _ in range(3):
        ask(client, endpoint)
        with standin._server._lock:
            ports |= {connection.getpeername()[1] for connection in standin._server._open}
    assert len(ports) == 1


def test_warnings_reach_the_answer(client: Client, endpoint: Endpoint, standin: Standin) -> None:
    """What was not sent is told, and was not sent."""
    answer = ask(client, endpoint, temperature=0.5)
    assert "temperature" in answer.warnings[0]
    assert standin.requests[0].body is not None
    assert "temperature" not in standin.requests[0].body


def test_the_cap_counts_reasoning(client: Client, endpoint: Endpoint) -> None:
    """A small cap is eaten by the reasoning, which is told with its number; a middling one cuts the text."""
    eaten = failed(client, endpoint, max_tokens=5)
    assert eaten.failure.kind == "max_output_tokens"
    assert "the cap of 5 tokens on the answer (5 tokens of reasoning)" in str(eaten)
    cut = ask(client, endpoint, max_tokens=30)
    assert (cut.finish_reason, cut.warnings) == ("length", ())


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (Fault("http", status=400, type="content_filter"), ("content_filter", "never")),
        (Fault("http", status=401), ("authentication_failed", "pause")),
        (Fault("http", status=429, type="exceeded_current_quota_error"), ("billing_error", "pause")),
        (Fault("http", status=429), ("rate_limit", "retry")),
        (Fault("http", status=500), ("server_error", "retry")),
        (Fault("http", status=504, body="<html>Gateway Time-out</html>"), ("server_error", "retry")),
        (Fault("http", status=503), ("overloaded", "retry")),
        (Fault("reset"), ("server_error", "retry")),
        (Fault("cut"), ("server_error", "retry")),
        (Fault("no-done"), ("server_error", "retry")),
        (Fault("malformed"), ("server_error", "retry")),
        (Fault("stream-error", type="engine_overloaded_error"), ("overloaded", "retry")),
        (Fault(text=""), ("unknown", "retry")),
        (Fault(text="", finish_reason="length"), ("max_output_tokens", "never")),
        (Fault(finish_reason="content_filter"), ("content_filter", "never")),
        (Fault(text="", finish_reason="tool_calls"), ("unknown", "never")),
    ],
)
def test_faults(client: Client, endpoint: Endpoint, standin: Standin, fault: Fault, verdict: tuple[str, str]) -> None:
    """Each fault is told by its kind, is sent once, and the next call succeeds."""
    standin.add(fault)
    failure = failed(client, endpoint).failure
    assert (failure.kind, failure.action) == verdict
    assert len(standin.requests) == 1
    assert ask(client, endpoint).finish_reason == "stop"


def test_retry_after_reaches_the_caller(client: Client, endpoint: Endpoint, standin: Standin) -> None:
    """What the server asks for is handed on, in seconds."""
    standin.add(Fault("http", status=429, headers={"Retry-After": "1", "X-Retry-After": "4"}))
    failure = failed(client, endpoint).failure
    assert (failure.retry_after, failure.http_status, failure.request_id) == (4.0, 429, "standin-000001")


def test_a_cut_keeps_what_had_arrived(client: Client, endpoint: Endpoint, standin: Standin) -> None:
    """The text before the cut is handed on, and the message says that it was cut."""
    standin.add(Fault("cut", after=2))
    error = failed(client, endpoint)
    assert error.partial == "[stand-in for Kimi] This is a lo"
    assert "closed before the end" in str(error)


def test_silence_is_a_mishap_of_the_server(standin: Standin, endpoint: Endpoint) -> None:
    """A stream that falls silent is given up after idle_timeout, and tried again."""
    standin.add(Fault("stall"))
    error = failed(Client(clock=Clock(), idle_timeout=0.2), endpoint)
    assert (error.failure.kind, error.failure.action) == ("server_error", "retry")
    assert "sent nothing for 0.2 s" in str(error)
    assert error.partial == "[stand-in for Ki"


def test_an_unknown_model(client: Client, endpoint: Endpoint) -> None:
    """A model that does not exist is for good, and the message says how to look."""
    failure = failed(client, endpoint, model="moonshot-v1-8k").failure
    assert (failure.kind, failure.action) == ("model_not_found", "never")
    assert "GET http" in failure.message


def test_a_server_that_ignores_stream(client: Client) -> None:
    """A completion that comes whole as JSON is an answer."""
    body = json.dumps({"choices": [{"message": {"content": "OK"}, "finish_reason": "stop"}]}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with scripted(head + body) as server:
        assert ask(client, Endpoint(server.url, "k", standin=True)).text == "OK"


def test_a_stream_without_chunks_is_read_as_it_comes(client: Client) -> None:
    """Without chunked encoding the answer still ends at [DONE], not when the server closes."""
    with scripted(SSE + b"\r\n", _EVENT, b"data: [DONE]\n\n", hang_up=False) as server:
        assert ask(client, Endpoint(server.url, "k", standin=True)).text == "ok"


def test_a_stream_as_it_may_come(client: Client) -> None:
    """No charset, CRLF, comments, `data:` with and without a blank, other fields, characters that look like line ends,
    and a character cut in two by the network: all of the text arrives, and nothing else.
    """
    events = (
        ': keep alive\r\n\r\ndata:{"choices":[{"delta":{"content":"a\u2028b\u0085c\x0b"}}]}\r\n\r\n'.replace(
            "\x0b", "\\u000b"
        )
        + 'event: x\r\nid: 7\r\ndata: {"choices":[{"delta":{"content":"世界🙂é\\r\\n"}}]}\r\n\r\n:\r\n'
        + 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\r\n\r\ndata:[DONE]\r\n\r\n'
    ).encode()
    half = events.index("界".encode()) + 1
    with scripted(SSE + b"\r\n" + events[:half], events[half:]) as server:
        assert ask(client, Endpoint(server.url, "k", standin=True)).text == "a\u2028b\u0085c\x0b世界🙂é\r\n"


@pytest.mark.parametrize("streamed", [True, False])
def test_twenty_megabytes_are_not_held_many_times(streamed: bool) -> None:
    """An answer of 20 MB takes about twice its size when it is streamed, and three times in one piece."""
    piece = "x" * 20_000
    if streamed:
        event = b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % piece.encode()
        pieces = [SSE + b"\r\n", *[event] * 1000, _EVENT, b"data: [DONE]\n\n"]
    else:
        begin, end = b'{"choices":[{"message":{"content":"', b'ok"},"finish_reason":"stop"}]}'
        pieces = [_JSON, begin, *[piece.encode()] * 1000, end]
    client = Client(clock=Clock(), stream=streamed)
    with scripted(*pieces) as server:
        tracemalloc.start()
        answer = ask(client, Endpoint(server.url, "k", standin=True))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert answer.text == piece * 1000 + "ok"
    assert peak < len(answer.text) * (2.5 if streamed else 3.5)


def test_a_server_that_stays_after_done(client: Client) -> None:
    """After [DONE] the answer is complete, even if the reply itself never ends."""
    chunk = _EVENT + b"data: [DONE]\n\n"
    reply = SSE + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(chunk), chunk)
    with scripted(reply, hang_up=False) as server:
        assert ask(client, Endpoint(server.url, "k", standin=True)).text == "ok"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        SSE + b"Content-Encoding: gzip\r\n\r\nnot gzip",
        SSE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        SSE + b"\r\n" + _EVENT,
        b"HTTP/1.1 500 X\r\nContent-Length: 100\r\n\r\ncut",
    ],
)
def test_broken_replies_are_tried_again(client: Client, reply: bytes) -> None:
    """Whatever a broken server or a box on the way sends, it is told as a mishap of the server."""
    with scripted(reply) as server:
        failure = failed(client, Endpoint(server.url, "k", standin=True)).failure
    assert (failure.kind, failure.action) == ("server_error", "retry")


def test_messages_are_sent_in_their_order(client: Client, endpoint: Endpoint, standin: Standin) -> None:
    """System, user and assistant messages arrive as given."""
    messages = (
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a", "reasoning_content": "r"},
        {"role": "user", "content": "again"},
    )
    answer = client.ask("c", endpoint, Request("kimi-k3", messages), deadline=None)
    assert standin.requests[0].body is not None
    assert standin.requests[0].body["messages"] == list(messages)
    assert "1 system message." in answer.text


def test_a_prompt_that_is_no_text_is_refused(client: Client, endpoint: Endpoint, standin: Standin) -> None:
    """Half a character in the prompt ends the task before anything is sent."""
    assert failed(client, endpoint, "\udc80").failure.action == "never"
    assert standin.requests == ()
