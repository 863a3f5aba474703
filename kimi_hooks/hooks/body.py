"""A JSON body of the user's own for an `http` hook: Jinja in its texts, over the fields of the event.

The values become JSON after they were filled in, so that none can be more than a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kimi_hooks.errors import TemplateError
from kimi_hooks.mistakes import near
from kimi_hooks.text import written

_ONE_TAG = re.compile(r"\{\{[-+]?(?P<expression>.*?)[-+]?\}\}", re.DOTALL)
_ENVIRONMENT = ("env", "environ")


def render(body: Mapping[str, Any], fields: Mapping[str, Any]) -> bytes:
    """Return the JSON with the event's fields filled in. A text that is one tag becomes that tag's value, of any type.

    Raises TemplateError that names the place in the body.
    """
    filled = _each(body, "body", lambda text, where: _filled(text, where, fields))
    try:
        return json.dumps(filled, ensure_ascii=False).encode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError) as error:
        raise TemplateError(
            f"body: it holds what JSON has no form for ({error}); add a filter such as |list"
        ) from error


def check(body: Mapping[str, Any], known_names: Collection[str]) -> None:
    """Raise TemplateError for a text that is no template, or that uses a name which is not known."""
    _each(body, "body", lambda text, where: _checked(text, where, known_names))


def _each(value: Any, where: str, change: Callable[[str, str], Any]) -> Any:
    """Return a copy of the value with each text in it changed; keys stay as they are."""
    match value:
        case str():
            return change(value, where)
        case Mapping():
            return {key: _each(inner, f"{where}.{key}", change) for key, inner in value.items()}
        case list() | tuple():
            return [_each(inner, f"{where}.{number}", change) for number, inner in enumerate(value)]
    return value


def _filled(text: str, where: str, fields: Mapping[str, Any]) -> Any:
    environment = _environment()
    try:
        expression = _only_tag(environment, text)
        if expression is None:
            return environment.from_string(text).render(fields)
        value = environment.compile_expression(expression, undefined_to_none=False)(**fields)
        if isinstance(value, jinja2.Undefined):
            str(value)
    except jinja2.UndefinedError as error:
        remedy = "give it a value where it may be missing, as in |default('')"
        raise TemplateError(f"{where}: {error}; {remedy}") from error
    except Exception as error:
        # A user's expression may raise anything.
        raise TemplateError(f"{where}: {type(error).__name__}: {error}; mend the expression") from error
    return value


def _only_tag(environment: jinja2.Environment, text: str) -> str | None:
    """Return the expression of a text that is one tag and nothing else."""
    body = environment.parse(text).body
    only = len(body) == 1 and isinstance(body[0], nodes.Output) and len(body[0].nodes) == 1
    found = _ONE_TAG.fullmatch(text)
    return found["expression"] if only and found else None


def _checked(text: str, where: str, known_names: Collection[str]) -> str:
    environment = _environment()
    try:
        tree = environment.parse(text)
        environment.compile(text)
    except jinja2.TemplateSyntaxError as error:
        told = " ".join((error.message or "it cannot be read").split()).rstrip(".")
        raise TemplateError(f"{where}: {told}; mend the tag") from error
    except (SyntaxError, RecursionError) as error:
        raise TemplateError(f"{where}: its blocks or parentheses stand too deep inside each other") from error
    for name in _unknown(tree, known_names):
        raise TemplateError(f"{where}: the name {name} is unknown; {_remedy(name, known_names)}")
    return text


def _unknown(tree: nodes.Template, known_names: Collection[str]) -> Iterator[str]:
    yield from sorted(meta.find_undeclared_variables(tree) - {*known_names})


def _remedy(name: str, known_names: Collection[str]) -> str:
    if name in _ENVIRONMENT or name.isupper():
        return "a body is given no environment and no secrets; those may stand in url and headers"
    found = near(name, known_names)
    return f"did you mean {found!r}?" if found else "known names: docs/hooks.md#what-a-hook-is-given"


def _environment() -> jinja2.Environment:
    return ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False, finalize=written)
