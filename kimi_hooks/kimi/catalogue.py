"""What is known of Kimi's models: limits, fixed parameters and prices, read from models.yaml next to this file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from kimi_hooks import strict_yaml
from kimi_hooks.kimi.usage import Usage

_PER = 1_000_000
_CURRENCIES = {"cn": "CNY", "ai": "USD"}
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Price:
    """Money for 1,000,000 tokens: cached input, other input, output."""

    hit: float
    miss: float
    output: float


@dataclass(frozen=True)
class Model:
    """One model as it was on the day `as_of`; `context` and `default_output` in tokens, `prices` by currency.

    `fixed` holds the parameters of which only one value is accepted; `reasoning_efforts` is empty where the
    parameter is not taken.
    """

    id: str
    context: int
    default_output: int
    as_of: str
    fixed: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    reasoning_efforts: tuple[str, ...] = ()
    prices: Mapping[str, Price] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True)
class Cost:
    """An amount of money, rounded to 6 digits, and its ISO 4217 currency."""

    amount: float
    currency: str


def find(model: str) -> Model | None:
    """Look a model up by its exact id; None when nothing is known of it."""
    return _models().get(model)


def currency_of(api_url: str) -> str | None:
    """Tell the currency of an account by the API's host: .cn is billed in CNY, .ai in USD, others are not known.

    Source: the two consoles, platform.kimi.com and platform.kimi.ai.
    """
    try:
        host = urlsplit(api_url).hostname or ""
    except ValueError:
        return None
    return _CURRENCIES.get(host.rpartition(".")[2])


def cost(model: str, usage: Usage, currency: str | None) -> Cost | None:
    """Work out what an answer cost; None, never 0, where the price is not known."""
    known = find(model)
    price = known.prices.get(currency) if known and currency else None
    if price is None or currency is None:
        return None
    cached = min(usage.cached, usage.prompt)
    parts = (usage.prompt - cached) * price.miss + cached * price.hit + usage.completion * price.output
    return Cost(round(parts / _PER, 6), currency)


@cache
def _models() -> Mapping[str, Model]:
    data = strict_yaml.load(files(__package__).joinpath("models.yaml").read_text(encoding="utf-8"))
    return {name: _model(name, str(data["as_of"]), entry) for name, entry in data["models"].items()}


def _model(name: str, as_of: str, entry: dict[str, Any]) -> Model:
    return Model(
        id=name,
        context=entry["context"],
        default_output=entry["default_output"],
        as_of=as_of,
        fixed=MappingProxyType(entry["fixed"]),
        reasoning_efforts=tuple(entry["reasoning_efforts"]),
        prices=MappingProxyType({currency: Price(**price) for currency, price in entry["prices"].items()}),
    )
