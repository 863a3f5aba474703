"""One model of Kimi's as a value, and what its answers cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Price:
    """Money for 1,000,000 tokens: cached input, other input, output."""

    hit: float
    miss: float
    output: float


@dataclass(frozen=True)
class Model:
    """One model; None is what is not known. Sizes are in tokens, `prices` by currency, as they were on `as_of`.

    `context` holds prompt and answer together; `default_output` is the cap that holds when a request names none,
    `largest_output` the highest one that is taken. `fixed` holds the parameters of which only one value is accepted,
    `fixed_without_thinking` those that differ when thinking is disabled. `reasoning_efforts` is empty where the
    parameter is not taken. `thinking` is `never`, `always` (no parameter), `enabled` (only that) or `switchable`.
    `retired` is the day since which the official hosts do not have it, such as `2026-12-31`; it may be one to come.
    """

    id: str
    context: int | None = None
    default_output: int | None = None
    largest_output: int | None = None
    fixed: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    fixed_without_thinking: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    reasoning_efforts: tuple[str, ...] | None = None
    default_effort: str | None = None
    thinking: str | None = None
    thinking_keep: str | None = None
    images: bool | None = None
    prices: Mapping[str, Price] = field(default_factory=lambda: _NOTHING)
    as_of: str | None = None
    retired: str | None = None
    successor: str | None = None


@dataclass(frozen=True)
class Cost:
    """An amount of money, rounded to 6 digits, and its ISO 4217 currency."""

    amount: float
    currency: str


@dataclass(frozen=True)
class Resolved:
    """The model to ask, and what the person who named another one must know."""

    model: str
    warning: str | None = None
