"""What a command prints: two pipes, read all the time, of which the end is kept.

Pipes and not files: a flood costs neither disk nor memory, `echo >/dev/stderr` does not cut off what was printed
before, and nothing is made on the disk for a command that prints one line.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

KEPT_BYTES = 1024 * 1024
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

    def read_rest(self) -> None:
        """Read what a command left in the pipe; a child of its own that writes on is not waited for."""
        poller = select.poll()
        poller.register(self.read_end, select.POLLIN)
        for _ in range(2 * KEPT_BYTES // _READ_BYTES):
            if not any(what & select.POLLIN for _, what in poller.poll(0)) or not self.read():
                return

    def hand_over(self) -> None:
        """Close the end that the command has got, so that its end is the end of the stream."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def mask(self, hidden: Sequence[bytes]) -> None:
        """Write stars for what nobody shall see."""
        for secret in hidden:
            if secret in self.kept:
                self.kept = self.kept.replace(secret, b"***")

    def told(self, size: int) -> str:
        """Return the last `size` bytes as text."""
        return self.kept[-size:].decode("utf-8", "replace")


@contextmanager
def opened() -> Iterator[Output]:
    """Make a pipe; it is gone afterwards. Raises OSError."""
    read_end, write_end = os.pipe()
    stream = Output(read_end, write_end)
    try:
        yield stream
    finally:
        os.close(read_end)
        stream.hand_over()
