"""The way to the server: keys, redirects, proxies, connections that do not come about."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from kimi_hooks.clock import Clock
from kimi_hooks.kimi.client import Client, Endpoint
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from tests.house import House
from tests.kimi.asking import ask, failed
from tests.kimi.desk import Letter, desk
from tests.kimi.proxy import tunnelling

_BODY = json.dumps({"choices": [{"message": {"content": "OK"}, "finish_reason": "stop"}]}).encode()
_ANSWER = Letter(200, _BODY, {"Content-Type": "application/json"})
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


_LONG_KEY = "0123456789abcdef" * 4
_REFUSAL = {"error": {"message": f"{'x' * 470} {_LONG_KEY}", "type": "invalid_request_error"}}
_SSE = {"Content-Type": "text/event-stream"}
_ECHOES = {
    "request id": Letter(400, b"{}", {"Msh-Request-Id": f"id-{_LONG_KEY}"}),
    "redirect": Letter(307, b"", {"Location": f"http://127.0.0.1:1/?key={_LONG_KEY}"}),
    "body that is cut": Letter(400, b"you sent " + _LONG_KEY[:40].encode()),
    "error in the stream": Letter(200, f"data: {json.dumps(_REFUSAL)}\n\n".encode(), _SSE),
    "malformed line": Letter(200, f"data: {'x' * 470} {_LONG_KEY}\n\n".encode(), _SSE),
}


@pytest.mark.parametrize("echo", _ECHOES)
def test_nothing_of_a_key_is_shown_wherever_it_is_repeated(client: Client, echo: str) -> None:
    """Not in the message and not in the id for the support; not the beginning of one that was cut off, either."""
    with desk(_ECHOES[echo]) as server:
        failure = failed(client, Endpoint(server.url, _LONG_KEY, standin=True)).failure
    assert "0123456789ab" not in repr(failure)


def test_an_answer_beside_its_text_holds_no_key(client: Client) -> None:
    """A server that calls its model or its reason by the key does not get it into a result."""
    message = {"choices": [{"message": {"content": "OK"}, "finish_reason": f"r-{_LONG_KEY}"}], "model": _LONG_KEY}
    headers = {"Content-Type": "application/json", "Msh-Request-Id": _LONG_KEY}
    with desk(Letter(200, json.dumps(message).encode(), headers)) as server:
        answer = ask(client, Endpoint(server.url, _LONG_KEY, standin=True))
    assert answer.text == "OK"
    assert _LONG_KEY not in repr(answer)


def test_a_key_that_is_a_word_hides_nothing(client: Client, standin: Standin) -> None:
    """Somebody who gives the imitation `op` for a key still learns how an answer ended."""
    standin.keys = None
    assert ask(client, Endpoint(standin.url, "op", standin=True)).finish_reason == "stop"


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
    client: Client, standin: Standin, proxies: Callable[[str], None]
) -> None:
    """The imitation is asked directly whatever the environment says; Kimi is asked through the proxy."""
    proxies("http://127.0.0.1:9")
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


@pytest.mark.parametrize(
    "url",
    ["http://bob:geheim@127.0.0.1:99999/v1", "http://bob:ge@heim@/v1", "htp://bob:geheim@h/v1", "bob:geheim@h/v1"],
)
def test_an_address_that_is_none_does_not_tell_its_password(client: Client, url: str) -> None:
    """Such addresses are quoted by the libraries, and the message goes into log, journal and hooks."""
    told = str(failed(client, Endpoint(url, "sk-right", standin=True)))
    assert "KIMI_API_URL" in told
    assert "heim" not in told


@pytest.mark.parametrize("proxy", ["http://bob:geheim@127.0.0.1:99999", "http://bob:geheim@", "http://[::1"])
def test_a_proxys_address_that_is_none_is_named_as_such(
    client: Client, proxies: Callable[[str], None], proxy: str
) -> None:
    """The queue pauses with the setting that is wrong, and without the password that may stand in it."""
    proxies(proxy)
    error = failed(client, Endpoint("http://kimi.example/v1", "sk-right"))
    assert error.failure.action == "pause"
    assert "HTTPS_PROXY" in str(error)
    assert "geheim" not in str(error)


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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    made = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-out", made[0], "-keyout", made[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return made


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give a function that makes one address the environment's proxy for everything."""

    def through(url: str) -> None:
        for name in _PROXIES:
            monkeypatch.setenv(name, url)

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return through


