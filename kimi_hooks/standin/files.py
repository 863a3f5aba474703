"""The files that an account has uploaded, and the text that is extracted from them.

Source: the Kimi platform's documentation and recorded replies, November 2026.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
from dataclasses import dataclass
from threading import Lock
from typing import Any

from kimi_hooks.standin.multipart import Part
from kimi_hooks.standin.refusals import Refusal, invalid, usual

MAX_BYTES = 100 * 1024 * 1024
MAX_COUNT = 1000
# What is kept of all files together; Kimi's own bound is 10 GB, this one is ours: the imitation lives in memory.
_ROOM = 128 * 1024 * 1024
_PURPOSES = ("file-extract", "image", "video", "batch")
_LOOKED_AT = ("image", "video")


@dataclass(frozen=True)
class File:
    """One uploaded file: what the API tells of it, and the text that was taken out of it."""

    id: str
    created: int
    name: str
    kind: str
    purpose: str
    size: int
    text: str

    def shown(self) -> dict[str, Any]:
        """Return the file object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.size,
            "created_at": self.created,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "ready" if self.purpose in _LOOKED_AT else "ok",
            "status_details": "",
        }

    def content(self) -> str:
        """Return what was extracted, as Kimi gives it: a text that is JSON."""
        told = {"content": self.text, "file_type": self.kind, "filename": self.name, "title": "", "type": "file"}
        return json.dumps(told, ensure_ascii=False)


class Files:
    """The files of the one account, until they are deleted; what is kept of them is at most `room` characters."""

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._lock = Lock()
        self._made = 0
        self._kept: dict[str, File] = {}

    def add(self, upload: dict[str, Part] | None, created: int) -> File | Refusal:
        """Take an upload, or refuse it."""
        file, purpose = (upload or {}).get("file"), (upload or {}).get("purpose")
        if file is None or file.filename is None:
            return invalid("file is required")
        asked = purpose.data.decode("utf-8", "replace") if purpose else ""
        if asked not in _PURPOSES:
            return usual(400, message="Invalid purpose: only 'file-extract' accepted")
        with self._lock:
            if refusal := self._no_room(len(file.data)):
                return refusal
            self._made += 1
            made = _made(f"file-standin-{self._made:06d}", created, asked, file)
            self._kept[made.id] = made
            return made

    def listed(self, after: str | None) -> list[File]:
        """Return all files, the newest first; of those only what follows the one whose id is `after`."""
        with self._lock:
            found = list(reversed(self._kept.values()))
        ids = [file.id for file in found]
        # The openai client asks for what follows the last one until nothing comes.
        return found[ids.index(after) + 1 :] if after in ids else found

    def find(self, file_id: str) -> File | None:
        """Return a file, if it is there."""
        with self._lock:
            return self._kept.get(file_id)

    def delete(self, file_id: str) -> bool:
        """Forget a file; False when it was not there."""
        with self._lock:
            return self._kept.pop(file_id, None) is not None

    def can_be_seen(self, file_id: str) -> bool:
        """Whether a message may show this file as an image or a video."""
        file = self.find(file_id)
        return file is not None and file.purpose in _LOOKED_AT

    def _no_room(self, size: int) -> Refusal | None:
        if size > MAX_BYTES:
            return too_large()
        if size == 0:
            return usual(400, message="File size is zero, please confirm and re-upload the file")
        if len(self._kept) >= MAX_COUNT:
            words = "The number of files you have uploaded exceeded the max file count"
            return usual(400, message=f"{words} {MAX_COUNT}, please delete previous uploaded files")
        if size + sum(len(file.text) for file in self._kept.values()) > self._room:
            return usual(400, message="The imitation has no room for this file; delete others first")
        return None


def too_large() -> Refusal:
    """Build the refusal of a file above 100 MB."""
    words = "File size is too large, max file size is 100MB, please confirm and re-upload the file"
    return usual(400, message=words)


def not_found(file_id: str) -> Refusal:
    """Build the refusal of a file that is not there."""
    return usual(404, message=f"Not found the file {file_id}")


def _made(file_id: str, created: int, purpose: str, part: Part) -> File:
    name = part.filename or ""
    given = part.content_type if part.content_type != "application/octet-stream" else None
    kind = given or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return File(file_id, created, name, kind, purpose, len(part.data), _extracted(name, part.data))


def _extracted(name: str, data: bytes) -> str:
    """Say who is speaking and prove what was received; only a text comes with what it says."""
    digest = hashlib.sha256(data).hexdigest()
    said = f"[stand-in for Kimi] The imitation reads no documents. {name}: {len(data):,} bytes, sha256 {digest}."
    try:
        text = data.decode("utf-8") if b"\0" not in data else ""
    except UnicodeDecodeError:
        text = ""
    return f"{said}\n\n{text}" if text else said
