"""Which fault a request gets: one that its header, a test, the command line or its prompt has ordered."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from kimi_hooks.standin import words
from kimi_hooks.standin.faults import Fault

_REMEMBERED = 10_000


@dataclass(frozen=True)
class Occasion:
    """A request as far as faults look at it: `ordered` is what its header orders, `raw` tells it from others."""

    method: str
    path: str
    prompts: Sequence[str] = ()
    ordered: str | None = None
    raw: bytes = b""


class Orders:
    """The faults still to come. Only the newest requests are remembered, by their digests.

    Whether a fault with a `chance` applies follows from the seed, the request and how often it has come, and not from
    what else comes meanwhile: the same run fails in the same way.
    """

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._lock = Lock()
        self._seed = seed
        self._added = 0
        self._waiting: list[tuple[int, Fault, int | None]] = []
        self._seen: OrderedDict[bytes, int] = OrderedDict()
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """Put faults at the end."""
        with self._lock:
            for fault in faults:
                self._waiting.append((self._added, fault, fault.times))
                self._added += 1

    def take(self, occasion: Occasion) -> Fault:
        """Return the fault for a request; an ordinary answer if there is none. Raises UnknownWordError."""
        with self._lock:
            if occasion.ordered is not None:
                return self._by_itself(words.fault(occasion.ordered), b"header", occasion) or Fault()
            fault = self._next(occasion) or Fault()
            # What only changes the answer goes together with what the prompt orders.
            return fault if fault.kind != "answer" else self._with_prompt(fault, occasion)

    def _next(self, occasion: Occasion) -> Fault | None:
        prompt = "\n".join(occasion.prompts)
        for at, (number, fault, left) in enumerate(self._waiting):
            if (
                left != 0
                and fault.fits(occasion.method, occasion.path, prompt)
                and self._comes_up(fault, b"%d" % number, occasion)
            ):
                still = [] if left == 1 else [(number, fault, None if left is None else left - 1)]
                self._waiting[at : at + 1] = still
                return fault
        return None

    def _with_prompt(self, fault: Fault, occasion: Occasion) -> Fault:
        for prompt in reversed(occasion.prompts):
            changes = words.in_prompt(prompt)
            ordered = replace(Fault(), **changes)
            if changes and ordered.fits(occasion.method, occasion.path, prompt):
                same = replace(occasion, prompts=(), raw=prompt.encode("utf-8", "replace"))
                if self._by_itself(ordered, b"prompt", same):
                    return replace(fault, **changes)
        return fault

    def _by_itself(self, fault: Fault, kind: bytes, occasion: Occasion) -> Fault | None:
        """Judge a fault that is ordered anew with each request."""
        if fault.times is not None and self._count(_digest(kind, occasion)) > fault.times:
            return None
        return fault if self._comes_up(fault, kind, occasion) else None

    def _comes_up(self, fault: Fault, kind: bytes, occasion: Occasion) -> bool:
        if fault.chance >= 1:
            return True
        identity = _digest(b"chance %b" % kind, occasion)
        drawn = hashlib.sha256(b"%d %d %b" % (self._seed, self._count(identity), identity)).digest()
        return int.from_bytes(drawn[:8], "big") < fault.chance * 2**64

    def _count(self, identity: bytes) -> int:
        count = self._seen[identity] = self._seen.pop(identity, 0) + 1
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return count


def _digest(kind: bytes, occasion: Occasion) -> bytes:
    return hashlib.sha256(
        b"%b\0%b %b\0%b" % (kind, occasion.method.encode(), occasion.path.encode(), occasion.raw)
    ).digest()