def test_a_certificate_that_nobody_signed(client: Client, tls: ssl.SSLContext) -> None:
    """A self-signed certificate is named as the cause, with what to do, and the key is not sent."""
    with desk(_ANSWER, tls=tls) as server:
        error = failed(client, Endpoint(server.url, "sk-right", standin=True))
    assert (error.failure.kind, error.failure.action) == ("server_error", "retry")
    assert "the certificate is not trusted: self-signed certificate" in str(error)
    assert "REQUESTS_CA_BUNDLE" in str(error)
    assert server.came == []


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment trust the certificate of the test's server."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))


def test_a_certificate_that_the_environment_trusts(
    client: Client, tls: ssl.SSLContext, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates named in REQUESTS_CA_BUNDLE count."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    monkeypatch.setenv("NO_PROXY", "*")
    with desk(_ANSWER, tls=tls) as server:
        assert ask(client, Endpoint(server.url, "sk-right")).text == "OK"


@pytest.mark.usefixtures("trusted")
def test_a_tunnel_through_a_proxy(client: Client, tls: ssl.SSLContext, proxies: Callable[[str], None]) -> None:
    """An address with https is asked through the environment's proxy, which does not see the key."""
    with tunnelling() as proxy, desk(_ANSWER, tls=tls) as server:
        proxies(proxy.url)
        assert ask(client, Endpoint(server.url, "sk-right")).text == "OK"
    (head,) = proxy.heads
    assert head.startswith("CONNECT 127.0.0.1:")
    assert "sk-right" not in head
    assert server.came[0].headers["authorization"] == "Bearer sk-right"


@pytest.mark.usefixtures("trusted")
def test_a_call_through_a_tunnel_can_be_ended(
    client: Client, tls: ssl.SSLContext, proxies: Callable[[str], None]
) -> None:
    """Neither proxy nor TLS keeps a call alive that is ended from here."""
    asked, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        go_on.wait(10)

    with tunnelling() as proxy, desk(Letter(200, before=hold), tls=tls) as server, ThreadPoolExecutor() as pool:
        proxies(proxy.url)
        future = pool.submit(ask, client, Endpoint(server.url, "sk-right"))
        assert asked.wait(10)
        client.abort("call-1")
        assert "ended from here" in str(future.exception(10))
        go_on.set()


def test_a_plain_address_through_a_proxy(client: Client, proxies: Callable[[str], None]) -> None:
    """An address without TLS is asked through the proxy too."""
    with desk(_ANSWER) as proxy:
        proxies(proxy.url)
        assert ask(client, Endpoint("http://kimi.invalid/v1", "sk-right")).text == "OK"
    assert proxy.lines == ["POST http://kimi.invalid/v1/chat/completions"]


def test_no_proxy_is_heeded(
    client: Client, standin: Standin, proxies: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that NO_PROXY names is asked directly."""
    proxies("http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert ask(client, Endpoint(standin.url, "sk-right")).text


def test_a_proxy_that_is_none_pauses(client: Client, standin: Standin, proxies: Callable[[str], None]) -> None:
    """A proxy address that cannot be one is named as what it is."""
    proxies("http://")
    error = failed(client, Endpoint(standin.url, "sk-right"))
    assert error.failure.action == "pause"
    assert "proxy" in error.failure.message


@pytest.mark.parametrize("key", ["sk-test-key-of-nobody\n", "  sk-test-key-of-nobody\r\n"])
def test_blanks_around_a_key_of_the_environment(house: House, key: str) -> None:
    """A line end that came along with the key, as `$(cat file)` of some shells leaves it, does no harm."""
    house.drop("a.md", "a")
    house.drain(KIMI_API_KEY=key)
    assert house.result()["outcome"] == "done"


def test_a_key_of_two_lines_in_the_secrets_file(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """A key with a line end inside sends nothing: the queue waits, and the log says where the character is."""
    house.workspace.secrets_file.write_text('KIMI_API_KEY="sk-test\\nX-Other: 1"\n')
    del house.environ["KIMI_API_KEY"]
    house.drop("a.md", "a")
    house.drain()
    assert house.kimi.requests == ()
    assert "queue paused (authentication_failed)" in caplog.text
    assert "U+000A at position 8" in caplog.text
    assert "X-Other" not in caplog.text
