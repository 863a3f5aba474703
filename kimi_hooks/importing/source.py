"""Read a file of Claude Code's that holds hooks: settings.json, settings.local.json or a plugin's hooks.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kimi_hooks import atomic
from kimi_hooks.errors import ConfigError

MAX_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Source:
    """The hooks in the file, and where its relative names begin.

    `env` are the names that the file sets for everything that Claude Code runs; their values are not kept.
    """

    file: Path
    hooks: Mapping[str, Any]
    is_disabled: bool = False
    env: tuple[str, ...] = ()
    twice: tuple[str, ...] = field(default=())

    @property
    def project(self) -> Path:
        """The folder that Claude Code calls the project, or the folder of the plugin."""
        folder = self.file.parent
        return folder.parent if folder.name in {".claude", "hooks"} else folder


def read(file: Path) -> Source:
    """Return what the file holds. Raises ConfigError that says what to mend, OSError when it cannot be read."""
    if file.is_dir():
        raise ConfigError(f"{file} is a folder; name the file with the hooks, such as {_inside(file)}")
    with file.open("rb") as opened:
        data = atomic.read_up_to(opened.fileno(), MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{file}: is larger than {MAX_BYTES} bytes; is it a settings file of Claude Code?")
    try:
        return _source(file.absolute(), data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from error


def _inside(folder: Path) -> Path:
    known = ("settings.json", ".claude/settings.json", "hooks/hooks.json", "hooks.json")
    return next((folder / name for name in known if (folder / name).is_file()), folder / ".claude/settings.json")


def _source(file: Path, text: str) -> Source:
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend(name for name in dict.fromkeys(names) if names.count(name) > 1)
        return dict(pairs)

    try:
        data = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{file}: {_where(text, error)}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: is nested too deep for a settings file") from error
    hooks = data.get("hooks") if isinstance(data, dict) else None
    if not isinstance(hooks, dict):
        raise ConfigError(f'{file}: has no hooks in the shape of Claude Code; expected {{"hooks": {{EVENT: [...]}}}}')
    env = data.get("env")
    names = tuple(env) if isinstance(env, dict) else ()
    return Source(file, hooks, data.get("disableAllHooks") is True, names, tuple(twice))


def _where(text: str, error: json.JSONDecodeError) -> str:
    lines = text.splitlines()
    line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
    is_comment = line.lstrip().startswith(("//", "/*", "#")) or "//" in line[error.colno - 1 :]
    remedy = "comments are no JSON; take them out" if is_comment else "mend it there"
    return f"line {error.lineno}, column {error.colno}: {error.msg}; {remedy}"
