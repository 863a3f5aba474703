"""Calls in flight: which socket each one uses, so that another thread can end it at any moment.

`HTTPResponse.shutdown()` of urllib3 exists only once the headers are there, and Kimi may think for minutes before
it sends them; so the connection itself tells the call which socket it got.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Lock
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Call:
    """One call: the socket it uses, how long it waits for a byte (seconds), whether somebody has ended it."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self._aborted = False

    @property
    def aborted(self) -> bool:
        """Whether abort() was called."""
        return self._aborted

    def hold(self, sock: Any) -> None:
        """Remember the socket. Raises ConnectionAbortedError if the call has been ended before."""
        with self._lock:
            self._socket = sock
            if self._aborted:
                raise ConnectionAbortedError("the call was ended")
        # Otherwise a big prompt on a slow line would have to leave within the time allowed for connecting.
        if sock.gettimeout() != self.patience:
            sock.settimeout(self.patience)

    def wait_at_most(self, seconds: float) -> None:
        """Change how long the next read may wait."""
        if self._socket is not None and self._socket.gettimeout() != seconds:
            with suppress(OSError):
                self._socket.settimeout(seconds)

    def abort(self) -> None:
        """End the call now; a read that is waiting on the socket returns."""
        with self._lock:
            self._aborted = True
            if self._socket is not None:
                _shut_down(self._socket)


class Calls:
    """The calls in flight, by their ids."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls: dict[str, Call] = {}

    @contextmanager
    def open(self, call_id: str, patience: float) -> Iterator[Call]:
        """Make the call known, and the one that this thread's connections report to."""
        call = Call(patience)
        with self._lock:
            self._calls[call_id] = call
        token = _this_threads_call.set(call)
        try:
            yield call
        finally:
            _this_threads_call.reset(token)
            with self._lock:
                self._calls.pop(call_id, None)

    def abort(self, call_id: str) -> None:
        """End the call of this id; an id that is not in flight is passed over."""
        with self._lock:
            call = self._calls.get(call_id)
        if call is not None:
            call.abort()


_this_threads_call: ContextVar[Call | None] = ContextVar("call", default=None)


def _report(sock: Any) -> None:
    call = _this_threads_call.get()
    if call is not None and sock is not None:
        call.hold(sock)


def _shut_down(sock: Any) -> None:
    with suppress(OSError):
        if isinstance(sock, socket.socket):
            # Not SSLSocket.shutdown: it takes the TLS state away under the thread that is reading.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        else:
            sock.shutdown(socket.SHUT_RDWR)


class _Reporting:
    """Tells the call of its socket: a new one when it is connected, a kept one when it is used again."""

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        _report(self.sock)

    def putrequest(self, *args: Any, **options: Any) -> None:
        _report(self.sock)
        super().putrequest(*args, **options)  # type: ignore[misc]


class _Connection(_Reporting, HTTPConnection):
    pass


class _SecureConnection(_Reporting, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _SecurePool}
# A call may be silent for an hour: without these, boxes on the way forget its connection, and nobody tells us.
_SILENCE = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))
KEEP_ALIVE = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *([(socket.IPPROTO_TCP, _SILENCE, 60)] if _SILENCE is not None else []),
]
