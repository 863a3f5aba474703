"""What a refusal tells besides its kind: when to come back, and which limit was hit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from kimi_hooks import backoff

_NUMBER = r"(?:[^.]*?\blimit)?\s*:\s*(\d[\d,]*)"
# Kimi's words: "max RPM: 3", "max concurrency: 1", "TPM rate limit, current: 1410, limit: 100".
_LIMITS = (
    ("requests_per_minute", re.compile(rf"\bRPM\b{_NUMBER}")),
    ("concurrency", re.compile(rf"\bconcurrency\b{_NUMBER}", re.IGNORECASE)),
    ("tokens_per_minute", re.compile(rf"\bTPM\b{_NUMBER}")),
    ("tokens_per_day", re.compile(rf"\bTPD\b{_NUMBER}")),
)
_BUDGET = re.compile(r"\bdaily (?:\w+ )?budget\b", re.IGNORECASE)
_MONEY = re.compile(r"\binsufficient balance\b|\bexceeded your current (?:token )?quota\b", re.IGNORECASE)
_DAY = re.compile(r"\bTPD\b|\btokens per day\b", re.IGNORECASE)


def limit(said: str) -> str | None:
    """Name the limit that Kimi's words tell, with its number: `requests_per_minute 3`."""
    for name, pattern in _LIMITS:
        if found := pattern.search(said):
            return f"{name} {int(found[1].replace(',', ''))}"
    return None


def is_over_budget(said: str) -> bool:
    """Whether the words tell of a project's own budget of the day, which stops all its calls."""
    return _BUDGET.search(said) is not None


def is_out_of_money(said: str) -> bool:
    """Whether the words tell of an empty account; Kimi has used them with more than one status."""
    return _MONEY.search(said) is not None


def is_of_the_day(said: str) -> bool:
    """Whether the words tell of a limit that lasts until the next day."""
    return _DAY.search(said) is not None


def retry_after(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    """Return how many seconds the server asks to wait, if it does, at most a day; `now` is wall time.

    The names of the headers are in lower case.
    """
    given = [backoff.asked_for(headers, now, name) for name in ("retry-after", "x-retry-after")]
    return max((seconds for seconds in given if seconds is not None), default=None)
