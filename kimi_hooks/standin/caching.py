"""Kimi's cache of prompts: what a request has in common with the beginning of an earlier one is cheaper.

Source: the Kimi platform's documentation, November 2026: blocks of 256 tokens, more than 256 tokens in all, kept for
five minutes after their last use unless a request asks for more.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any

from kimi_hooks.clock import Clock
from kimi_hooks.standin import messages

BLOCK_TOKENS = 256
_KEPT_SECONDS = 300.0
_KEPT_BLOCKS = 16_384
_BLOCK_BYTES = BLOCK_TOKENS * messages.BYTES_PER_TOKEN


class PromptCache:
    """Remembers the newest prompts by digests of their beginnings; each key has a cache of its own."""

    def __init__(self, clock: Clock, room: int = _KEPT_BLOCKS) -> None:
        self._clock = clock
        self._room = room
        self._lock = Lock()
        self._used: OrderedDict[bytes, float] = OrderedDict()

    def use(self, key: str, body: Mapping[str, Any]) -> int:
        """Count the tokens of a request that are cached already, and cache all of it."""
        if messages.prompt_tokens(body) <= BLOCK_TOKENS:
            return 0
        with self._lock:
            now, hits, unbroken = self._clock.monotonic(), 0, True
            for block in _blocks(key, body):
                unbroken = unbroken and now - self._used.pop(block, -_KEPT_SECONDS) < _KEPT_SECONDS
                hits += unbroken
                self._used[block] = now
                if len(self._used) > self._room:
                    self._used.popitem(last=False)
        return hits * BLOCK_TOKENS


def _blocks(key: str, body: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield for each block a digest of all that stands up to its end."""
    so_far = hashlib.sha256(f"{key}\0{body['model']}".encode())
    filled = 0
    for whose, piece in messages.pieces(body):
        so_far.update(f"\0{whose}\0".encode("utf-8", "replace"))
        at = 0
        while at < len(piece):
            taken = piece[at : at + _BLOCK_BYTES - filled]
            so_far.update(taken)
            at, filled = at + len(taken), filled + len(taken)
            if filled == _BLOCK_BYTES:
                filled = 0
                yield so_far.digest()[:16]
