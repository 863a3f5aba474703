"""Whether a JSON Schema is one that Kimi takes: its "Moonshot flavored JSON Schema", as far as its errors are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_UNITED = ("anyOf", "oneOf", "allOf")
_INSTEAD_OF_TYPE = (*_UNITED, "$ref", "enum", "const")


def mistake(schema: Any) -> str | None:
    """Return the details of the first mistake, or None."""
    if not isinstance(schema, dict):
        return "At path '': schema must be an object"
    if schema.get("type") != "object" and "$ref" not in schema:
        return "At path '': the root schema must be of type object"
    try:
        return next(_mistakes(schema, ""), None)
    except RecursionError:
        return "At path '': schema is nested too deeply"


def _mistakes(schema: Any, path: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield f"At path '{path}': schema must be an object"
        return
    # Each entry of a list of types counts; Kimi takes the list.
    types = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type")]
    unknown = [kind for kind in types if kind is not None and kind not in _TYPES]
    if unknown:
        yield f"At path '{path}': unknown type {unknown[0]!r}"
    elif types == [None] and path and not any(key in schema for key in _INSTEAD_OF_TYPE):
        yield f"At path '{path}': type is not defined"
    elif "anyOf" in schema and schema.get("type") is not None:
        yield f"At path '{_below(path, 'anyOf')}': type should be defined in anyOf items instead of the parent schema"
    for inner_path, inner in _inner(schema, path):
        yield from _mistakes(inner, inner_path)


def _inner(schema: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key in ("properties", "$defs"):
        named = schema.get(key)
        for name, inner in named.items() if isinstance(named, dict) else ():
            yield _below(path, f"{key}.{name}"), inner
    for key in _UNITED:
        listed = schema.get(key)
        for at, inner in enumerate(listed if isinstance(listed, list) else ()):
            yield _below(path, f"{key}.{at}"), inner
    if "items" in schema:
        yield _below(path, "items"), schema["items"]


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
