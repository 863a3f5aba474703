"""What a command prints: two pipes, read all the time, of which the end is kept.

Pipes and not files: a flood costs neither disk nor memory, `echo >/dev/stderr` does not cut off what was printed
before, and nothing is made on the disk for a command that prints one line.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

KEPT_BYTES = 1024 * 1024
TOLD_BYTES = 8192
_READ_BYTES = 64 * 1024


@dataclass
class Output:
    """One stream: `write_end` is for the command, `kept` is the end of what has come, a MiB or two of it."""

    read_end: int
    write_end: int
    kept: bytearray = field(default_factory=bytearray)

    def read(self) -> bool:
        """Take what is there; tell whether anything came. For a stream that is known to be ready: else it waits."""
        data = os.read(self.read_end, _READ_BYTES)
        self.kept += data
        if len(self.kept) > 2 * KEPT_BYTES:
            del self.kept[:-KEPT_BYTES]
        return bool(data)

    def told(self) -> str:
        """Return the last 8 KiB as text."""
        return self.kept[-TOLD_BYTES:].decode("utf-8", "replace")


@dataclass
class Outputs:
    """Both streams of one command."""

    stdout: Output
    stderr: Output

    def hand_over(self) -> None:
        """Close the ends that the command has got, so that its end is the end of the stream."""
        for stream in (self.stdout, self.stderr):
            os.close(stream.write_end)
            stream.write_end = -1

    def register(self, poller: select.poll) -> None:
        for stream in (self.stdout, self.stderr):
            poller.register(stream.read_end, select.POLLIN)

    def take(self, poller: select.poll, ready: set[int]) -> None:
        """Read the streams among the ready descriptors; one that has ended is not asked for again."""
        for stream in (self.stdout, self.stderr):
            if stream.read_end in ready and not stream.read():
                poller.unregister(stream.read_end)

    def take_rest(self) -> None:
        """Read what a command left in the pipes; a child of its own that writes on is not waited for."""
        poller = select.poll()
        self.register(poller)
        for _ in range(2 * KEPT_BYTES // _READ_BYTES):
            ready = {fd for fd, what in poller.poll(0) if what & select.POLLIN}
            if not ready:
                return
            self.take(poller, ready)


@contextmanager
def opened() -> Iterator[Outputs]:
    """Make the two pipes; they are gone afterwards. Raises OSError."""
    with _pipe() as stdout, _pipe() as stderr:
        yield Outputs(stdout, stderr)


@contextmanager
def _pipe() -> Iterator[Output]:
    read_end, write_end = os.pipe()
    stream = Output(read_end, write_end)
    try:
        yield stream
    finally:
        os.close(read_end)
        if stream.write_end >= 0:
            os.close(stream.write_end)
