"""Calls, and what they have taken: tokens and money, added up over the calls of one task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_TOKENS = ("prompt", "completion", "total", "cached", "reasoning")
_COUNTS = (*_TOKENS, "unpriced", "unknown")
_DIGITS = 6


@dataclass(frozen=True)
class Taken:
    """Tokens as in a result (`prompt` includes `cached`, `completion` includes `reasoning`), and their price.

    `amount` is what the priced ones cost, in `currency`. `unpriced` counts calls whose tokens are known and their price
    is not, `unknown` those that may have been paid for and never said what they took.
    """

    prompt: int = 0
    completion: int = 0
    total: int = 0
    cached: int = 0
    reasoning: int = 0
    amount: float = 0.0
    currency: str | None = None
    unpriced: int = 0
    unknown: int = 0

    def __add__(self, other: Taken) -> Taken:
        counts = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        amount = round(self.amount + other.amount, _DIGITS)
        return Taken(**counts, amount=amount, currency=other.currency or self.currency)

    def __sub__(self, other: Taken) -> Taken:
        counts = {name: max(getattr(self, name) - getattr(other, name), 0) for name in _COUNTS}
        return Taken(**counts, amount=max(round(self.amount - other.amount, _DIGITS), 0.0), currency=self.currency)

    @property
    def tokens(self) -> dict[str, int]:
        """Return the `tokens` of a result."""
        return {name: getattr(self, name) for name in _TOKENS}

    @property
    def cost(self) -> dict[str, Any] | None:
        """Return the `cost` of a result: None, never 0, where it is not known.

        `unknown_calls`, said where there are any, are not in the amount; where there are no others, nothing is known.
        """
        if self.unpriced or self.currency is None:
            return None
        unknown = {"unknown_calls": self.unknown} if self.unknown else {}
        return {"amount": self.amount, "currency": self.currency, **unknown}


def of_result(result: Mapping[str, Any]) -> Taken:
    """Return what all calls of an ended task took, as far as its result tells."""
    cost = dict(result["cost"] or {})
    unknown = cost.pop("unknown_calls", 0)
    return Taken(**result["tokens"], **cost, unpriced=int(result["cost"] is None), unknown=unknown)


NOTHING = Taken()
UNKNOWN = Taken(unknown=1)


@dataclass(frozen=True)
class Call:
    """What a task's last call took. `fingerprint` stands for what was asked, where the answer may be given again.

    `reused_from` is the task whose answer was given instead of a call; `request_id` is what Kimi calls an answered one.
    Not `was_sent`: it ended before it left, and nothing of it counts.
    """

    took: Taken = NOTHING
    fingerprint: str | None = None
    reused_from: str | None = None
    request_id: str | None = None
    was_sent: bool = True


NO_CALL = Call()
UNSENT = Call(was_sent=False)


def write(taken: Taken) -> str | None:
    """Return it as text for the journal; None for nothing."""
    return None if taken == NOTHING else json.dumps(asdict(taken))


def read(text: str | None) -> Taken:
    """Return what `write` wrote."""
    return NOTHING if text is None else Taken(**json.loads(text))
