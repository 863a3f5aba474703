"""Files: uploading, listing, reading what was extracted, deleting, and what is refused."""

from __future__ import annotations

import hashlib
import http.client
import json
from typing import Any

import pytest
import requests

from kimi_hooks.standin import files, multipart
from kimi_hooks.standin.files import Files
from kimi_hooks.standin.multipart import Part
from kimi_hooks.standin.server import Standin
from tests.standin.calling import KEY, call, chat, get, post, refusal_of


def _upload(standin: Standin, name: str, data: bytes, purpose: str | None = "file-extract") -> requests.Response:
    fields = {} if purpose is None else {"purpose": purpose}
    return call(standin, "POST", "/files", files={"file": (name, data)}, data=fields)


def test_from_upload_to_deletion(standin: Standin) -> None:
    """A file is uploaded, found, listed, read and deleted, each in the shape that Kimi has for it."""
    text = "Zwölf Zeilen\r\n世界\n"
    made = _upload(standin, "notes.txt", text.encode()).json()
    file_id = made["id"]
    assert made == {
        "id": file_id,
        "object": "file",
        "bytes": len(text.encode()),
        "created_at": 1000,
        "filename": "notes.txt",
        "purpose": "file-extract",
        "status": "ok",
        "status_details": "",
    }
    assert get(standin, f"/files/{file_id}").json() == made
    assert get(standin, "/files").json() == {"object": "list", "data": [made]}
    reply = get(standin, f"/files/{file_id}/content")
    assert reply.headers["Content-Type"].startswith("text/plain")
    told = json.loads(reply.text)
    assert told.pop("content").endswith(f"\n\n{text}")
    assert told == {"file_type": "text/plain", "filename": "notes.txt", "title": "", "type": "file"}
    assert call(standin, "DELETE", f"/files/{file_id}").json() == {"deleted": True, "id": file_id, "object": "file"}
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert refusal_of(call(standin, method, f"/files/{file_id}{path}"))[:2] == (404, "resource_not_found_error")
    assert get(standin, "/files").json()["data"] == []


def test_the_list_goes_on_after_a_file(standin: Standin) -> None:
    """The newest comes first; `after` gives what follows a file, and nothing after the last one."""
    ids = [_upload(standin, f"{number}.txt", b"x").json()["id"] for number in range(3)]
    listed = [[file["id"] for file in get(standin, path).json()["data"]]
              for path in ("/files", f"/files?after={ids[1]}&limit=20", f"/files?after={ids[0]}")]  # fmt: skip
    assert listed == [ids[::-1], ids[:1], []]


def test_what_is_not_text_is_told_by_its_digest(standin: Standin) -> None:
    """A document is not read: the text says who speaks, and holds name, size and SHA-256 of what came."""
    data = b"%PDF-1.7\n\xff\0\r\n--boundary\r\n" * 100
    file_id = _upload(standin, "Bericht 世界.pdf", data).json()["id"]
    told = json.loads(get(standin, f"/files/{file_id}/content").text)
    assert told["file_type"] == "application/pdf"
    assert told["content"] == (
        f"[stand-in for Kimi] The imitation reads no documents. Bericht 世界.pdf: {len(data):,} bytes,"
        f" sha256 {hashlib.sha256(data).hexdigest()}."
    )


def test_the_journal_tells_of_an_upload_without_holding_it(standin: Standin) -> None:
    """The record has the fields and the digest of the file, and not its bytes."""
    _upload(standin, "a.txt", b"hello")
    (record,) = standin.requests
    digest = hashlib.sha256(b"hello").hexdigest()
    assert record.body == {"purpose": "file-extract", "file": {"filename": "a.txt", "bytes": 5, "sha256": digest}}
    assert record.raw == b""


@pytest.mark.parametrize("purpose", ["assistants", "", None])
def test_purposes(standin: Standin, purpose: str | None) -> None:
    """Another purpose than Kimi's is refused in its words."""
    reply = _upload(standin, "a.txt", b"x", purpose)
    assert refusal_of(reply) == (400, "invalid_request_error", "Invalid purpose: only 'file-extract' accepted")


