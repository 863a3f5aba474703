"""A server that gives the replies that it was handed, in their order, and remembers what came."""

from __future__ import annotations

import hashlib
import ssl
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_KEPT = 1_000_000


@dataclass(frozen=True)
class Letter:
    """One reply. `before` is called before its headers leave, `between` before its body does."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Any = None
    between: Any = None


@dataclass(frozen=True)
class Came:
    """One request that came; `headers` by their lower-case names, the key included; `body` the first MB of it."""

    line: str
    headers: Mapping[str, str]
    body: bytes
    sha256: str


@dataclass
class Desk:
    """Where it listens, what it will say, and what was said to it."""

    url: str
    letters: list[Letter]
    came: list[Came] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """Methods and paths of the requests, in order."""
        return [each.line for each in self.came]


@contextmanager
def desk(*letters: Letter, tls: ssl.SSLContext | None = None) -> Iterator[Desk]:
    """Give each request the next of the letters; one that comes when none is left gets 500."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made = Desk(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/v1", list(letters))
    server.desk = made  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def parts_of(body: bytes, content_type: str) -> Iterable[tuple[str, bytes]]:
    """Take a multipart body apart: the header lines of each part, and what is in it."""
    boundary = content_type.partition("boundary=")[2].encode()
    *pieces, end = body.removeprefix(b"--" + boundary).split(b"\r\n--" + boundary)
    assert end == b"--\r\n"
    for piece in pieces:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        yield head.decode(), content


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that hang up, for that is what some tests are about."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        told: Desk = self.server.desk  # type: ignore[attr-defined]
        headers = {name.lower(): value for name, value in self.headers.items()}
        told.came.append(Came(f"{self.command} {self.path}", headers, *self._read()))
        self._send(told.letters.pop(0) if told.letters else Letter(500))

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the library's names

    def _read(self) -> tuple[bytes, str]:
        left, beginning, digest = int(self.headers.get("Content-Length") or 0), b"", hashlib.sha256()
        while left and (piece := self.rfile.read(min(left, 65_536))):
            left -= len(piece)
            beginning += piece if len(beginning) < _KEPT else b""
            digest.update(piece)
        return beginning, digest.hexdigest()

    def _send(self, letter: Letter) -> None:
        if letter.before:
            letter.before()
        self.send_response(letter.status)
        for name, value in {"Content-Length": str(len(letter.body)), **letter.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        if letter.between:
            letter.between()
        self.wfile.write(letter.body)

    def log_message(self, *_: Any) -> None:
        pass
