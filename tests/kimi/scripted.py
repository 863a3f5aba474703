"""A server that sends given bytes to its one client, for replies that no decent server gives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PART = 2_000_000
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@dataclass(frozen=True)
class Scripted:
    """Where it listens, and whether all pieces are out."""

    url: str
    sent: threading.Event = field(default_factory=threading.Event)


@contextmanager
def scripted(*pieces: bytes, hang_up: bool = True, pause: float = 0.0) -> Iterator[Scripted]:
    """Answer the first request with the pieces, then close, or wait for the client to close.

    `pause` passes (seconds) after each 2 MB of the request.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    server = Scripted(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    thread = threading.Thread(target=_serve, args=(listener, server, pieces, hang_up, pause), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.close()
        thread.join(5)


def _serve(listener: socket.socket, server: Scripted, pieces: tuple[bytes, ...], hang_up: bool, pause: float) -> None:
    with suppress(OSError):
        connection, _ = listener.accept()
        with connection:
            _read_request(connection, pause)
            for piece in pieces:
                connection.sendall(piece)
            server.sent.set()
            if not hang_up:
                connection.recv(1)


def _read_request(connection: socket.socket, pause: float) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    fields = (line.partition(b":") for line in head.split(b"\r\n"))
    length = next(int(value) for name, _, value in fields if name.lower() == b"content-length")
    came = len(body)
    while came < length:
        before, came = came, came + len(connection.recv(65_536))
        if pause and before // _PART != came // _PART:
            threading.Event().wait(pause)
