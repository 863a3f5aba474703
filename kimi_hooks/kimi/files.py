"""The Files API, as far as it makes text of documents: a file goes up, its text comes back, the file is deleted.

Source: the Kimi platform's pages on files, and recorded replies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from urllib3.filepost import choose_boundary, encode_multipart_formdata

from kimi_hooks.kimi.failure import excerpt
from kimi_hooks.kimi.sessions import Message
from kimi_hooks.kimi.way import Line, Reply
from kimi_hooks.text import mended

_READY = frozenset({"ok", "ready"})


@dataclass(frozen=True)
class Uploaded:
    """A document that lies at Kimi now: its id there, and what Kimi says of it."""

    id: str
    status: str
    details: str


def upload(line: Line, name: str, data: bytes) -> Uploaded:
    """Send a document of which the text is wanted. Raises CallFailedError."""
    with line.send(_form(name, data)) as reply:
        said = _object(reply)
        if not isinstance(said.get("id"), str) or not said["id"]:
            raise reply.odd(said)
        return Uploaded(mended(said["id"]), str(said.get("status") or ""), str(said.get("status_details") or ""))


def text(line: Line, uploaded: Uploaded, name: str) -> str:
    """Return the text that Kimi has found in the document. Raises CallFailedError, never again if it found none."""
    if uploaded.status not in _READY:
        why = excerpt(f"{uploaded.status or 'no status'}. {uploaded.details}").rstrip(". ")
        message = f"{line.place} could not read {excerpt(name)!r} ({why}); send it in another format."
        raise line.fail("invalid_request", "never", message)
    with line.send(Message("GET", f"files/{quote(uploaded.id, safe='')}/content")) as reply:
        said = _object(reply)
        if not isinstance(said.get("content"), str):
            raise reply.odd(said)
        return mended(said["content"])


def delete(line: Line, uploaded: Uploaded) -> None:
    """Delete the document at Kimi, where an account may keep 1,000. Raises CallFailedError."""
    with line.send(Message("DELETE", f"files/{quote(uploaded.id, safe='')}")) as reply:
        # To its end, so that the connection can be used again.
        for _ in reply.chunks():
            pass


def _object(reply: Reply) -> dict[str, Any]:
    said = reply.json()
    if not isinstance(said, dict):
        raise reply.odd(said)
    return said


def _form(name: str, data: bytes) -> Message:
    boundary = choose_boundary()
    readable = name.encode("utf-8", "replace").decode()
    # The library would copy the document twice; so it makes the form around an empty one.
    form, content_type = encode_multipart_formdata({"purpose": "file-extract", "file": (readable, b"")}, boundary)
    end = f"\r\n--{boundary}--\r\n".encode()
    return Message("POST", "files", (form.removesuffix(end), data, end), content_type)
