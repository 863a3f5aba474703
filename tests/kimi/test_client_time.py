from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from kimi_hooks.clock import Clock
from kimi_hooks.kimi.client import Answer, CallFailedError, Client, Endpoint
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from tests.kimi.asking import request_of
from tests.kimi.scripted import SSE, scripted


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as executor:
        yield executor


def _failure_of(future: Future[Answer]) -> CallFailedError:
    error = future.exception(timeout=10)
    assert isinstance(error, CallFailedError)
    return error


def _verdict(error: CallFailedError) -> tuple[str, str]:
    return error.failure.kind, error.failure.action


def _steps(*times: float) -> Clock:
    """Return a clock that shows these times, one at each look, and then stays."""
    left = list(times)
    return Clock(monotonic=lambda: left.pop(0) if len(left) > 1 else left[0])


def test_a_deadline_in_the_past_sends_nothing(standin: Standin, endpoint: Endpoint) -> None:
    """With no time left nothing is sent."""
    client = Client(clock=_steps(100.0))
    with pytest.raises(CallFailedError) as caught:
        client.ask("c", endpoint, request_of("x"), deadline=99.0)
    assert _verdict(caught.value) == ("timeout", "never")
    assert standin.requests == ()


def test_the_deadline_ends_a_stream_that_still_flows(standin: Standin, endpoint: Endpoint) -> None:
    """A server that goes on sending is left when the time is up; what had come is kept."""
    now = [0.0]
    standin.sleep = lambda _: now.__setitem__(0, now[0] + 10.0)
    standin.chunk_delay = 10.0
    standin.add(Fault(text="word " * 600))
    client = Client(clock=Clock(monotonic=lambda: now[0]))
    with pytest.raises(CallFailedError) as caught:
        client.ask("c", endpoint, request_of("x"), deadline=30.0)
    assert _verdict(caught.value) == ("timeout", "never")


def test_the_deadline_ends_silence_before_idle_timeout(standin: Standin, endpoint: Endpoint) -> None:
    """Silence in the stream is waited out only until the deadline."""
    standin.add(Fault("stall", after=2))
    clock = Clock()
    with pytest.raises(CallFailedError) as caught:
        Client(clock=clock).ask("c", endpoint, request_of("x"), deadline=clock.monotonic() + 0.3)
    assert _verdict(caught.value) == ("timeout", "never")
    assert caught.value.partial == "[stand-in for Kimi] This is a lo"


def test_no_header_until_the_deadline() -> None:
    """A server that takes the request and says nothing at all is left at the deadline."""
    clock = Clock()
    with scripted(hang_up=False) as server:
        endpoint = Endpoint(server.url, "k", standin=True)
        with pytest.raises(CallFailedError) as caught:
            Client(clock=clock).ask("c", endpoint, request_of("x"), deadline=clock.monotonic() + 0.2)
    assert _verdict(caught.value) == ("timeout", "never")


def test_abort_in_the_stream(standin: Standin, endpoint: Endpoint, client: Client, pool: ThreadPoolExecutor) -> None:
    """A call that waits in the middle of its answer ends at once; what had come is kept."""
    standin.add(Fault("stall"))
    future = pool.submit(client.ask, "c", endpoint, request_of("x"), deadline=None)
    assert standin.stalled.wait(10)
    client.abort("c")
    error = _failure_of(future)
    assert _verdict(error) == ("unknown", "retry")
    assert "ended from here" in str(error)


def test_abort_before_the_headers(endpoint: Endpoint, client: Client, pool: ThreadPoolExecutor) -> None:
    """A call that has no header yet ends at once too."""
    go_on, waiting = threading.Event(), threading.Event()

    def sleep(_: float) -> None:
        waiting.set()
        go_on.wait(10)

    with Standin(latency=1.0, sleep=sleep) as slow:
        future = pool.submit(client.ask, "c", Endpoint(slow.url, "k", standin=True), request_of("x"), deadline=None)
        assert waiting.wait(10)
        client.abort("c")
        assert _verdict(_failure_of(future)) == ("unknown", "retry")
        go_on.set()


def test_abort_on_a_kept_connection(
    standin: Standin, endpoint: Endpoint, client: Client, pool: ThreadPoolExecutor
) -> None:
    """A call on a connection that is used for the second time can be ended as well."""

    def twice() -> Answer:
        client.ask("first", endpoint, request_of("x"), deadline=None)
        standin.add(Fault("stall"))
        return client.ask("second", endpoint, request_of("x"), deadline=None)

    future = pool.submit(twice)
    assert standin.stalled.wait(10)
    client.abort("first")
    client.abort("second")
    assert _verdict(_failure_of(future)) == ("unknown", "retry")


