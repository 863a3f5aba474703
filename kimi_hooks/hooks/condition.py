"""The `if` of a hook: one Jinja expression over the fields of an event, in the sandbox of the templates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kimi_hooks.errors import TemplateError
from kimi_hooks.events import COMPLETED, FAILED, FIELDS, Event, EventKind, TaskEvent, own_fields
from kimi_hooks.hooks import template_names
from kimi_hooks.logs import visible

MAX_SHOWN = 80
# What only a run has; and of a task that has ended the prompt is not at hand in the instant in which news is owed.
_OF_A_RUN = frozenset({"attempt", "cwd", "result_file", "transcript_path"})
_OF_A_PROMPT = frozenset({"task_description"})
_LATER = "is not known yet when hooks are chosen; use another field, or let the hook itself look at it"
_DEEP = "it is nested too deep; write it shorter"


@dataclass(frozen=True)
class _Condition:
    """A checked expression, and the places in the fields that it looks at, such as `usage.total_tokens`."""

    evaluate: TemplateExpression
    paths: tuple[tuple[str, ...], ...]


def check(expression: str, kind: EventKind | None = None) -> None:
    """Raise TemplateError, with the remedy, unless this can be asked of an event, of one of this kind if given."""
    for path in _read(expression).paths:
        if path[0] in _later(kind):
            raise TemplateError(f"{_quoted(expression)}: {path[0]} {_LATER}")


def fields_of(event: Event, name: str) -> dict[str, Any]:
    """Return what an expression may look at: the event's fields, None where they do not apply, `name` as configured.

    What is told only later is left out, so that to look at it is a mistake and not a null.
    """
    own = {"hook_event_name": name, "event_id": event.event_id, **own_fields(event)}
    later = _later(event.kind) if isinstance(event, TaskEvent) else _OF_A_RUN
    return {name: own.get(name) for name in FIELDS - later}


def _later(kind: EventKind | None) -> frozenset[str]:
    return _OF_A_RUN | _OF_A_PROMPT if kind in (COMPLETED, FAILED) else _OF_A_RUN


def accepts(expression: str, fields: Mapping[str, Any]) -> bool:
    """Tell whether the expression is true of an event's fields. Raises TemplateError where that cannot be told."""
    condition = _read(expression)
    try:
        return bool(condition.evaluate(fields))
    except Exception as error:
        # A user's expression may raise anything.
        raise TemplateError(f"{_quoted(expression)}: {_explain(error)}") from error


def looked_at(expression: str, fields: Mapping[str, Any]) -> str:
    """Return in words the values that the expression looks at, each cut to be read: `usage.total_tokens = 700`."""
    return ", ".join(f"{'.'.join(path)} = {_value(path, fields)}" for path in _read(expression).paths)


@lru_cache(maxsize=256)
def _read(expression: str) -> _Condition:
    """Compile the expression once. Raises TemplateError."""
    try:
        return _compiled(expression)
    except jinja2.TemplateSyntaxError as error:
        told = " ".join((error.message or "it cannot be read").split()).rstrip(".")
        remedy = "write one expression, without {{ }}" if "{" in expression or "%" in expression else "mend it"
        raise TemplateError(f"{_quoted(expression)}: {told}; {remedy}") from error
    except (RecursionError, MemoryError, SyntaxError) as error:
        # The last one is Python's: its compiler has limits of its own.
        raise TemplateError(f"{_quoted(expression)}: {_DEEP}") from error


def _compiled(expression: str) -> _Condition:
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    # What is undefined stays so, and is an error: a hook that guards must not be switched off by a missing value.
    evaluate = environment.compile_expression(expression, undefined_to_none=False)
    tree = environment.parse(f"{{{{ {expression} }}}}")
    paths = tuple(dict.fromkeys(_paths(tree)))
    for path in paths:
        if path[0] not in FIELDS:
            raise TemplateError(f"{_quoted(expression)}: the name {path[0]} is unknown; {_remedy(path)}")
    return _Condition(evaluate, paths)


def _remedy(path: tuple[str, ...]) -> str:
    name = path[0]
    if name in ("env", "environ") or name.isupper():
        return "a condition sees the event alone, no variables and no secrets"
    return template_names.remedy(name, path[1] if len(path) > 1 else "", FIELDS)


def _paths(node: nodes.Node) -> Iterator[tuple[str, ...]]:
    """Yield what an expression looks at: names, and keys in them that are written out."""
    path = _path(node)
    if path is not None:
        yield path
        return
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        # In `metadata.get('x')` the function is no value to be shown.
        yield from _paths(node.node.node)
        children = [*node.args, *node.kwargs]
    else:
        children = list(node.iter_child_nodes())
    for child in children:
        yield from _paths(child)


def _path(node: nodes.Node) -> tuple[str, ...] | None:
    match node:
        case nodes.Name(name=name):
            return (name,)
        case nodes.Getattr(node=inner, attr=key) | nodes.Getitem(node=inner, arg=nodes.Const(value=str(key))):
            before = _path(inner)
            return (*before, key) if before else None
    return None


def _value(path: tuple[str, ...], fields: Mapping[str, Any]) -> str:
    value: Any = fields
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return "(not there)"
        value = value[key]
    return _quoted(json.dumps(value, ensure_ascii=False, default=str))


def _explain(error: Exception) -> str:
    told = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, jinja2.UndefinedError):
        return f"{told}; give it a value where it may be missing, as in |default('')"
    return f"{told}; say what holds where a value is null, as in `cost and cost.amount > 1`"


def _quoted(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 3] + "..."
