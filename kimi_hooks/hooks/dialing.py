"""The connection of one exchange: only to addresses that may be asked, and ended from outside at any moment.

A name is looked up once, and exactly the addresses that were checked are connected to: a second look-up might tell
another one (DNS rebinding). Certificates are still checked against the name.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Lock
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NewConnectionError

# RFC 6052: an IPv4 address in the last 32 bits.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 4291 and IANA: all that was given out so far.
_IPV6_UNICAST = ipaddress.IPv6Network("2000::/3")
_Found = Sequence[tuple[Any, ...]]


class PrivateAddressError(Exception):
    """A host is not on the public internet; the text is its address."""


class Exchange:
    """One exchange: whether it may go to this machine and to private networks, and its socket."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self._is_ended = False

    @property
    def is_ended(self) -> bool:
        """Whether end() was called."""
        return self._is_ended

    @contextmanager
    def of_this_thread(self) -> Iterator[None]:
        """Let the connections that this thread makes belong to the exchange."""
        token = _this_threads_exchange.set(self)
        try:
            yield
        finally:
            _this_threads_exchange.reset(token)
            with self._lock:
                if self._socket is not None:
                    self._socket.close()
                    self._socket = None

    def end(self) -> None:
        """End the exchange now: a read that waits returns, and no connection is made any more."""
        with self._lock:
            self._is_ended = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def dial(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """Connect to the host. Raises PrivateAddressError where it may not go, OSError when nobody answers."""
        found = _look_up(host, port)
        self._check(found)
        return self._hold(_connect(found, timeout))

    def dial_proxy(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """Connect to a proxy, wherever the environment says it is."""
        return self._hold(_connect(_look_up(host, port), timeout))

    def check(self, host: str) -> None:
        """Raise PrivateAddressError for a host that a proxy may not be asked for.

        A name that nobody knows here is the proxy's to look up.
        """
        if not self._allow_private:
            # Without the dot and the zone that they may end with, and that not every resolver takes.
            with suppress(OSError):
                self._check(_look_up(host.partition("%")[0].rstrip("."), None))

    def _check(self, found: _Found) -> None:
        for *_, address in found:
            if not self._allow_private and not is_public(address[0]):
                raise PrivateAddressError(address[0])

    def _hold(self, sock: socket.socket) -> socket.socket:
        with self._lock:
            if self._is_ended:
                sock.close()
                raise ConnectionAbortedError("the exchange was ended")
            # A second handle on the same connection: TLS takes the first one away.
            self._socket = sock.dup()
        return sock


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet, also one that another is wrapped in."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = _wrapped(found)
        return (found.is_global and found in _IPV6_UNICAST) if inner is None else is_public(str(inner))
    return found.is_global and not (found.is_multicast or found.is_reserved)


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _look_up(host: str, port: int | None) -> _Found:
    try:
        host.encode("idna")
    except UnicodeError:
        raise LocationParseError("the name of the host is too long, or has an empty part") from None
    return socket.getaddrinfo(host.strip("[]"), port, socket.AF_UNSPEC, socket.SOCK_STREAM)


def _connect(found: _Found, timeout: float | None) -> socket.socket:
    """Connect to the first address that answers; `timeout` in seconds holds for each."""
    last = OSError("the name has no address")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise last


_this_threads_exchange: ContextVar[Exchange] = ContextVar("exchange")


def current() -> Exchange:
    """Return the exchange of this thread."""
    return _this_threads_exchange.get()


class _Dialling:
    """Has the exchange make the connection."""

    def _new_conn(self: Any) -> socket.socket:
        exchange = current()
        dial = exchange.dial if self.proxy is None else exchange.dial_proxy
        try:
            sock = dial(self.host, self.port, self.timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise NewConnectionError(self, "no connection") from error
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        return sock


class _Connection(_Dialling, HTTPConnection):
    pass


class _SecureConnection(_Dialling, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _SecurePool}
