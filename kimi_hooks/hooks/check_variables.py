"""Variables that a hook names and that are set nowhere, by their names; no value is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from kimi_hooks import config_http
from kimi_hooks.config_hooks import CommandPart, Hook
from kimi_hooks.settings import NAMES

# Returns the values of those of the names that are set.
Variables = Callable[[tuple[str, ...]], Mapping[str, str]]


def warnings(hook: Hook, variables: Variables) -> Iterator[str]:
    """Yield a word on each variable that `env`, the address or `secret` names and that has no value."""
    for key, names in _named(hook):
        missing = [name for name in dict.fromkeys(names) if name not in variables((name,))]
        if missing:
            lines = " and ".join(f"{name}=..." for name in missing)
            yield f"{key}: {', '.join(missing)} {_is(missing)} set nowhere; put it into .env.kimi: {lines}"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _named(hook: Hook) -> Iterable[tuple[str, Iterable[str]]]:
    handler = hook.handler
    if isinstance(handler, CommandPart):
        # Where one of the program's own names is not set, the hooks that know it have nothing to do.
        return [("env", (name for name in handler.env if name not in NAMES))]
    secret = (handler.secret,) if "secret" in handler.model_fields_set else ()
    return [("url", config_http.references(handler.url)), ("secret", secret)]
