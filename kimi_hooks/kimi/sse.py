"""Server-sent events, as far as Kimi uses them: one JSON text for each `data:` line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Bytes, because str.splitlines() also breaks at U+2028 and U+0085, which are ordinary text inside JSON.
# A \r\n makes an empty line more, and empty lines mean nothing here.
_LINE_END = re.compile(rb"[\r\n]")


def events(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the data of every `data:` line, `[DONE]` included, however the bytes are cut into chunks.

    Comments, empty lines and other fields are passed over. Bytes that are not UTF-8 become U+FFFD.
    A last line without its end is yielded too.
    """
    for line in _lines(chunks):
        if line.startswith(b"data:"):
            yield line[len(b"data:") :].removeprefix(b" ").decode("utf-8", errors="replace")


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    pending = bytearray()
    for chunk in chunks:
        *ended, rest = _LINE_END.split(chunk)
        for piece in ended:
            pending += piece
            yield bytes(pending)
            pending.clear()
        pending += rest
    yield bytes(pending)
