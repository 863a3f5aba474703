from __future__ import annotations

from datetime import date

import pytest

from kimi_hooks.kimi.catalogue import Cost, Price, cost, currency_of, find
from kimi_hooks.kimi.usage import Usage, parse_usage
from kimi_hooks.standin.models import LIVE


@pytest.mark.parametrize("name", sorted(LIVE))
def test_every_live_model_is_known(name: str) -> None:
    """The six live models are known, with the context that the imitation uses too."""
    model = find(name)
    assert model is not None
    assert model.context == LIVE[name].context
    assert model.fixed == {"temperature": 1.0, "top_p": 0.95}
    assert bool(model.reasoning_efforts) == name.startswith("kimi-k3")
    assert date.fromisoformat(model.as_of)
    assert "USD" in model.prices


def test_unknown_and_retired_models_are_not_found() -> None:
    """Nothing is guessed of a model that is not in the file."""
    assert find("moonshot-v1-128k") is None
    assert find("kimi-k3 ") is None


def test_prices_of_k3() -> None:
    """The file's numbers arrive as they stand there."""
    model = find("kimi-k3")
    assert model is not None
    assert model.prices["CNY"] == Price(hit=2.0, miss=20.0, output=100.0)


@pytest.mark.parametrize(
    ("url", "currency"),
    [
        ("https://api.moonshot.cn/v1", "CNY"),
        ("https://api.moonshot.ai/v1/", "USD"),
        ("https://API.MOONSHOT.AI", "USD"),
        ("http://127.0.0.1:9000/v1", None),
        ("https://api.example.com/ai", None),
        ("http://[", None),
        ("", None),
    ],
)
def test_currency_follows_the_host(url: str, currency: str | None) -> None:
    """The host's ending tells the currency, and nothing else does."""
    assert currency_of(url) == currency


def test_cost_counts_cached_tokens_at_their_own_price() -> None:
    """Cost = (prompt - cached) x miss + cached x hit + completion x output."""
    usage = Usage(prompt=90, completion=34, total=124, cached=64, reasoning=17)
    assert cost("kimi-k3", usage, "CNY") == Cost(0.004048, "CNY")
    assert cost("kimi-k3", usage, "USD") == Cost(0.000607, "USD")


@pytest.mark.parametrize(
    ("model", "currency"), [("kimi-k3.1-pro", "CNY"), ("unheard-of", "CNY"), ("kimi-k3", None), ("kimi-k3", "EUR")]
)
def test_an_unknown_price_is_none(model: str, currency: str | None) -> None:
    """Where the price is not known there is no cost, never a cost of 0."""
    assert cost(model, Usage(1, 1, 2, 0, 0), currency) is None


def test_more_cached_than_prompt_costs_no_less_than_nothing() -> None:
    """Senseless counts do not make a negative price."""
    assert cost("kimi-k3", Usage(10, 0, 10, 50, 0), "CNY") == Cost(0.00002, "CNY")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("x", None),
        ({}, None),
        ({"prompt_tokens": 3}, Usage(3, 0, 3, 0, 0)),
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9}, Usage(3, 4, 9, 0, 0)),
        ({"prompt_tokens": 3, "cached_tokens": 2}, Usage(3, 0, 3, 2, 0)),
        ({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}}, Usage(3, 0, 3, 1, 0)),
        ({"completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 4}}, Usage(0, 5, 5, 0, 4)),
        ({"prompt_tokens": "3", "completion_tokens_details": None, "total_tokens": -1}, Usage(0, 0, 0, 0, 0)),
    ],
)
def test_usage_is_read_loosely(value: object, expected: Usage | None) -> None:
    """Both places of cached tokens are read, and what is missing is 0."""
    assert parse_usage(value) == expected
