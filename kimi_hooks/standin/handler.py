"""One connection to the imitation: read a request, note it, and hand it to whoever answers."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from kimi_hooks.standin import chat, files, messages, multipart, routes
from kimi_hooks.standin.faults import CHAT, UnknownWordError
from kimi_hooks.standin.orders import Occasion
from kimi_hooks.standin.records import Record, plain_headers
from kimi_hooks.standin.refusals import Refusal, no_access, usual
from kimi_hooks.standin.routes import Call
from kimi_hooks.standin.wire import Wire, refused

if TYPE_CHECKING:
    from kimi_hooks.standin.server import Standin

_BODY_LIMIT = files.MAX_BYTES + 64 * 1024
# More are no length, and Python would not read a number of thousands of them.
_LENGTH_DIGITS = 18
_BASE = "/v1"
_READ_AT_ONCE = 1024 * 1024
FAULT_HEADER = "X-Kimi-Standin-Fault"


class Handler(Wire):
    """Speaks HTTP/1.1 with kept connections."""

    @property
    def standin(self) -> Standin:
        """The imitation that this connection belongs to."""
        return self.server.standin  # type: ignore[attr-defined,no-any-return]

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        """Answer a GET."""
        self._serve()

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        """Answer a POST."""
        self._serve()

    def do_DELETE(self) -> None:  # noqa: N802 - http.server's name
        """Answer a DELETE."""
        self._serve()

    def on_silence(self) -> None:
        """Let tests wait for the silence."""
        self.standin.stalled.set()

    def _serve(self) -> None:
        raw = self._read_body()
        if isinstance(raw, Refusal):
            self._note(None, b"")
            self.send_plain(refused(raw))
        elif raw is not None:
            self._answer(self._call(raw))

    def _answer(self, call: Call) -> None:
        try:
            if refusal := no_access(self.headers["Authorization"], self.standin.keys):
                self.send_plain(refused(refusal))
            elif (call.method, call.path) == ("POST", CHAT):
                chat.answer(self.standin, call, self)
            else:
                self._answer_plainly(call)
        except UnknownWordError as error:
            self.send_plain(refused(usual(400, message=str(error))))

    def _answer_plainly(self, call: Call) -> None:
        fault = self.standin.orders.take(Occasion(call.method, call.path, ordered=call.ordered, raw=call.raw))
        self.standin.pause(self.standin.latency if fault.latency is None else fault.latency)
        spared = fault.kind in ("http", "reset", "hang")
        plain = refused(routes.NOWHERE) if spared else routes.answer(self.standin, call)
        self.send_broken(plain, fault)

    def _read_body(self) -> bytes | Refusal | None:
        """Read the body; None when the client has gone meanwhile."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or len(length) > _LENGTH_DIGITS or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            return usual(413, message="The imitation takes bodies of a known length only")
        if int(length) > _BODY_LIMIT:
            # The client reads the refusal only when it has sent everything.
            self._pass_over(int(length))
            return files.too_large()
        raw = self.rfile.read(int(length))
        self.close_connection = self.close_connection or len(raw) < int(length)
        return raw if len(raw) == int(length) else None

    def _pass_over(self, left: int) -> None:
        while left > 0 and (passed := len(self.rfile.read(min(left, _READ_AT_ONCE)))):
            left -= passed

    def _call(self, raw: bytes) -> Call:
        path, _, query = self.path.partition("?")
        upload = multipart.read(self.headers.get("Content-Type", ""), raw)
        body = messages.parse(raw) if upload is None else None
        # What an upload holds may be large: it is noted by its digest.
        described = None if upload is None else _described(upload)
        self._note(body, raw) if described is None else self._note(described, b"")
        return Call(
            method=self.command,
            path=path.removeprefix(_BASE) if path.startswith(f"{_BASE}/") else "",
            query=query,
            key=self.headers.get("Authorization", ""),
            ordered=self.headers.get(FAULT_HEADER),
            number=self.number,
            # Clients draw the boundary of an upload by lot; the same upload shall be the same request.
            raw=raw if described is None else json.dumps(described, sort_keys=True).encode(),
            body=body,
            upload=upload,
        )

    def _note(self, body: dict[str, Any] | None, raw: bytes) -> None:
        headers = plain_headers(dict(self.headers.items()))
        record = Record(self.standin.clock.now(), self.command, self.path, headers, body, raw)
        self.number = self.standin.records.add(record)


def _described(upload: dict[str, multipart.Part]) -> dict[str, Any]:
    return {
        name: part.data.decode("utf-8", "replace")
        if part.filename is None
        else {"filename": part.filename, "bytes": len(part.data), "sha256": hashlib.sha256(part.data).hexdigest()}
        for name, part in upload.items()
    }
