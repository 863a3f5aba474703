"""What people are told about a model that is no more: who stands in for it, and what that costs."""

from __future__ import annotations

from kimi_hooks.kimi.model import Model

CHOOSE = "set the task's model, KIMI_MODEL or kimi.model to one that `kimi-hooks models` lists"


def unknown(model: str) -> str:
    """Say that the model is none of those that are known."""
    remedy = "see whether `kimi-hooks models --remote` lists it, and give them under kimi.models in config.yaml"
    return f"nothing is known of the model {model}, its price and its limits included; {remedy}."


def warning(known: Model, successor: Model, currency: str | None) -> str:
    """Say that another model is asked."""
    price = _prices(known, successor, currency)
    return f"{_retired(known)}, so {successor.id} is asked in its place{price}. To choose yourself, {CHOOSE}."


def refusal(known: Model, successor: Model | None, currency: str | None) -> str:
    """Say that nothing is asked."""
    remedy = f"take {successor.id}{_prices(known, successor, currency)}; " if successor else ""
    told = f"{_retired(known)} and was not asked (kimi.retired_models is fail)"
    return f"{told}; {remedy}{CHOOSE}."


def no_successor(known: Model) -> str:
    """Say that the retired one is asked for want of another."""
    return f"{_retired(known)}, no successor is known, and so it is asked nevertheless; {CHOOSE}."


def sent_as_is(known: Model) -> str:
    """Say that the retired one is asked because somebody wants that."""
    return f"{_retired(known)} and is asked nevertheless (kimi.retired_models is send); {CHOOSE}."


def hint(known: Model, successor: Model | None) -> str:
    """Say why a host may not have the model that was asked."""
    follows = f", and {successor.id} follows it" if successor else ""
    return f"{known.id} is retired since {known.retired}{follows}; {CHOOSE}."


def _retired(known: Model) -> str:
    return f"{known.id} is retired (since {known.retired})"


def _prices(known: Model, successor: Model, currency: str | None) -> str:
    """Put both prices side by side, as far as they are known."""
    if currency is None:
        return ""
    new, old = successor.prices.get(currency), known.prices.get(currency)
    if new is None:
        return f" (its price in {currency} is not known here)"
    before = f", before {old.miss:g} and {old.output:g}" if old else "; the old price is not known here"
    return f" (1,000,000 tokens cost {new.miss:g} {currency} in and {new.output:g} {currency} out{before})"
