"""What an account may do at once, in a minute and in a day, and what Kimi says when it wants more.

Source: the Kimi platform's documentation (tiers) and recorded replies (words and headers), November 2026.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from kimi_hooks.clock import Clock
from kimi_hooks.standin.refusals import ACCOUNT, Refusal, usual

_MINUTE, _DAY = 60.0, 86_400.0
_AGAIN = "please try again after 1 seconds"
# As recorded: one second, however long the limit still holds.
_HEADERS = {"Retry-After": "1", "X-Retry-After": "1"}


@dataclass(frozen=True)
class Tier:
    """The limits of an account: calls at once, requests and tokens a minute, tokens a day (None: no limit)."""

    concurrency: int
    requests: int
    tokens: int
    day_tokens: int | None = None


TIERS = (
    Tier(1, 3, 500_000, 1_500_000),
    Tier(50, 200, 2_000_000),
    Tier(100, 500, 3_000_000),
    Tier(200, 5000, 3_000_000),
    Tier(400, 5000, 4_000_000),
    Tier(1000, 10_000, 5_000_000),
)


class Account:
    """The one account that all keys belong to; `tier` None sets no limits, a `balance` of 0 or less refuses all.

    `retry_after` False leaves the headers out. All may be changed while it serves.
    """

    def __init__(self, clock: Clock, *, tier: Tier | None, balance: float, retry_after: bool) -> None:
        self.tier = tier
        self.balance = balance
        self.retry_after = retry_after
        self._clock = clock
        self._lock = Lock()
        self._under_way = 0
        self._requests: deque[float] = deque()
        self._charged: deque[tuple[float, int]] = deque()
        self._today = (-1, 0)

    @contextmanager
    def call(self, charge: int) -> Iterator[Refusal | None]:
        """Let one call in, or say why not; it is under way until the block ends.

        `charge` is what the call counts for in tokens: its prompt and its cap.
        """
        with self._lock:
            refusal = self._refusal(charge)
            self._under_way += refusal is None
        try:
            yield refusal
        finally:
            with self._lock:
                self._under_way -= refusal is None

    def spend(self, tokens: int) -> None:
        """Count what an answer really took, against the day: that its cap counted there nobody has seen."""
        with self._lock:
            self._today = (self._today[0], self._today[1] + tokens)

    def _refusal(self, charge: int) -> Refusal | None:
        if self.balance <= 0:
            return usual(429, "exceeded_current_quota_error")
        if self.tier is None:
            return None
        now = self._clock.monotonic()
        checks: tuple[Callable[[Tier, float, int], str | None], ...] = (self._minute, self._at_once, self._tokens)
        words = next((found for check in checks if (found := check(self.tier, now, charge))), None)
        if words is None:
            self._charged.append((now, charge))
            return None
        headers = _HEADERS if self.retry_after else None
        return usual(429, message=f"{ACCOUNT} request reached organization {words}", headers=headers)

    def _at_once(self, tier: Tier, _now: float, _charge: int) -> str | None:
        return None if self._under_way < tier.concurrency else f"max concurrency: {tier.concurrency}, {_AGAIN}"

    def _minute(self, tier: Tier, now: float, _charge: int) -> str | None:
        # A request that is refused counts too, so only the newest ones can matter.
        recent = [at for at in self._requests if at > now - _MINUTE]
        self._requests = deque([*recent, now], maxlen=tier.requests)
        return None if len(recent) < tier.requests else f"max RPM: {tier.requests}, {_AGAIN}"

    def _tokens(self, tier: Tier, now: float, charge: int) -> str | None:
        while self._charged and self._charged[0][0] <= now - _MINUTE:
            self._charged.popleft()
        current = sum(tokens for _, tokens in self._charged) + charge
        if current > tier.tokens:
            return f"TPM rate limit, current: {current}, limit: {tier.tokens}"
        day = int(self._clock.now() // _DAY)
        if day != self._today[0]:
            self._today = (day, 0)
        if tier.day_tokens is not None and self._today[1] >= tier.day_tokens:
            return f"TPD rate limit, current: {self._today[1]}, limit: {tier.day_tokens}"
        return None
