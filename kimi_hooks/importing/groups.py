"""All hooks of one file, event by event and group by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kimi_hooks.events import KINDS
from kimi_hooks.foreign_events import refusal
from kimi_hooks.importing import handlers, matchers
from kimi_hooks.importing.handlers import Site
from kimi_hooks.importing.notes import Note
from kimi_hooks.importing.source import Source
from kimi_hooks.mistakes import nearest

_MOVED = (
    "to Stop, where it can send Kimi back to work as it could there; if it only tells of finished tasks, move it"
    " back under TaskCompleted"
)


@dataclass
class Imported:
    """What goes under `hooks` in config.yaml, event by event, and what is to be said. It is filled group by group."""

    hooks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(len(group["hooks"]) for groups in self.hooks.values() for group in groups)


def translate(source: Source, home: Path) -> Imported:
    """Return the hooks of the file as hooks for the workspace in `home`; handlers have no ids yet."""
    made = Imported()
    made.notes += [Note("note", name, "stands twice; the last one counts, as in Claude Code") for name in source.twice]
    if source.env:
        told = (
            f"{', '.join(source.env)}: hooks there see these; here put them into .env.kimi, and name them under `env`"
        )
        made.notes.append(Note("to do", "env", told))
    for event, groups in source.hooks.items():
        why = _event_refusal(event, groups)
        if why:
            made.notes.append(Note("left out", event, why))
            continue
        for number, group in enumerate(groups, 1):
            _group(made, group, event, f"{event}, group {number}", (source.project, home))
    if "SessionStart" in made.hooks:
        told = "what it prints is only recorded here; text for Kimi is added under UserPromptSubmit"
        made.notes.append(Note("note", "SessionStart", told))
    if "StopFailure" in made.hooks:
        told = "a script that reads `error` finds an object here: the word is `error.kind`, the details `error.message`"
        made.notes.append(Note("note", "StopFailure", told))
    return made


def _event_refusal(event: str, groups: Any) -> str | None:
    if event not in KINDS:
        return refusal(event) or f"unknown event{nearest(event, KINDS)}"
    return None if isinstance(groups, list) else "is not a list of matcher groups"


def _group(made: Imported, group: Any, event: str, place: str, folders: tuple[Path, Path]) -> None:
    if not isinstance(group, Mapping) or not isinstance(group.get("hooks"), list):
        made.notes.append(Note("left out", place, "is no matcher group: it has no list of handlers under `hooks`"))
        return
    matched = matchers.translate(event, group.get("matcher"))
    if matched.refusal:
        made.notes.append(Note("left out", place, matched.refusal))
        return
    if matched.told:
        made.notes.append(Note("changed", place, matched.told))
    made.notes += [
        Note("changed", place, f"the key `{key}` is left out; it has no effect on a group in Claude Code, either")
        for key in group
        if key not in {"matcher", "hooks"}
    ]
    _handlers(made, group["hooks"], event, place, matched.matcher, folders)


def _handlers(
    made: Imported, listed: list[Any], event: str, place: str, matcher: str | None, folders: tuple[Path, Path]
) -> None:
    by_event: dict[str, list[dict[str, Any]]] = {}
    for number, raw in enumerate(listed, 1):
        target = _target(event, raw)
        site = Site(f"{place}, handler {number}", target, *folders)
        handler, notes = handlers.translate(raw, site)
        if handler is not None:
            by_event.setdefault(target, []).append(handler)
            made.notes += [site.note("moved", _MOVED)] if target != event else []
        made.notes += notes
    for target, kept in by_event.items():
        made.hooks.setdefault(target, []).append({**({"matcher": matcher} if matcher else {}), "hooks": kept})


def _target(event: str, raw: Any) -> str:
    """Return the event that a handler goes to: what may block an ended task there is asked before its end here."""
    is_told_only = isinstance(raw, Mapping) and bool(raw.get("async"))
    return "Stop" if event == "TaskCompleted" and not is_told_only else event
