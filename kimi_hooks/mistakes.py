"""All the mistakes in a mapping at once, each with its place and, for an unknown key, the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

MAX_SHOWN = 60
MAX_MISTAKES = 10


def nearest(word: str, known: Collection[str]) -> str:
    """Return ` (did you mean ...?)` for the nearest known word, or a list of them all when none is near."""
    found = near(word, known)
    return f" (did you mean {found!r}?)" if found else f" (known: {', '.join(sorted(known))})"


def near(word: str, known: Collection[str]) -> str | None:
    """Return the nearest known word, None when none is near."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), None)


def describe(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one line for each mistake that pydantic found in the data for `model`."""
    found = error.errors(include_url=False, include_context=True)
    more = [f"and {len(found) - MAX_MISTAKES} more"] if len(found) > MAX_MISTAKES else []
    return [_line(item, model) for item in found[:MAX_MISTAKES]] + more


def _line(item: Any, model: type[BaseModel]) -> str:
    place = ".".join(str(part) for part in item["loc"] if part != "[key]" and not _is_tag(part))
    if item["type"] == "extra_forbidden":
        return _unknown_key(place, str(item["loc"][-1]), _model_at(model, item["loc"][:-1]))
    if item["type"] == "string_too_short" and not item["input"]:
        return f"{place}: is empty; write something there or take it out"
    message = item["msg"].removeprefix("Value error, ").partition(", unable to")[0]
    message = message.replace("Input should be", "must be").replace("a valid tuple", "a list")
    message = message.replace("Field required", "is missing")
    if item["type"] == "string_unicode":
        message = "holds half a surrogate pair, which is not text"
    return f"{place}: {message}{_given(item)}" if place else message


def _unknown_key(place: str, key: str, model: type[BaseModel]) -> str:
    # A model may say of keys that people bring from elsewhere why it has none.
    why = getattr(model, "foreign_keys", {}).get(key)
    return f"{_cut(place)}: {why}" if why else f"unknown key {_cut(place)!r}{nearest(key, _keys(model))}"


def _given(item: Any) -> str:
    value = item.get("input")
    if item["type"] == "string_type" and isinstance(value, bool | int | float):
        # YAML takes yes, no, on, off, true, false and numbers for what they look like.
        return f", not {_cut(repr(value))}; put the text in quotes"
    if item["type"] in {"missing", "value_error"} or isinstance(value, dict | list):
        return ""
    try:
        return f", not {_cut(repr(value))}"
    except ValueError:
        # An integer of thousands of digits cannot even be written down.
        return ""


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def _is_tag(part: object) -> bool:
    """Tell whether a step of a place only says which of several models was taken, such as `type: http`."""
    return isinstance(part, str) and part.startswith("type: ")


def _model_at(model: type[BaseModel], path: tuple[Any, ...]) -> type[BaseModel]:
    """Follow the place of a mistake down the nested models to the one that does not know the key.

    List positions and the keys of free mappings lead no deeper: their model has been reached before.
    """
    models = [model]
    for part in path:
        if _is_tag(part):
            models = [found for found in models if _tag(found) == part] or models
        elif part in models[0].model_fields:
            models = _models_in(models[0].model_fields[part].annotation) or models
    return models[0]


def _keys(model: type[BaseModel]) -> Collection[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _tag(model: type[BaseModel]) -> str:
    named = model.model_fields.get("type")
    return f"type: {get_args(named.annotation)[0]}" if named else ""


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models inside `list[Model]`, `Model | None` or `dict[str, list[Model]]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
