"""A proxy that tunnels, as companies have one: it remembers what it was told in plain text."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Where it listens, and the heads of the requests that it saw."""

    url: str
    heads: list[str] = field(default_factory=list)


@contextmanager
def tunnelling() -> Iterator[Proxy]:
    """Tunnel each CONNECT to where it wants, until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(f"http://127.0.0.1:{listener.getsockname()[1]}")
        threading.Thread(target=_accept, args=(listener, proxy), daemon=True).start()
        yield proxy


def _accept(listener: socket.socket, proxy: Proxy) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_tunnel, args=(client, proxy), daemon=True).start()


def _tunnel(client: socket.socket, proxy: Proxy) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(65_536)
        if not piece:
            client.close()
            return
        head += piece
    proxy.heads.append(head.decode("latin-1"))
    host, _, port = head.split()[1].decode().rpartition(":")
    with client, socket.create_connection((host, int(port))) as server:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        back.start()
        _pump(client, server)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
