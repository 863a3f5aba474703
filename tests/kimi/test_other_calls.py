"""The calls beside the chat: the list of models, the count of tokens, the text of a document."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kimi_hooks.clock import Clock
from kimi_hooks.kimi.client import CallFailedError, Client, Endpoint
from kimi_hooks.standin.server import Standin
from tests.kimi.desk import Desk, Letter, desk, parts_of

KEY = "sk-secret-of-nobody"
UPLOADED = b'{"id":"file-1","object":"file","bytes":3,"filename":"a.pdf","status":"ok","status_details":""}'
CONTENT = b'{"content":"the text","file_type":"application/pdf","filename":"a.pdf","title":"","type":"file"}'
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
DELETED = b'{"deleted":true,"id":"file-1","object":"file"}'
MESSAGES = [{"role": "user", "content": "世界"}]

Call = Callable[[Client, Endpoint], Any]


def endpoint(server: Desk) -> Endpoint:
    return Endpoint(server.url, KEY, standin=True)


def models(client: Client, at: Endpoint) -> Any:
    return client.models(at)


def estimate(client: Client, at: Endpoint) -> Any:
    return client.estimate("c", at, "kimi-k3", MESSAGES, deadline=None)


def extract(client: Client, at: Endpoint, name: str = "a.pdf", data: bytes = b"%PDF") -> Any:
    return client.extract("c", at, name, data, deadline=None)


def failed(call: Call, client: Client, at: Endpoint) -> CallFailedError:
    with pytest.raises(CallFailedError) as caught:
        call(client, at)
    return caught.value


def test_a_document_with_an_odd_id(client: Client) -> None:
    """Half a character in the id of an upload is no reason for a traceback."""
    uploaded = Letter(200, UPLOADED.replace(b"file-1", b"file-\\ud800"), TEXT)
    with desk(uploaded, Letter(200, CONTENT, TEXT), Letter(200, DELETED, TEXT)) as server:
        assert extract(client, endpoint(server)) == "the text"


def test_the_list_of_models(client: Client, standin: Standin) -> None:
    """What Kimi tells of each model comes through as it is."""
    listed = client.models(Endpoint(standin.url + "/", "sk-right", standin=True))
    assert "kimi-k3" in {model["id"] for model in listed}
    assert all(model["context_length"] > 0 for model in listed)
    assert [(record.method, record.path) for record in standin.requests] == [("GET", "/v1/models")]


def test_the_list_of_models_may_be_slow() -> None:
    """A server that is silent for longer than the idle limit before its first word is waited for."""
    slow = Letter(200, b'{"data":[]}', before=lambda: threading.Event().wait(0.6))
    with desk(slow) as server:
        assert models(Client(clock=Clock(), idle_timeout=0.2), endpoint(server)) == []


def test_the_list_of_models_is_not_waited_for_without_end() -> None:
    """Even the patient call has a limit, after which it says so."""
    times = [0.0, 0.0, 1000.0]
    clock = Clock(monotonic=lambda: times.pop(0) if len(times) > 1 else times[0])
    with desk(Letter(200, b'{"data":[]}')) as server:
        assert failed(models, Client(clock=clock), endpoint(server)).failure.kind == "timeout"


def test_the_count_of_tokens(client: Client) -> None:
    """Model and messages are sent, nothing else, and the number comes back."""
    with desk(Letter(200, b'{"code":0,"data":{"total_tokens":17},"scode":"0x0","status":true}')) as server:
        assert client.estimate("c", endpoint(server), "kimi-k3", MESSAGES, deadline=None) == 17
    assert server.lines == ["POST /v1/tokenizers/estimate-token-count"]
    assert json.loads(server.came[0].body) == {"model": "kimi-k3", "messages": MESSAGES}
    assert "世界".encode() in server.came[0].body


def test_the_text_of_a_document(client: Client) -> None:
    """Upload, content, deletion, in this order; the text comes back."""
    with desk(Letter(200, UPLOADED), Letter(200, CONTENT, TEXT), Letter(200, DELETED)) as server:
        assert client.extract("c", endpoint(server), 'Bericht "é".pdf', b"%PDF\r\n--", deadline=None) == "the text"
    assert server.lines == ["POST /v1/files", "GET /v1/files/file-1/content", "DELETE /v1/files/file-1"]
    came = server.came[0]
    purpose, file = parts_of(came.body, came.headers["content-type"])
    assert ('name="purpose"' in purpose[0], purpose[1]) == (True, b"file-extract")
    assert ('name="file"; filename="Bericht %22é%22.pdf"' in file[0], file[1]) == (True, b"%PDF\r\n--")
    assert all(each.headers["authorization"] == f"Bearer {KEY}" for each in server.came)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (json.dumps({"content": "世界\u2028\u0085🙂"}, ensure_ascii=False), "世界\u2028\u0085🙂"),
        ('{"content":"\\ud83d"}', "\ufffd"),
        ('{"content":""}', ""),
    ],
)
def test_a_text_is_read_as_utf_8(client: Client, said: str, text: str) -> None:
    """Without a charset it is UTF-8, no line separator is lost, half a character becomes U+FFFD."""
    content = Letter(200, said.encode(), {"Content-Type": "text/plain"})
    with desk(Letter(200, UPLOADED.replace(b'"ok"', b'"ready"')), content, Letter(200, DELETED)) as server:
        assert extract(client, endpoint(server)) == text


@pytest.mark.parametrize("name", ["a\nb.pdf", "報告.pdf", "\udc80.pdf"])
def test_any_name_of_a_document(client: Client, name: str) -> None:
    """No name breaks the form."""
    with desk(Letter(200, UPLOADED), Letter(200, CONTENT, TEXT), Letter(200, DELETED)) as server:
        assert extract(client, endpoint(server), name) == "the text"
    came = server.came[0]
    assert [content for _, content in parts_of(came.body, came.headers["content-type"])] == [b"file-extract", b"%PDF"]


@pytest.mark.parametrize(
    "content", [Letter(500, b'{"error":{"message":"m","type":"server_error"}}'), Letter(200, b"no JSON"), Letter(200)]
)
def test_a_document_that_is_not_read_is_deleted(client: Client, content: Letter) -> None:
    """When its text does not come, the document does not stay at Kimi, and the reason is told."""
    with desk(Letter(200, UPLOADED), content, Letter(200, DELETED)) as server:
        failure = failed(extract, client, endpoint(server)).failure
    assert (failure.kind, failure.action) == ("server_error", "retry")
    assert server.lines[-1] == "DELETE /v1/files/file-1"


def test_a_document_that_kimi_cannot_read(client: Client) -> None:
    """A file that came to nothing at Kimi fails for good, with Kimi's words and the file's name, and is deleted."""
    said = b'{"id":"file-1","status":"error","status_details":"not a pdf"}'
    with desk(Letter(200, said), Letter(200, DELETED)) as server:
        failure = failed(extract, client, endpoint(server)).failure
    assert (failure.kind, failure.action) == ("invalid_request", "never")
    assert "'a.pdf' (error. not a pdf)" in failure.message
    assert server.lines == ["POST /v1/files", "DELETE /v1/files/file-1"]


def test_a_deletion_that_fails_is_a_line_in_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """The text counts; whoever reads the log learns which file stayed at Kimi."""
    with (
        desk(Letter(200, UPLOADED), Letter(200, CONTENT, TEXT), Letter(503)) as server,
        caplog.at_level(logging.WARNING, "kimi_hooks"),
    ):
        assert extract(client, endpoint(server)) == "the text"
    (record,) = caplog.records
    assert "file-1" in record.getMessage()
    assert KEY not in record.getMessage()


def test_an_id_of_a_file_is_not_part_of_the_path(client: Client) -> None:
    """Whatever Kimi calls the file, no other address is asked."""
    said = json.dumps({"id": "../users/me?x=1#", "status": "ok"}).encode()
    with desk(Letter(200, said), Letter(200, CONTENT, TEXT), Letter(200, DELETED)) as server:
        extract(client, endpoint(server))
    assert server.lines[1] == "GET /v1/files/..%2Fusers%2Fme%3Fx%3D1%23/content"


@pytest.mark.parametrize("call", [models, estimate, extract])
@pytest.mark.parametrize(
    ("letter", "verdict"),
    [
        (Letter(401), ("authentication_failed", "pause")),
        (Letter(429, b'{"error":{"type":"exceeded_current_quota_error"}}'), ("billing_error", "pause")),
        (Letter(429, b'{"error":{"type":"rate_limit_reached_error"}}'), ("rate_limit", "retry")),
        (Letter(504, b"<html>Gateway Time-out</html>"), ("server_error", "retry")),
        (Letter(200, b""), ("server_error", "retry")),
        (Letter(200, b'{"data": [', {"Content-Length": "99"}), ("server_error", "retry")),
        (Letter(200, b"[" * 10_000), ("server_error", "retry")),
        (Letter(200, b"[]"), ("server_error", "retry")),
        (Letter(200, b'{"data": 3, "id": 3}'), ("server_error", "retry")),
        (Letter(200, b'{"data": {"total_tokens": "3"}}'), ("server_error", "retry")),
    ],
)
def test_failures(call: Call, letter: Letter, verdict: tuple[str, str], client: Client) -> None:
    """Each call tells a refusal as the chat does, and takes no odd body for an answer."""
    with desk(Letter(letter.status, letter.body, {**letter.headers, "Connection": "close"})) as server:
        failure = failed(call, client, endpoint(server)).failure
    assert (failure.kind, failure.action) == verdict
    assert len(server.came) == 1


@pytest.mark.parametrize("call", [models, estimate, extract])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(call: Call, status: int, client: Client) -> None:
    """The key goes to no other place, whatever the method."""
    with desk() as elsewhere, desk(Letter(status, headers={"Location": elsewhere.url})) as server:
        failure = failed(call, client, endpoint(server)).failure
    assert (failure.action, failure.http_status) == ("never", status)
    assert elsewhere.came == []


def test_no_redirect_of_a_deletion_is_followed(client: Client) -> None:
    """Neither when the text has come already."""
    with desk() as elsewhere:
        moved = Letter(307, headers={"Location": elsewhere.url})
        with desk(Letter(200, UPLOADED), Letter(200, CONTENT, TEXT), moved) as server:
            assert extract(client, endpoint(server)) == "the text"
        assert elsewhere.came == []


@pytest.mark.parametrize("call", [models, estimate, extract])
def test_a_key_that_is_none_or_repeated_is_not_shown(call: Call, client: Client) -> None:
    """A key with an odd character is not sent; one that the server repeats is not shown."""
    with desk(Letter(400, f'{{"error":{{"message":"what is {KEY}?"}}}}'.encode())) as server:
        odd = failed(call, client, Endpoint(server.url, KEY + "\n", standin=True))
        assert (odd.failure.action, server.came) == ("pause", [])
        assert KEY not in str(failed(call, client, endpoint(server)))


@pytest.mark.parametrize("call", [estimate, extract])
def test_silence_before_the_headers(call: Call) -> None:
    """The idle limit holds for these calls too."""
    done = threading.Event()
    with desk(Letter(200, before=lambda: done.wait(10))) as server:
        error = failed(call, Client(clock=Clock(), idle_timeout=0.1), endpoint(server))
        done.set()
    assert "sent nothing for 0.1 s" in str(error)


def test_the_deadline_holds_for_all_steps_of_an_extraction() -> None:
    """When the time is up while the text comes, that is told, and the document is deleted all the same."""
    now = [0.0]
    late = Letter(200, CONTENT, TEXT, before=lambda: now.__setitem__(0, 60.0))
    client = Client(clock=Clock(monotonic=lambda: now[0]))
    with desk(Letter(200, UPLOADED), late, Letter(200, DELETED)) as server, pytest.raises(CallFailedError) as caught:
        client.extract("c", endpoint(server), "a.pdf", b"x", deadline=50.0)
    assert (caught.value.failure.kind, caught.value.failure.action) == ("timeout", "never")
    assert server.lines[-1] == "DELETE /v1/files/file-1"


def test_an_extraction_can_be_ended(client: Client) -> None:
    """A call that waits for the text ends at once, and the document is deleted."""
    asked, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        go_on.wait(10)

    with (
        desk(Letter(200, UPLOADED), Letter(200, CONTENT, TEXT, before=hold), Letter(200, DELETED)) as server,
        ThreadPoolExecutor() as pool,
    ):
        future = pool.submit(extract, client, endpoint(server))
        assert asked.wait(10)
        client.abort("c")
        error = future.exception(10)
        go_on.set()
    assert isinstance(error, CallFailedError)
    assert (error.failure.kind, error.failure.action) == ("unknown", "retry")
    assert server.lines[-1] == "DELETE /v1/files/file-1"


def test_a_big_document_is_not_copied(client: Client) -> None:
    """Sending 30 MB takes little memory besides the 30 MB themselves, and they arrive as they are."""
    data = bytes(range(256)) * 120_000
    with desk(Letter(400)) as server:
        tracemalloc.start()
        failed(lambda client, at: extract(client, at, "a.bin", data), client, endpoint(server))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 5_000_000
    (came,) = server.came
    head = came.body[: came.body.index(b"\r\n\r\n\x00") + 4]
    end = b"\r\n--%b--\r\n" % came.headers["content-type"].partition("boundary=")[2].encode()
    assert came.sha256 == hashlib.sha256(head + data + end).hexdigest()
