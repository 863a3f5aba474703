"""What is known of Kimi's models: limits, fixed parameters, prices, successors.

It stands in models.yaml next to this file; what config.yaml says under `kimi.models` goes over it key by key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from kimi_hooks import clock, strict_yaml
from kimi_hooks.config import KimiPart
from kimi_hooks.config_models import ModelPart, RetiredModels
from kimi_hooks.kimi import model_file, retirement
from kimi_hooks.kimi.failure import CallFailedError, Failure
from kimi_hooks.kimi.model import Cost, Model, Price, Resolved
from kimi_hooks.kimi.usage import Usage

__all__ = ["OFFICIAL", "Catalogue", "Cost", "Model", "Price", "Resolved", "make"]

# Source: the two consoles, platform.kimi.com and platform.kimi.ai.
OFFICIAL: Mapping[str, str] = MappingProxyType({"api.moonshot.cn": "CNY", "api.moonshot.ai": "USD"})
_BY_ENDING = {"cn": "CNY", "ai": "USD"}
_PER = 1_000_000


def _today() -> str:
    return clock.today(time.time())


@dataclass(frozen=True)
class Catalogue:
    """All models that are known here. `on_retired`: what is done with a name that the official hosts do not have.

    `currency` is that of the hosts whose own is not known. `today` tells the day, such as `2026-11-22`: a model may be
    retired while the program runs.
    """

    models: Mapping[str, Model]
    on_retired: RetiredModels = "substitute"
    currency: str | None = None
    today: Callable[[], str] = _today

    def find(self, model: str) -> Model | None:
        """Look a model up by its exact id; None when nothing is known of it."""
        return self.models.get(model)

    def is_retired(self, model: Model) -> bool:
        """Tell whether the day has come since which the official hosts do not have the model."""
        return model.retired is not None and model.retired <= self.today()

    def live(self) -> list[Model]:
        """Return the models that are not retired, also those that will be."""
        return [model for model in self.models.values() if not self.is_retired(model)]

    def currency_of(self, api_url: str) -> str | None:
        """Tell the currency of an account by the API's host: .cn is billed in CNY, .ai in USD, others are as set."""
        host = _host(api_url)
        return OFFICIAL.get(host) or self.currency or _BY_ENDING.get(host.rpartition(".")[2])

    def cost(self, model: str, usage: Usage, api_url: str) -> Cost | None:
        """Work out what an answer cost; None, never 0, where the price is not known."""
        known, currency = self.find(model), self.currency_of(api_url)
        price = known.prices.get(currency) if known and currency else None
        if price is None or currency is None:
            return None
        cached = min(usage.cached, usage.prompt)
        parts = (usage.prompt - cached) * price.miss + cached * price.hit + usage.completion * price.output
        return Cost(round(parts / _PER, 6), currency)

    def successor(self, model: str) -> Model | None:
        """Return what stands in for a model that is retired or will be; None for others, and where nothing does."""
        found, seen = self.find(model), {model}
        if found is None or not found.retired:
            return None
        while found.successor and found.successor not in seen:
            seen.add(found.successor)
            found = self.find(found.successor) or Model(found.successor)
            if not self.is_retired(found):
                return found
        return None

    def resolve(self, model: str, api_url: str, *, standin: bool = False) -> Resolved:
        """Return what is asked when a task names this model: a retired one is replaced where the host has lost it.

        `standin`: the imitation answers, which knows what the official hosts know. Raises CallFailedError where
        `kimi.retired_models` says so.
        """
        known = self.find(model)
        if known is None or self.on_retired == "send" or not self._is_lost(known, api_url, standin):
            return Resolved(model)
        successor = self.successor(model)
        currency = None if standin else self.currency_of(api_url)
        if self.on_retired == "fail":
            raise CallFailedError(Failure("model_not_found", "never", retirement.refusal(known, successor, currency)))
        if successor is None:
            return Resolved(model, retirement.no_successor(known))
        return Resolved(successor.id, retirement.warning(known, successor, currency))

    def about(self, model: str, api_url: str, *, standin: bool = False) -> str | None:
        """Say what somebody must know who sets this model; None when all is well."""
        known = self.find(model)
        if known is None:
            return retirement.unknown(model)
        if not self._is_lost(known, api_url, standin):
            return None
        try:
            return self.resolve(model, api_url, standin=standin).warning or retirement.sent_as_is(known)
        except CallFailedError as error:
            return str(error)

    def named(self, model: str, api_url: str) -> str:
        """Return the model's name with who is asked in its place, for a line of status."""
        try:
            asked = self.resolve(model, api_url).model
        except CallFailedError:
            return f"{model} (retired, not asked)"
        return model if asked == model else f"{model} (retired, {asked} is asked)"

    def _is_lost(self, model: Model, api_url: str, standin: bool) -> bool:
        return self.is_retired(model) and (standin or _host(api_url) in OFFICIAL)


def make(kimi: KimiPart | None = None, today: Callable[[], str] = _today) -> Catalogue:
    """Return what the program knows, with what the config says over it; `today` tells the day, as `clock.today`."""
    kimi = kimi or KimiPart()
    entries = dict(_shipped())
    for name, said in kimi.models.items():
        entries[name] = _over(entries.get(name), said)
    models = {name: _model(name, entry) for name, entry in entries.items()}
    return Catalogue(MappingProxyType(models), kimi.retired_models, kimi.currency, today)


@cache
def _shipped() -> Mapping[str, ModelPart]:
    data = strict_yaml.load(model_file.text())
    return {name: ModelPart.model_validate({"as_of": data["as_of"], **entry}) for name, entry in data["models"].items()}


def _over(known: ModelPart | None, said: ModelPart) -> ModelPart:
    """Put what was said over what is known; prices are of no certain day then unless that was said, too."""
    if known is None:
        return said
    changes: dict[str, Any] = {name: getattr(said, name) for name in said.model_fields_set}
    if said.prices:
        changes = {"as_of": None, **changes, "prices": {**known.prices, **said.prices}}
    return known.model_copy(update=changes)


def _model(name: str, entry: ModelPart) -> Model:
    said: dict[str, Any] = {field.name: getattr(entry, field.name) for field in fields(Model) if field.name != "id"}
    said["prices"] = {currency: Price(price.hit, price.miss, price.output) for currency, price in entry.prices.items()}
    said.update({key: MappingProxyType(value) for key, value in said.items() if isinstance(value, dict)})
    return Model(id=name, **said)


def _host(api_url: str) -> str:
    try:
        return urlsplit(api_url).hostname or ""
    except ValueError:
        return ""
