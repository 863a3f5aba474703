"""Imported hooks as text for config.yaml, alone or in the midst of what stands there already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kimi_hooks import strict_yaml
from kimi_hooks.config import Config, parse
from kimi_hooks.config_hooks import MatcherPart
from kimi_hooks.errors import ConfigError
from kimi_hooks.events import KINDS
from kimi_hooks.importing.groups import Imported
from kimi_hooks.importing.handlers import name_of
from kimi_hooks.importing.notes import Note

Hooks = Mapping[str, list[dict[str, Any]]]


def with_ids(hooks: Hooks, taken: frozenset[str] = frozenset()) -> dict[str, list[dict[str, Any]]]:
    """Give each handler an id that no other has; the same handler under several events keeps one."""
    names: dict[str, dict[str, Any]] = {}
    return {
        event: [{**group, "hooks": [_named(handler, names, taken) for handler in group["hooks"]]} for group in groups]
        for event, groups in hooks.items()
    }


def _named(handler: dict[str, Any], names: dict[str, dict[str, Any]], taken: frozenset[str]) -> dict[str, Any]:
    base = name_of(handler)
    name, number = base, 1
    while name in taken or names.setdefault(name, handler) != handler:
        number += 1
        name = f"{base}-{number}"
    names[name] = handler
    return {"id": name, **handler}


def text(hooks: Hooks, *, is_disabled: bool = False) -> str:
    """Return the YAML of a `hooks` block, which is good config by itself."""
    return strict_yaml.dump({**({"disableAllHooks": True} if is_disabled else {}), "hooks": dict(hooks)})


def without_known(made: Imported, config: Config) -> Imported:
    """Leave out what the config has already, so that a second import adds nothing."""
    left = Imported(notes=list(made.notes))
    for event, groups in made.hooks.items():
        for group in groups:
            kept = [handler for handler in group["hooks"] if not _is_known(event, group, handler, config)]
            if kept:
                left.hooks.setdefault(event, []).append({**group, "hooks": kept})
            if len(kept) < len(group["hooks"]):
                left.notes.append(Note("left out", event, f"{len(group['hooks']) - len(kept)} in config.yaml already"))
    return left


def _is_known(event: str, group: Mapping[str, Any], handler: Mapping[str, Any], config: Config) -> bool:
    (same,) = MatcherPart.model_validate({"hooks": [handler]}).hooks
    return any(
        hook.kind == KINDS[event]
        and hook.group.matcher == group.get("matcher")
        and hook.handler.model_copy(update={"id": None}) == same
        for hook in config.named_hooks()
    )


def added(before: str, hooks: Hooks, where: str) -> str:
    """Return the text of config.yaml with the hooks in it and every other line as it was.

    Raises ConfigError when the file's own shape leaves no safe place for them.
    """
    old = parse(before, where)
    try:
        after = before
        for event, groups in hooks.items():
            after = _with_event(after, event, groups)
        if _is_sum(parse(after, where), old, hooks):
            return after
    except (ConfigError, LookupError):
        pass
    raise ConfigError(f"{where}: its `hooks` are not in block style, so nothing was written; paste what stands above")


def _with_event(config: str, event: str, groups: list[dict[str, Any]]) -> str:
    spot = strict_yaml.end_of_block(config, ("hooks", event))
    if spot:
        return _inserted(config, spot, strict_yaml.dump(groups))
    spot = strict_yaml.end_of_block(config, ("hooks",))
    if spot:
        return _inserted(config, spot, strict_yaml.dump({event: groups}))
    if "hooks" in strict_yaml.load(config):
        raise LookupError("no block")
    return f"{config.rstrip()}\n\n{strict_yaml.dump({'hooks': {event: groups}})}"


def _inserted(config: str, spot: strict_yaml.Spot, addition: str) -> str:
    lines = config.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    indented = [f"{' ' * spot.column}{line}" if line.strip() else line for line in addition.splitlines(keepends=True)]
    return "".join([*lines[: spot.line], *indented, *lines[spot.line :]])


def _is_sum(new: Config, old: Config, hooks: Hooks) -> bool:
    """Tell whether the new config is the old one with these hooks at the ends of their events, and nothing else."""
    groups = {event: tuple(_parts(found)) for event, found in hooks.items()}
    expected = {event: old.hooks.get(event, ()) + groups.get(event, ()) for event in {*old.hooks, *groups}}
    return new.hooks == expected and new.model_copy(update={"hooks": old.hooks}) == old


def _parts(groups: list[dict[str, Any]]) -> Iterator[MatcherPart]:
    return (MatcherPart.model_validate(group) for group in groups)
