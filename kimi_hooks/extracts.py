"""The texts that were taken out of documents: kept on our own disk, so that no document is uploaded twice."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakValueDictionary

from kimi_hooks import atomic, context
from kimi_hooks.context import Found
from kimi_hooks.errors import TaskError

STANDIN = "standin"
_NO_HOST = re.compile(r"[^a-z0-9.-]")


class Extracts:
    """The texts under `folder`, by who took them out and the SHA-256 of the document. Safe for many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._under_way: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()

    def text(self, file: Found, whose: str, extract: Callable[[bytes], str], patience: float | None) -> str:
        """Return the document's text, asking `extract` for it unless it is known.

        Who needs the text of a document that is under way waits for it, up to `patience` seconds. Raises TaskError
        for a document that cannot be read or holds no text, OSError, and what `extract` raises.
        """
        folder = self._folder / whose
        place = folder / _file_name(context.digest(file))
        with self._alone(place, patience):
            kept = _kept(place)
            if kept is not None:
                return kept
            data = context.read(file)
            text = extract(data)
            if not text.strip():
                raise TaskError(f"context {file.path}: no text was found in it; give its pages as images, or as text")
            # Under the sum of what was read: the file may have been changed since it was looked at.
            place = folder / _file_name(hashlib.sha256(data).hexdigest())
            atomic.write_text(place, text, mode=0o600)
            return text

    @contextmanager
    def _alone(self, place: Path, patience: float | None) -> Iterator[None]:
        with self._lock:
            lock = self._under_way.setdefault(place, threading.Lock())
        # Who waited too long goes on: its call finds that the time is over, and says so.
        is_ours = lock.acquire(timeout=-1 if patience is None else max(patience, 0.0))
        try:
            yield
        finally:
            if is_ours:
                lock.release()


def whose_kimi(host: str) -> str:
    """Name the folder for texts that the Kimi at this host took out; never that of the imitation, or another place."""
    return f"kimi-{_NO_HOST.sub('_', host.lower())[:200]}"


def tidy(folder: Path, unused_since: float) -> None:
    """Remove the texts that nobody has asked for since that instant (seconds since 1970), and what writers left."""
    for file in folder.glob("*/*"):
        with suppress(OSError):
            if file.name.startswith(atomic.TEMPORARY_PREFIX) or file.lstat().st_mtime < unused_since:
                file.unlink()


def _file_name(digest: str) -> str:
    return f"{digest}.txt"


def _kept(place: Path) -> str | None:
    try:
        text = atomic.read_bytes(place).decode("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    with suppress(OSError):
        os.utime(place)
    return text
