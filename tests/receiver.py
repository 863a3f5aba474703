"""A gateway or webhook receiver to test with: it answers as it is told and remembers what came."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """What to answer to one request."""

    status: int = 200
    body: bytes = b'{"ok": true, "mode": "now", "eventOutcome": "queued"}'
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Seen:
    """One request; `arguments` are the argument lists of all processes at that moment, as `ps` shows them."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    arguments: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Answers with what is queued in `answers`, then with 200; keeps every request in `seen`."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.seen: list[Seen] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, *statuses: int) -> None:
        """Answer the next requests with these statuses."""
        self.answers += [Answer(status) for status in statuses]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.seen.append(Seen(self.path, headers, body, arguments()))
                answer = receiver.answers.pop(0) if receiver.answers else Answer()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler


@contextmanager
def dripping(head: bytes, drop: bytes) -> Iterator[str]:
    """Give the address of a server that sends the head at once, and then the drop again and again until it is left."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(head)
                    while not left.wait(0.01):
                        connection.sendall(drop)

        left = threading.Event()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            left.set()
            thread.join(20)


def arguments() -> str:
    """Return the argument lists of all processes, as anybody on the machine can see them."""
    if not Path("/proc/self/cmdline").exists():
        return subprocess.run(["ps", "-axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return "\n".join(_arguments_of(folder) for folder in Path("/proc").glob("[0-9]*"))


def _arguments_of(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
