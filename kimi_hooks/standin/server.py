"""The imitation as an HTTP server on this machine; nothing wakes it but a request."""

from __future__ import annotations

import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any, Self

from kimi_hooks.clock import Clock
from kimi_hooks.standin import limits, models
from kimi_hooks.standin.caching import PromptCache
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.files import Files
from kimi_hooks.standin.handler import Handler
from kimi_hooks.standin.orders import Orders
from kimi_hooks.standin.records import Record, Records

_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1"}  # noqa: S104 - compared with, not bound to
_WAKE_SECONDS = 1.0


class Standin:
    """A local imitation of the Kimi API under `url`; a context manager that runs it in the background.

    `latency` passes before each reply and `chunk_delay` after each chunk of text (seconds, through `sleep`). `keys`
    None takes any key, `known_models` None any model. `faults` are used up in their order; a prompt can ask for more
    with a line `standin: <words>`; `seed` decides by which requests their `chance` comes up. `tier` sets limits, whose
    minutes and days are the clock's; without a `balance` nothing is answered; `retry_after` False leaves that header
    out. `journal` is called with each request, or is a file that gets one JSON line each. What it remembers besides the
    newest `keep` requests is bounded.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        latency: float = 0.0,
        chunk_delay: float = 0.0,
        keys: frozenset[str] | None = None,
        known_models: frozenset[str] | None = models.LIVE_MODELS,
        faults: Iterable[Fault] = (),
        seed: int = 0,
        tier: limits.Tier | None = None,
        balance: float = 49.58894,
        retry_after: bool = True,
        journal: Callable[[Record], None] | Path | None = None,
        keep: int = 10_000,
        sleep: Callable[[float], None] = time.sleep,
        clock: Clock | None = None,
    ) -> None:
        self.latency = latency
        self.chunk_delay = chunk_delay
        self.keys = keys
        self.known_models = known_models
        self.orders = Orders(faults, seed)
        self.records = Records(journal, keep)
        self.sleep = sleep
        self.clock = clock or Clock()
        self.account = limits.Account(self.clock, tier=tier, balance=balance, retry_after=retry_after)
        self.cache = PromptCache(self.clock)
        self.files = Files()
        self.stalled = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._server = _Server((host, port), Handler)
        self._server.standin = self

    @property
    def url(self) -> str:
        """The base to set as KIMI_API_URL: `http://127.0.0.1:PORT/v1`."""
        host, port = self._address()
        return f"http://{host}:{port}/v1"

    @property
    def requests(self) -> tuple[Record, ...]:
        """The newest requests, as many as `keep` says, oldest first."""
        return self.records.all()

    def wait_for(self, count: int, timeout: float = 10.0) -> bool:
        """Wait until this many requests have come, at most `timeout` seconds."""
        return self.records.wait_for(count, timeout)

    def add(self, *faults: Fault) -> None:
        """Put faults at the end of those waiting."""
        self.orders.add(*faults)

    def pause(self, seconds: float) -> None:
        """Let time pass, if it is any."""
        if seconds > 0:
            self.sleep(seconds)

    def start(self) -> Self:
        """Serve from a thread in the background."""
        self._thread = threading.Thread(target=self._accept, name="standin", daemon=True)
        self._thread.start()
        return self

    def serve(self) -> None:
        """Serve here until close(), Ctrl-C or SIGTERM."""
        with _terminating(self.close):
            try:
                self._accept()
            except KeyboardInterrupt:
                self.close()

    def close(self) -> None:
        """Stop: end the connections, free the port. May be called from a signal handler, and twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake()
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(_WAKE_SECONDS)
            self._wake()
        self._server.server_close()
        self._server.end_connections()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _address(self) -> tuple[str, int]:
        host, port = self._server.server_address[:2]
        return _WILDCARDS.get(str(host), str(host)), port

    def _wake(self) -> None:
        """Connect, for the accept loop sleeps until somebody does; on a busy machine that may fail."""
        with suppress(OSError):
            socket.create_connection(self._address(), _WAKE_SECONDS).close()

    def _accept(self) -> None:
        # Not serve_forever(): its poll would wake the process twice a second.
        while not self._closing.is_set():
            self._server.handle_request()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    standin: Standin

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that hang up; a real fault of the imitation must be seen."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def end_connections(self) -> None:
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def _terminating(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM stop the server, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
