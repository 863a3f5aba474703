"""The way to the server: keys, redirects, proxies, connections that do not come about."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import requests

from kimi_hooks.clock import Clock
from kimi_hooks.kimi.client import Client, Endpoint
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from tests.kimi.asking import ask, failed

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def test_a_wrong_key_pauses_and_is_not_shown(client: Client, standin: Standin) -> None:
    """The key stands in no message and in no repr."""
    endpoint = Endpoint(standin.url, "sk-wrong-1", standin=True)
    error = failed(client, endpoint)
    assert error.failure.action == "pause"
    assert "sk-wrong" not in repr(error) + repr(endpoint) + str(error.failure)


def test_a_key_that_the_server_repeats_is_not_shown(client: Client, endpoint: Endpoint, standin: Standin) -> None:
    """Even a server that quotes the key does not get it into a message."""
    standin.add(Fault("http", status=500, message="key <<sk-right>> is odd"))
    assert "sk-right" not in str(failed(client, endpoint))


def test_a_key_that_is_cut_off_in_a_message_is_not_shown_either(client: Client, standin: Standin) -> None:
    """Foreign words are cut at 500 characters; half a key is not left at the end."""
    key = "0123456789abcdef" * 4
    standin.keys = None
    standin.add(Fault("http", status=500, message="x" * 470 + key))
    assert "01234567" not in str(failed(client, Endpoint(standin.url, key, standin=True)))


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_of_kimi_code(client: Client, standin: Standin, status: int) -> None:
    """Somebody who uses the key of the other product learns it, without seeing the key."""
    standin.add(Fault("http", status=status))
    standin.keys = None
    error = failed(client, Endpoint(standin.url, "sk-kimi-of-nobody", standin=True))
    assert error.failure.action == "pause"
    assert "Kimi Code" in str(error)
    assert "of-nobody" not in str(error)


@pytest.mark.parametrize("key", ["sk-a\n", "sk-\r\nX: y", "sk-\u200b1", "sk a", "", "sk-\x00"])
def test_a_key_with_an_odd_character_is_not_sent(client: Client, standin: Standin, key: str) -> None:
    """A key that cannot be one pauses the queue before anything leaves, without a traceback of the HTTP library."""
    error = failed(client, Endpoint(standin.url, key, standin=True))
    assert (error.failure.kind, error.failure.action) == ("authentication_failed", "pause")
    assert standin.requests == ()


def test_netrc_does_not_replace_the_key(
    client: Client, standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ~/.netrc that knows the host changes nothing: the imitation still sees the right key."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
    assert ask(client, Endpoint(standin.url, "sk-right")).finish_reason == "stop"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(client: Client, endpoint: Endpoint, standin: Standin, status: int) -> None:
    """The key does not follow a redirect, whichever it is."""
    with Standin() as elsewhere:
        standin.add(Fault("http", status=status, headers={"Location": elsewhere.url + "/chat/completions"}))
        failure = failed(client, endpoint).failure
        assert (failure.action, failure.http_status) == ("never", status)
        assert elsewhere.requests == ()


def test_the_environments_proxy_is_for_kimi_only(
    client: Client, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The imitation is asked directly whatever the environment says; Kimi is asked through the proxy."""
    for name in _PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(client, Endpoint(standin.url, "sk-right", standin=True)).finish_reason == "stop"
    assert "proxy" in failed(client, Endpoint(standin.url, "sk-right")).failure.message
    assert ask(Client(clock=Clock(), trust_env=False), Endpoint(standin.url, "sk-right")).text
    assert len(standin.requests) == 2


@pytest.mark.parametrize(
    ("url", "action", "words"),
    [
        ("http://127.0.0.1:9/v1", "retry", "Kimi at 127.0.0.1 failed: Connection refused"),
        ("no-address", "pause", "KIMI_API_URL"),
        ("ftp://127.0.0.1/v1", "pause", "KIMI_API_URL"),
        ("http://[", "pause", "KIMI_API_URL"),
    ],
)
def test_no_connection(client: Client, url: str, action: str, words: str) -> None:
    """A host that cannot be reached is tried again; an address that is none pauses; both in short words."""
    error = failed(client, Endpoint(url, "sk-right", standin=True))
    assert error.failure.action == action
    assert words in str(error)
    assert "object at 0x" not in str(error)
    assert len(str(error)) < 250


def test_tls_to_a_plain_server(client: Client, standin: Standin) -> None:
    """A TLS handshake that fails is named and tried again."""
    error = failed(client, Endpoint(standin.url.replace("http:", "https:"), "sk-right", standin=True))
    assert (error.failure.kind, error.failure.action) == ("server_error", "retry")
    assert "SSL" in str(error)


def test_a_name_that_does_not_resolve(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DNS failure is named with its host and tried again."""

    def no_address(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    error = failed(client, Endpoint("http://kimi.invalid/v1", "sk-right", standin=True))
    assert error.failure.action == "retry"
    assert "Kimi at kimi.invalid failed: Name or service not known" in str(error)


def test_a_connection_that_takes_too_long() -> None:
    """A host that does not take the connection is left after connect_timeout, named, and tried again."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        for filling in (first, second):
            filling.setblocking(False)
            filling.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        error = failed(Client(clock=Clock(), connect_timeout=0.1), Endpoint(url, "sk-right", standin=True))
    assert (error.failure.kind, error.failure.action) == ("server_error", "retry")
    assert "could not be reached within 0.1 s" in str(error)


def test_a_reply_with_senseless_headers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What requests itself refuses in a reply is named and tried again."""

    def fail(*_: object, **__: object) -> None:
        raise requests.exceptions.InvalidHeader("Content-Length with two values")

    monkeypatch.setattr(requests.Session, "send", fail)
    error = failed(client, Endpoint("http://127.0.0.1:9/v1", "sk-right", standin=True))
    assert (error.failure.kind, error.failure.action) == ("server_error", "retry")
    assert "Content-Length with two values" in str(error)


def test_a_proxy_that_is_none_pauses(client: Client, standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy address that cannot be one is named as what it is."""
    for name in _PROXIES:
        monkeypatch.setenv(name, "http://")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    error = failed(client, Endpoint(standin.url, "sk-right"))
    assert error.failure.action == "pause"
    assert "proxy" in str(error)
