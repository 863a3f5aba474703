"""How replies leave: whole or as a stream, signed by the imitation, and broken where a fault says so."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import Any

from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.refusals import Refusal, usual

JSON = "application/json; charset=utf-8"
_LINGER_NOT = struct.pack("ii", 1, 0)
_BROKEN = b'{"id": "chatcmpl-standin", "choices": [{'


@dataclass(frozen=True)
class Plain:
    """A reply that is not a stream."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def json_reply(value: Any) -> Plain:
    """Build the reply to what went well."""
    return Plain(200, encoded(value))


def refused(refusal: Refusal) -> Plain:
    """Build the reply that says no."""
    return Plain(refusal.status, encoded(refusal.body()), headers=refusal.headers)


def failed(fault: Fault) -> Plain:
    """Build the reply that a fault orders."""
    refusal = error_of(fault)
    if fault.body is None:
        return refused(refusal)
    return Plain(fault.status, fault.body.encode(), "text/html", refusal.headers)


def error_of(fault: Fault) -> Refusal:
    """Return the error that a fault orders."""
    return usual(fault.status, fault.type, fault.message, fault.headers)


def encoded(value: Any) -> bytes:
    """Write a value as JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


class Wire(BaseHTTPRequestHandler):
    """Sends over one connection, which is kept; every reply says that it comes from the imitation."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "kimi-standin"
    number = 0
    on_silence: Callable[[], None]

    def log_message(self, *_: Any) -> None:
        """Say nothing: the request journal is the log."""

    def end_headers(self) -> None:
        """Sign every reply."""
        self.send_header("X-Kimi-Standin", "1")
        self.send_header("Msh-Request-Id", f"standin-{self.number:06d}")
        self.send_header("X-Msh-Trace-Id", f"standin-trace-{self.number:06d}")
        super().end_headers()

    def send_plain(self, plain: Plain) -> None:
        """Send a reply as it is."""
        self._send_head(plain)
        self.wfile.write(plain.body)

    def send_broken(self, plain: Plain, fault: Fault) -> None:
        """Send a reply, or what a fault makes of it."""
        if fault.kind in ("http", "stream-error"):
            self.send_plain(failed(fault))
        elif fault.kind == "malformed":
            self.send_plain(Plain(plain.status, _BROKEN, plain.content_type, plain.headers))
        elif fault.kind in ("cut", "stall"):
            self._send_head(plain)
            self.wfile.write(plain.body[: len(plain.body) // 2])
            self.end_here(fault)
        elif fault.kind == "reset":
            self.reset()
        elif fault.kind == "hang":
            self.fall_silent()
        else:
            self.send_plain(plain)

    def begin_stream(self) -> None:
        """Send the headers of a stream; what follows goes through send_data()."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_events(self, events: Iterable[dict[str, Any]], *, bytewise: bool) -> None:
        """Send events of a stream."""
        for event in events:
            self.send_data(b"data: " + encoded(event) + b"\n\n", bytewise=bytewise)

    def send_data(self, data: bytes, *, bytewise: bool) -> None:
        """Send bytes of a stream, cut inside a character as a network may, or each byte on its own."""
        for piece in _single(data) if bytewise else _halves(data):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end_stream(self) -> None:
        """End a stream well."""
        self.wfile.write(b"0\r\n\r\n")

    def end_here(self, fault: Fault) -> None:
        """Cut the connection, or say nothing more, in the middle of a reply."""
        self.close_connection = True
        if fault.kind == "stall":
            self.fall_silent()

    def fall_silent(self) -> None:
        """Send nothing more until either side closes."""
        self.close_connection = True
        self.on_silence()
        # Nothing else is expected to come.
        self.connection.recv(1)

    def reset(self) -> None:
        """Close so that the client gets a reset, not an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.rfile.close()
        self.connection.close()

    def _send_head(self, plain: Plain) -> None:
        self.send_response(plain.status)
        self.send_header("Content-Type", plain.content_type)
        self.send_header("Content-Length", str(len(plain.body)))
        for name, value in plain.headers.items():
            self.send_header(name, value)
        self.end_headers()


def _halves(data: bytes) -> Iterator[bytes]:
    """Cut inside the first character of several bytes: clients must put it together again."""
    inside = next((at for at, byte in enumerate(data) if 0x80 <= byte < 0xC0), 0)  # noqa: PLR2004 - UTF-8's own numbers
    return (piece for piece in (data[:inside], data[inside:]) if piece)


def _single(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))
