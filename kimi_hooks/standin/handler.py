"""One connection to the imitation: read a request, check it as Kimi would, answer or fail as ordered."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from kimi_hooks.standin import answers, protocol
from kimi_hooks.standin.faults import Fault, UnknownWordError
from kimi_hooks.standin.records import Record, plain_headers

if TYPE_CHECKING:
    from kimi_hooks.standin.server import Standin

_LINGER_NOT = struct.pack("ii", 1, 0)
_BODY_LIMIT = 100 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 with kept connections; every reply says that it comes from the imitation."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "kimi-standin"
    number = 0

    @property
    def standin(self) -> Standin:
        """The imitation that this connection belongs to."""
        return self.server.standin  # type: ignore[attr-defined,no-any-return]

    def do_GET(self) -> None:
        """Answer GET /v1/models."""
        self._record(b"")
        if refusal := protocol.no_access(self.headers["Authorization"], self.standin.keys):
            self._refuse(refusal)
        elif self._path() == "/v1/models":
            self._send_json(200, protocol.models(self.standin.known_models, int(self.standin.clock.now())))
        else:
            self._refuse(protocol.usual(404, message="The requested resource was not found"))

    def do_POST(self) -> None:
        """Answer POST /v1/chat/completions."""
        raw = self._read_body()
        if raw is None:
            return
        body = self._record(raw)
        if refusal := protocol.no_access(self.headers["Authorization"], self.standin.keys):
            self._refuse(refusal)
        elif self._path() != "/v1/chat/completions":
            self._refuse(protocol.usual(404, message="The requested resource was not found"))
        elif refusal := protocol.mistake(body, self.standin.known_models):
            self._refuse(refusal)
        elif body is not None:
            self._chat(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the request journal is the log."""

    def end_headers(self) -> None:
        """Sign every reply."""
        self.send_header("X-Kimi-Standin", "1")
        self.send_header("Msh-Request-Id", f"standin-{self.number:06d}")
        super().end_headers()

    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _BODY_LIMIT or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._refuse(protocol.usual(413, message="The imitation takes bodies of a known length up to 100 MB"))
            return None
        raw = self.rfile.read(int(length))
        if len(raw) == int(length):
            return raw
        self.close_connection = True
        return None

    def _record(self, raw: bytes) -> dict[str, Any] | None:
        body = protocol.parse(raw)
        headers = plain_headers(dict(self.headers.items()))
        record = Record(self.standin.clock.now(), self.command, self.path, headers, body, raw)
        self.number = self.standin.records.add(record)
        return body

    def _chat(self, body: dict[str, Any]) -> None:
        try:
            fault = self.standin.faults.take(protocol.texts(body, "user")) or Fault()
        except UnknownWordError as error:
            self._refuse(protocol.usual(400, message=str(error)))
            return
        self._wait(self.standin.latency if fault.latency is None else fault.latency)
        if fault.kind == "reset":
            self._reset()
        elif fault.kind == "http":
            self._fail(fault)
        else:
            self._answer(body, fault)

    def _answer(self, body: dict[str, Any], fault: Fault) -> None:
        reply = answers.reply(body, fault, number=self.number, created=int(self.standin.clock.now()))
        if not body.get("stream"):
            self._send_json(200, answers.whole(reply))
            return
        options = body.get("stream_options")
        include_usage = isinstance(options, dict) and options.get("include_usage") is True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._stream(reply, fault, include_usage=include_usage)

    def _stream(self, reply: answers.Reply, fault: Fault, *, include_usage: bool) -> None:
        self._send_events(answers.opening(reply))
        pieces = list(answers.content(reply))
        self._send_slowly(pieces[: fault.after])
        if self._break(fault):
            return
        self._send_slowly(pieces[fault.after :])
        self._send_events(answers.ending(reply, include_usage=include_usage))
        if fault.kind != "no-done":
            self._send_data(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _break(self, fault: Fault) -> bool:
        """Do what the fault says in the middle of the stream; True when the stream ends with it."""
        if fault.kind == "malformed":
            self._send_data(b'data: {"id": "chatcmpl-standin", "choices": [{\n\n')
        elif fault.kind == "stream-error":
            self._send_events([_error_of(fault).body()])
            self.wfile.write(b"0\r\n\r\n")
            return True
        elif fault.kind == "cut":
            self.close_connection = True
            return True
        elif fault.kind == "stall":
            self._stall()
            return True
        return False

    def _stall(self) -> None:
        self.close_connection = True
        self.standin.stalled.set()
        # Returns when either side closes; nothing else is expected to come.
        self.connection.recv(1)

    def _fail(self, fault: Fault) -> None:
        if fault.body is None:
            self._send(fault.status, "application/json; charset=utf-8", _json(_error_of(fault).body()), fault)
        else:
            self._send(fault.status, "text/html", fault.body.encode(), fault)

    def _reset(self) -> None:
        """Close so that the client gets a reset, not an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.rfile.close()
        self.connection.close()

    def _refuse(self, refusal: protocol.Refusal) -> None:
        self._send_json(refusal.status, refusal.body())

    def _send_json(self, status: int, value: Any) -> None:
        self._send(status, "application/json; charset=utf-8", _json(value), Fault())

    def _send(self, status: int, content_type: str, body: bytes, fault: Fault) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _send_events(self, events: Iterable[dict[str, Any]]) -> None:
        for event in events:
            self._send_data(b"data: " + _json(event) + b"\n\n")

    def _send_slowly(self, events: Iterable[dict[str, Any]]) -> None:
        for event in events:
            self._send_events([event])
            self._wait(self.standin.chunk_delay)

    def _send_data(self, data: bytes) -> None:
        for part in _halves(data):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self.standin.sleep(seconds)


def _halves(data: bytes) -> Iterator[bytes]:
    """Cut inside the first character of several bytes, as a network may: clients must put it together again."""
    inside = next((at for at, byte in enumerate(data) if 0x80 <= byte < 0xC0), 0)  # noqa: PLR2004 - UTF-8's own numbers
    return (part for part in (data[:inside], data[inside:]) if part)


def _error_of(fault: Fault) -> protocol.Refusal:
    return protocol.usual(fault.status, fault.type, fault.message)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
