"""The request journal of the imitation: what came in, never the key."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from typing import Any

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


@dataclass(frozen=True)
class Record:
    """One request: `at` is wall time in seconds, `headers` lower-case names without the secret ones.

    Of an upload, `body` has the fields, each file as its name, size and digest, and `raw` is empty.
    """

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any] | None
    raw: bytes


def plain_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without the key and other secrets."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in lowered.items() if name not in _SECRET_HEADERS}


class Records:
    """The newest `keep` requests; each is also handed to `journal`, or written to that file as one JSON line."""

    def __init__(self, journal: Callable[[Record], None] | Path | None = None, keep: int = 10_000) -> None:
        self._changed = Condition()
        self._kept: deque[Record] = deque(maxlen=keep)
        self._count = 0
        self._journal = journal

    def add(self, record: Record) -> int:
        """Keep a request and return its number, counted from 1."""
        with self._changed:
            self._kept.append(record)
            self._count += 1
            if isinstance(self._journal, Path):
                _append(self._journal, record)
            elif self._journal is not None:
                self._journal(record)
            self._changed.notify_all()
            return self._count

    def all(self) -> tuple[Record, ...]:
        """Return the requests kept, oldest first."""
        with self._changed:
            return tuple(self._kept)

    def wait_for(self, count: int, timeout: float) -> bool:
        """Wait until this many requests have come, at most `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count >= count, timeout)


def _append(path: Path, record: Record) -> None:
    line = {"at": record.at, "method": record.method, "path": record.path, "headers": record.headers}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line | {"body": record.body}) + "\n")
