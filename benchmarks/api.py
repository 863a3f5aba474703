"""A small, fast imitation of the chat API for measuring: a process of its own, one thread, no checks.

It answers every POST after `latency` seconds with one short stream, and notes when each request arrived and when its
answer left (seconds since 1970), by the `bench-NNNNNN` in its body. `GET /` returns the notes and forgets them.
With a `beat` it is slow: a part of a stream comes every so many seconds, until `latency` is over. With a certificate
it speaks TLS.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEY = re.compile(rb"bench-\d{6}")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNK = {"id": "cmpl-bench", "object": "chat.completion.chunk", "model": "kimi-k3"}
_PIECES: tuple[dict[str, Any], ...] = (
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "A short "}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"content": "answer."}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24}},
)
STREAM = b"".join(b"data: %s\n\n" % json.dumps({**_CHUNK, **piece}).encode() for piece in _PIECES) + b"data: [DONE]\n\n"
BEAT = b"data: %s\n\n" % json.dumps({**_CHUNK, **_PIECES[0]}).encode()
SLOW = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s"
    % (len(STREAM), STREAM)
)


class _Connection(asyncio.Protocol):
    def __init__(self, latency: float, beat: float, notes: dict[str, list[float]]) -> None:
        self._latency = latency
        self._beat = beat
        self._notes = notes
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        found = LENGTH.search(head)
        if not end or (found and len(body) < int(found[1])):
            return
        self._buffer = b""
        if head.startswith(b"GET"):
            self._tell()
            return
        key = KEY.search(body)
        name = key[0].decode() if key else ""
        self._notes[name] = [time.time()]
        loop = asyncio.get_running_loop()
        if self._beat:
            self._transport.write(SLOW)
            self._go_on(name, loop.time() + self._latency)
        else:
            loop.call_later(self._latency, self._answer, name)

    def _go_on(self, name: str, end: float) -> None:
        """Send one part after the other, until the time has come for the rest."""
        loop = asyncio.get_running_loop()
        if loop.time() < end:
            self._transport.write(_chunk(BEAT))
            loop.call_later(self._beat, self._go_on, name, end)
        else:
            self._notes[name].append(time.time())
            self._transport.write(_chunk(STREAM) + _chunk(b""))

    def _answer(self, name: str) -> None:
        self._notes[name].append(time.time())
        self._transport.write(ANSWER)

    def _tell(self) -> None:
        body = json.dumps(self._notes).encode()
        self._notes.clear()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        self._transport.write(head % len(body) + body)
        self._transport.close()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _serve(latency: float, beat: float, certificate: str | None) -> None:
    notes: dict[str, list[float]] = {}
    loop, tls = asyncio.get_running_loop(), None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    server = await loop.create_server(lambda: _Connection(latency, beat, notes), "127.0.0.1", 0, backlog=1024, ssl=tls)
    print(f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextmanager
def running(latency: float, beat: float = 0.0, certificate: Path | None = None) -> Iterator[str]:
    """Start the server in a process of its own; yield its address. `certificate` is one PEM file, with the key."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.api",
        str(latency),
        str(beat),
        *([str(certificate)] if certificate else []),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def notes(url: str) -> dict[str, list[float]]:
    """Fetch what the server has noted: for each key when it arrived and when its answer left."""
    with urllib.request.urlopen(url) as reply:
        told: dict[str, list[float]] = json.load(reply)
        return told


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), float(sys.argv[2]), next(iter(sys.argv[3:]), None)))