def test_abort_without_chunks(client: Client, pool: ThreadPoolExecutor) -> None:
    """Ending a call whose reply has no chunks does not look like the end of the reply."""
    with scripted(SSE + b"\r\n", hang_up=False) as server:
        future = pool.submit(client.ask, "c", Endpoint(server.url, "k", standin=True), request_of("x"), deadline=None)
        assert server.sent.wait(10)
        client.abort("c")
        assert _verdict(_failure_of(future)) == ("unknown", "retry")


def test_abort_after_the_deadline_is_a_timeout(standin: Standin, endpoint: Endpoint, pool: ThreadPoolExecutor) -> None:
    """Whoever ends a call because its time is up gets a time-out."""
    now = [0.0]
    client = Client(clock=Clock(monotonic=lambda: now[0]))
    standin.add(Fault("stall"))
    future = pool.submit(client.ask, "c", endpoint, request_of("x"), deadline=50.0)
    assert standin.stalled.wait(10)
    now[0] = 51.0
    client.abort("c")
    assert _verdict(_failure_of(future)) == ("timeout", "never")


def test_abort_ends_only_its_own_call(
    standin: Standin, endpoint: Endpoint, client: Client, pool: ThreadPoolExecutor
) -> None:
    """Other calls in flight go on, and ids that are not in flight are passed over."""
    standin.add(Fault("stall", when="stall me"))
    stalled = pool.submit(client.ask, "a", endpoint, request_of("stall me"), deadline=None)
    assert standin.stalled.wait(10)
    client.abort("unknown")
    others = [pool.submit(client.ask, f"b{n}", endpoint, request_of("x"), deadline=None) for n in range(5)]
    assert all(other.result(10).finish_reason == "stop" for other in others)
    client.abort("a")
    _failure_of(stalled)


def test_an_answer_of_an_hour(standin: Standin, endpoint: Endpoint) -> None:
    """However long a stream flows, it is read to its end when the deadline allows it."""
    now = [0.0]
    standin.sleep = lambda seconds: now.__setitem__(0, now[0] + seconds)
    standin.chunk_delay = 60.0
    text = "sixteen letters\n" * 70
    standin.add(Fault(text=text))
    client = Client(clock=Clock(monotonic=lambda: now[0]))
    assert client.ask("c", endpoint, request_of("x"), deadline=7200.0).text == text
    assert now[0] > 3600


def test_a_clock_that_is_set_back(standin: Standin, endpoint: Endpoint) -> None:
    """What the clock on the wall says in the middle of a call changes nothing."""
    wall = iter(range(2_000_000_000, 0, -86_400))
    clock = Clock(now=lambda: float(next(wall)))
    client = Client(clock=clock)
    assert client.ask("c", endpoint, request_of("x"), deadline=clock.monotonic() + 60).finish_reason == "stop"
    standin.add(Fault("http", status=429, headers={"Retry-After": "7"}))
    with pytest.raises(CallFailedError) as caught:
        client.ask("c", endpoint, request_of("x"), deadline=clock.monotonic() + 60)
    assert caught.value.failure.retry_after == 7.0


def test_a_big_prompt_may_take_longer_than_the_idle_limit() -> None:
    """The idle limit holds for each piece of a prompt that leaves slowly, not for all of it together."""
    done = b'data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    client = Client(clock=Clock(), idle_timeout=1.0)
    with scripted(SSE + b"\r\n" + done, pause=0.15) as server:
        answer = client.ask("c", Endpoint(server.url, "k", standin=True), request_of("x" * 20_000_000), deadline=None)
    assert answer.text == "ok"


def test_a_silent_connection_is_kept_alive(client: Client, pool: ThreadPoolExecutor) -> None:
    """While Kimi thinks, the system asks the other end every minute whether it is still there."""
    with scripted(hang_up=False) as server:
        future = pool.submit(client.ask, "c", Endpoint(server.url, "k", standin=True), request_of("x"), deadline=None)
        assert server.sent.wait(10)
        sock = client._way._calls._calls["c"]._socket
        assert sock is not None
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        silence = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE")  # noqa: B009 - macOS has only that
        assert sock.getsockopt(socket.IPPROTO_TCP, silence) == 60
        client.abort("c")
        _failure_of(future)
