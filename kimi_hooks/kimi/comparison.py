"""What Kimi tells of its models beside what is known of them here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kimi_hooks.kimi.catalogue import Catalogue


@dataclass(frozen=True)
class Window:
    """A model whose context is another one there than here, in tokens."""

    id: str
    there: int
    here: int


@dataclass(frozen=True)
class Comparison:
    """Ids of models: there and known here, there and unknown here, known as live here and not there."""

    known: tuple[str, ...]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    windows: tuple[Window, ...]


def compare(catalogue: Catalogue, listed: Iterable[Mapping[str, Any]]) -> Comparison:
    """Compare with the `data` of GET /models; what is no model in it is passed over."""
    there = {model["id"]: model for model in listed if isinstance(model.get("id"), str) and model["id"]}
    live = [model.id for model in catalogue.live()]
    return Comparison(
        known=tuple(name for name in there if catalogue.find(name)),
        unknown=tuple(name for name in there if not catalogue.find(name)),
        missing=tuple(name for name in live if name not in there),
        windows=tuple(_windows(catalogue, there)),
    )


def _windows(catalogue: Catalogue, there: Mapping[str, Mapping[str, Any]]) -> Iterable[Window]:
    for name, said in there.items():
        known, context = catalogue.find(name), said.get("context_length")
        if known and known.context and type(context) is int and context != known.context:
            yield Window(name, context, known.context)
