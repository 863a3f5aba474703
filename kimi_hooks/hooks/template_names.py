"""What to write instead of a name that a script template does not know."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kimi_hooks.mistakes import near

# What a result file calls otherwise than a hook's input does.
_CALLED_HERE: Mapping[str, str] = {"tokens": "usage", "outcome": "status"}
_ENVIRONMENT = ("env", "environ")


def remedy(name: str, inner: str, known_names: Collection[str]) -> str:
    """Return the second half of a refusal of `name`; `inner` is what is asked of it, as TOKEN in `env.TOKEN`."""
    if name in _CALLED_HERE:
        return f"write {_CALLED_HERE[name]}"
    if name in _ENVIRONMENT:
        return _in_the_shell(inner or "NAME")
    if name.isupper():
        # So are variables and secrets written, and no field.
        return _in_the_shell(name)
    found = near(name, known_names)
    return f"did you mean {found!r}?" if found else "known names: docs/hooks.md#what-a-hook-is-given"


def _in_the_shell(name: str) -> str:
    return f"""write "${name}", and list {name} under the handler's env"""