@pytest.mark.parametrize("body", [b"", b"{}", b"--x\r\n\r\n--x--", b"garbage"])
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "multipart/form-data"])
def test_an_upload_without_a_file(standin: Standin, body: bytes, kind: str) -> None:
    """What holds no file is refused, not a crash."""
    reply = call(standin, "POST", "/files", data=body, headers=KEY | {"Content-Type": kind})
    assert refusal_of(reply)[2] == "Invalid request: file is required"


def test_an_empty_file(standin: Standin) -> None:
    """A file without a byte is refused."""
    assert "File size is zero" in refusal_of(_upload(standin, "a.txt", b""))[2]


def test_a_file_that_is_too_large(standin: Standin) -> None:
    """Above 100 MB the whole upload is heard out and refused in Kimi's words; the next request is answered."""
    host, port = standin._address()
    connection = http.client.HTTPConnection(host, port, timeout=30)
    length = files.MAX_BYTES + 200_000
    headers = {**KEY, "Content-Length": str(length), "Content-Type": "multipart/form-data; boundary=x"}
    connection.request("POST", "/v1/files", (b"x" * size for size in _sizes(length)), headers)
    reply = connection.getresponse()
    told = json.loads(reply.read())["error"]["message"]
    assert (reply.status, told) == (400, files.too_large().message)
    connection.request("GET", "/v1/models", headers=KEY)
    assert connection.getresponse().status == 200
    connection.close()


def _sizes(length: int) -> list[int]:
    size = 4_000_000
    return [size] * (length // size) + [length % size]


def _part(data: bytes) -> dict[str, Any]:
    return {"purpose": Part("purpose", None, None, b"file-extract"), "file": Part("file", "a.txt", None, data)}


def test_a_thousand_files_at_most() -> None:
    """The file after the thousandth is refused until another is deleted."""
    kept = Files()
    made = [kept.add(_part(b"x"), 0) for _ in range(1001)]
    assert "exceeded the max file count 1000, please delete" in str(made[-1])
    assert isinstance(made[0], files.File)
    assert kept.delete(made[0].id)
    assert isinstance(kept.add(_part(b"x"), 0), files.File)


def test_what_is_kept_is_bounded() -> None:
    """A file for which there is no room is refused with what to do."""
    kept = Files(room=1000)
    assert isinstance(kept.add(_part(b"x" * 700), 0), files.File)
    assert "no room for this file; delete others" in str(kept.add(_part(b"x" * 300), 0))


def test_an_uploaded_image_can_be_shown(standin: Standin) -> None:
    """ms:// and the id of an image is taken in a message; the id of a document is not."""
    ids = [_upload(standin, "a.png", b"\x89PNG", purpose).json()["id"] for purpose in ("image", "file-extract")]
    statuses = []
    for file_id in ids:
        parts = [{"type": "image_url", "image_url": {"url": f"ms://{file_id}"}}, {"type": "text", "text": "?"}]
        statuses.append(post(standin, chat("") | {"messages": [{"role": "user", "content": parts}]}).status_code)
    assert statuses == [200, 404]


def test_files_need_a_key(standin: Standin) -> None:
    """No file is taken or shown without the key."""
    assert call(standin, "POST", "/files", headers={}, files={"file": ("a", b"x")}).status_code == 401
    assert get(standin, "/files", {}).status_code == 401


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('Content-Disposition: form-data; name="file"; filename="a b.txt"', "a b.txt"),
        ('content-disposition: form-data; filename="say %22hi%22.txt"; name="file"', 'say "hi".txt'),
        ("Content-Disposition: form-data; name=\"file\"; filename*=utf-8''%E4%B8%96.txt", "世.txt"),
        ('Content-Disposition: form-data; name="file"', None),
    ],
)
def test_names_of_parts(head: str, name: str | None) -> None:
    """The name of a file is read in every way in which clients write it."""
    parts = multipart.read(
        'multipart/form-data; boundary="b-1"', f"--b-1\r\n{head}\r\n\r\nda\r\nta\r\n--b-1--\r\n".encode()
    )
    assert parts is not None
    assert (parts["file"].filename, parts["file"].data) == (name, b"da\r\nta")
