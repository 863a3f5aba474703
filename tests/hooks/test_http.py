"""One POST: what leaves, what is read of the answer, and that nobody sees the address."""

from __future__ import annotations

import itertools
import socket
import threading
from pathlib import Path

import pytest

from kimi_hooks.clock import Clock
from kimi_hooks.errors import ConfigError, UnreachableError
from kimi_hooks.hooks import http
from kimi_hooks.hooks.http import Target
from tests.receiver import Answer, Receiver, dripping

SECRET_PATH = "/hook/T0123456789/very?key=abcdef123456"


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_the_bytes_go_out_as_they_are(receiver: Receiver) -> None:
    """Body, content type, the headers that were given, the bearer token."""
    reply = http.post(Target(receiver.url + "/in", "X", "a-token"), b'{"a": "\xe5\xaf\x86"}', {"webhook-id": "e-1"})
    (seen,) = receiver.seen
    assert (seen.path, seen.body) == ("/in", b'{"a": "\xe5\xaf\x86"}')
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["webhook-id"] == "e-1"
    assert seen.headers["authorization"] == "Bearer a-token"
    assert (reply.status, reply.is_good) == (200, True)


def test_a_redirect_is_an_answer(receiver: Receiver) -> None:
    """Nothing is sent to a second place, which could be anybody's."""
    receiver.answers = [Answer(307, b"", {"Location": receiver.url + "/elsewhere"})]
    reply = http.post(Target(receiver.url, "X", "a-token"), b"{}", {})
    assert (reply.status, reply.is_good, reply.may_pass) == (307, False, False)
    assert len(receiver.seen) == 1


@pytest.mark.parametrize(
    ("status", "may_pass"),
    [(200, False), (302, False), (400, False), (404, False), (408, True), (409, True), (410, False), (425, True), (429, True), (500, True), (503, True)],
)  # fmt: skip
def test_which_answers_may_pass(receiver: Receiver, status: int, may_pass: bool) -> None:
    """Busy and broken receivers are asked again; a refusal is one."""
    receiver.answer(status)
    assert http.post(Target(receiver.url, "X"), b"{}", {}).may_pass is may_pass


def test_nobody_there_is_told_without_the_address() -> None:
    """Scheme, host, port, the system's words and the setting's name; no user, path or query."""
    port = free_port()
    with pytest.raises(UnreachableError) as told:
        http.post(Target(f"http://me:hidden-password@127.0.0.1:{port}{SECRET_PATH}", "WEBHOOK_URL"), b"{}", {})
    assert str(told.value) == (
        f"http://127.0.0.1:{port} gave no answer (Connection refused); see whether it is up and WEBHOOK_URL is right"
    )
    assert told.value.__suppress_context__


def test_a_receiver_that_hangs_up() -> None:
    """A connection closed before the answer is told as such."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(65_536)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(UnreachableError, match="it closed the connection"):
            http.post(Target(f"http://127.0.0.1:{server.getsockname()[1]}{SECRET_PATH}", "X"), b"{}", {})
        thread.join(20)


def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that takes the request and says nothing is given up after the time for an answer."""
    monkeypatch.setattr(http, "READ_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(UnreachableError, match=r"within 0\.05 s"):
        http.post(Target(f"http://127.0.0.1:{server.getsockname()[1]}", "X"), b"{}", {})


@pytest.mark.parametrize(
    "url",
    ["hidden.example/x", "ftp://hidden/x", "http://", "http://[hidden", "http://hidden:99999/x", "http://hidden:0/x",
     f"http://{'h' * 64}.hidden/x", "https:///hidden"],
)  # fmt: skip
def test_no_address(url: str) -> None:
    """What cannot be posted to is refused with the setting's name and without its value."""
    with pytest.raises(ConfigError) as told:
        http.post(Target(url, "WEBHOOK_URL"), b"{}", {})
    assert str(told.value).startswith("WEBHOOK_URL is not an address")
    assert "hidden" not in str(told.value)


@pytest.mark.parametrize("token", ["a\nb", "a b", "密"])
def test_a_token_that_is_none(receiver: Receiver, token: str) -> None:
    """It is not sent and not shown."""
    with pytest.raises(ConfigError) as told:
        http.post(Target(receiver.url, "X", token), b"{}", {})
    assert token not in str(told.value)
    assert receiver.seen == []


def test_credentials_come_from_the_address_alone(receiver: Receiver) -> None:
    """What ~/.netrc has for the host is not sent; a name and password in the address are."""
    netrc = Path.home() / ".netrc"
    netrc.write_text("default login netrc password netrc\n")
    netrc.chmod(0o600)
    http.post(Target(receiver.url, "X"), b"{}", {})
    http.post(Target(receiver.url, "X", "a-token"), b"{}", {})
    http.post(Target(receiver.url.replace("//", "//me:pa%20ss@"), "X"), b"{}", {})
    sent = [seen.headers.get("authorization") for seen in receiver.seen]
    assert sent == [None, "Bearer a-token", "Basic bWU6cGEgc3M="]


def test_no_proxy_stands_before_this_machine(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to loopback does not go through a proxy of the environment; any other does."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert http.post(Target(receiver.url, "X"), b"{}", {}).is_good
    with pytest.raises(UnreachableError, match="the proxy on the way failed"):
        http.post(Target("http://receiver.invalid/", "X"), b"{}", {})


def test_what_was_said_is_one_harmless_line(receiver: Receiver) -> None:
    """No line break, no control character, nothing of address or token, and not for ever."""
    said = f"Not found:\n {SECRET_PATH}\x1b[31m a-long-token " + "x" * 1000
    receiver.answers = [Answer(404, said.encode())]
    reply = http.post(Target(receiver.url + SECRET_PATH, "X", "a-long-token"), b"{}", {})
    assert reply.said.startswith("Not found: /hook/***/very?***\\x1b[31m *** xxx")
    assert len(reply.said) == http.MAX_SAID


def test_only_the_beginning_is_read(receiver: Receiver) -> None:
    """A receiver that never stops talking is not listened to."""
    receiver.answers = [Answer(200, b"x" * 1_000_000)]
    assert len(http.post(Target(receiver.url, "X"), b"{}", {}).body) == 4096


def test_an_answer_that_drips_is_cut() -> None:
    """The status counts; the words are read for as long as an answer may take in all."""
    slow = Clock(monotonic=itertools.count(0, http.READ_SECONDS / 10).__next__)
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x") as url:
        reply = http.post(Target(url, "X"), b"{}", {}, slow)
    assert reply.status == 200
    assert set(reply.body) == set(b"x")
