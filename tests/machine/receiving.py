"""Who is told, and asked at gates: it answers as the machine says and remembers what came."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.machine.model import mark_in

BLOCK = {"decision": "block", "reason": "Once more, please."}


class Hearer:
    """A server on loopback. `failures` is how often news of a task is refused still, `blocks` how often its answer."""

    def __init__(self) -> None:
        self.failures: dict[str, int] = {}
        self.blocks: dict[str, int] = {}
        self.told: list[dict[str, Any]] = []
        self.on_told: Callable[[dict[str, Any]], None] = lambda _said: None
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, said: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and body for one event."""
        with self._lock:
            self.told.append(said)
            self.on_told(said)
            mark = mark_in([said["task_name"]]) if said["task_name"] else ""
            waiting, refusal = (
                (self.blocks, (200, BLOCK)) if said["hook_event_name"] == "Stop" else (self.failures, (500, {}))
            )
            left = waiting.get(mark, 0)
            waiting[mark] = max(0, left - 1)
            return refusal if left else (200, {})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hearer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = hearer.answer(said)
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler
