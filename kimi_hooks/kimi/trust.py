"""Whose certificates are trusted: read once for all calls, and again when the file has changed."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path

from urllib3.util.ssl_ import create_urllib3_context

from kimi_hooks import atomic

_Stamp = tuple[int, int, int] | None


class Trust:
    """Makes TLS contexts, one for each file or folder of certificates, that all threads share.

    requests would read the some hundred usual certificates for each connection: 0.8 MB and 30 ms of work for each.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[str, tuple[_Stamp, ssl.SSLContext]] = {}

    def context(self, place: str) -> ssl.SSLContext:
        """Return the context for what lies there now. Raises OSError when that cannot be read."""
        stamp = atomic.stamp(place)
        with self._lock:
            known = self._contexts.get(place)
            if known is None or known[0] != stamp:
                known = self._contexts[place] = stamp, _read(place)
            return known[1]


def _read(place: str) -> ssl.SSLContext:
    context = create_urllib3_context()
    if Path(place).is_dir():
        context.load_verify_locations(capath=place)
    else:
        context.load_verify_locations(cafile=place)
    return context
