"""Answers in one piece: `kimi.stream: false`."""

from __future__ import annotations

import json
import threading

import pytest

from kimi_hooks.clock import Clock
from kimi_hooks.kimi.client import CallFailedError, Client, Endpoint
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from tests.house import House
from tests.kimi.asking import ask, failed, request_of
from tests.kimi.desk import Letter, desk
from tests.kimi.scripted import scripted

BODY = json.dumps({"choices": [{"message": {"content": "OK"}, "finish_reason": "stop"}]}).encode()
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client() -> Client:
    return Client(clock=Clock(), stream=False, idle_timeout=0.4)


def test_a_whole_answer_is_asked_for(client: Client, endpoint: Endpoint, standin: Standin) -> None:
    """Nothing of streams is sent, and all of the answer is understood."""
    answer = ask(client, endpoint, "hello 世界", max_tokens=500)
    assert (answer.finish_reason, answer.request_id) == ("stop", "standin-000001")
    assert "這是本機的模擬" in answer.text
    assert answer.reasoning
    assert answer.usage
    body = standin.requests[0].body
    assert body
    assert set(body) == {"model", "messages", "max_completion_tokens"}


def test_the_headers_may_come_late(client: Client) -> None:
    """Kimi sends no header before the answer is complete, so the idle limit does not hold until then."""
    with desk(Letter(200, BODY, JSON, before=lambda: threading.Event().wait(0.8))) as server:
        assert ask(client, Endpoint(server.url, "k", standin=True)).text == "OK"


def test_the_deadline_bounds_the_wait_for_the_headers(client: Client) -> None:
    """A server that says nothing at all is left at the deadline."""
    clock = Clock()
    with scripted(hang_up=False) as server:
        endpoint = Endpoint(server.url, "k", standin=True)
        with pytest.raises(CallFailedError) as caught:
            client.ask("c", endpoint, request_of("x"), deadline=clock.monotonic() + 0.2)
    assert (caught.value.failure.kind, caught.value.failure.action) == ("timeout", "never")


def test_the_idle_limit_holds_for_the_body(client: Client) -> None:
    """An answer that has begun and then falls silent is given up."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    with scripted(head, hang_up=False) as server:
        error = failed(client, Endpoint(server.url, "k", standin=True))
    assert "sent nothing for 0.4 s" in str(error)


def test_a_server_that_streams_all_the_same(client: Client) -> None:
    """A stream that nobody asked for is understood."""
    stream = b'data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    with desk(Letter(200, stream, {"Content-Type": "text/event-stream"})) as server:
        assert ask(client, Endpoint(server.url, "k", standin=True)).text == "ok"


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (Fault(text=""), ("unknown", "retry")),
        (Fault(text="", finish_reason="length"), ("max_output_tokens", "never")),
        (Fault(text="beg", finish_reason="content_filter"), ("content_filter", "never")),
        (Fault("http", status=503), ("overloaded", "retry")),
        (Fault("reset"), ("server_error", "retry")),
    ],
)
def test_faults(client: Client, endpoint: Endpoint, standin: Standin, fault: Fault, verdict: tuple[str, str]) -> None:
    """What is no answer is told as it is of a stream."""
    standin.add(fault)
    failure = failed(client, endpoint).failure
    assert (failure.kind, failure.action) == verdict


def test_an_answer_without_its_end(client: Client) -> None:
    """One JSON object without a finish_reason is not complete."""
    with desk(Letter(200, BODY.replace(b"finish_reason", b"other"), JSON)) as server:
        error = failed(client, Endpoint(server.url, "k", standin=True))
    assert (error.failure.action, error.partial) == ("retry", "OK")


def test_the_runner_asks_so_when_told(house: House) -> None:
    """`kimi.stream: false` reaches the real program: one request without `stream`, and its answer in the result."""
    house.configure(kimi={"stream": False, "idle_timeout": 0.5})
    house.kimi.latency = 1.0
    house.drop("a.md", "a")
    assert house.call("run", "--drain").returncode == 0
    (request,) = house.kimi.requests
    assert request.body
    assert set(request.body) == {"model", "messages"}
    assert house.result()["outcome"] == "done"
    assert "imitation" in house.result()["output"]
