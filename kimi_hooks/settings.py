"""Values that come from the environment or a secrets file: the only place that reads them, and where each came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from kimi_hooks.logs import MIN_SECRET_CHARACTERS
from kimi_hooks.workspace import Workspace, agents_secrets

DEFAULTS: Mapping[str, str] = {
    "KIMI_API_URL": "https://api.moonshot.cn/v1",
    "KIMI_MODEL": "kimi-k3",
    "OPENCLAW_GATEWAY_URL": "http://127.0.0.1:18789",
}
NAMES = (
    "KIMI_API_KEY",
    "KIMI_API_URL",
    "KIMI_MODEL",
    "WEBHOOK_URL",
    "WEBHOOK_SECRET",
    "OPENCLAW_GATEWAY_URL",
    "OPENCLAW_HOOKS_TOKEN",
)
SECRET_NAMES = frozenset({"KIMI_API_KEY", "WEBHOOK_SECRET", "OPENCLAW_HOOKS_TOKEN"})
ALIASES: Mapping[str, str] = {"KIMI_API_KEY": "MOONSHOT_API_KEY"}


@dataclass(frozen=True)
class Settings:
    """What each name is set to, and the place that said so; `others` is what else stands in the secrets files."""

    values: Mapping[str, str]
    origins: Mapping[str, str]
    others: Mapping[str, str]

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the values that must never be seen, passwords in addresses among them."""
        named = (value for name, value in self.values.items() if name in SECRET_NAMES)
        return (*named, *filter(None, map(_password, self.values.values())), *self.others.values())

    def secrets_in(self, values: Iterable[str]) -> tuple[str, ...]:
        """Return those that stand in one of the values, the longest first; a few characters are none."""
        given = list(values)
        found = {secret for secret in self.secrets if any(secret in value for value in given)}
        return tuple(sorted((word for word in found if len(word) >= MIN_SECRET_CHARACTERS), key=len, reverse=True))

    @property
    def mark(self) -> str:
        """Return a short stand-in for key and address: it changes when either does, and tells neither."""
        told = f"{self.get('KIMI_API_KEY')} {self.get('KIMI_API_URL')}"
        return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:12]

    def chosen(self, names: tuple[str, ...], environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that a hook's `env:` names, wherever they are set."""
        known = {name: self.values.get(name) or environ.get(name) or self.others.get(name) for name in names}
        return {name: value for name, value in known.items() if value}


def read(workspace: Workspace, said: Mapping[str, str | None], environ: Mapping[str, str], user_home: Path) -> Settings:
    """Look each name up: the environment, `.env.kimi` here, the agent's, config.yaml (`said`), the default.

    An empty value counts as not set. Raises nothing: an unreadable secrets file is as good as none.
    """
    files = {str(file): _secrets_in(file) for file in secrets_files(workspace, user_home)}
    sources: list[tuple[str, Mapping[str, str | None]]] = [
        ("environment", environ),
        *files.items(),
        (str(workspace.config_file), said),
        ("default", DEFAULTS),
    ]
    values, origins = {}, {}
    for name in NAMES:
        for origin, source in sources:
            value = source.get(name) or source.get(ALIASES.get(name, name))
            if value:
                values[name], origins[name] = value.strip(), origin
                break
    return Settings(values, origins, _others(files.values()))


def _others(files: Iterable[Mapping[str, str | None]]) -> dict[str, str]:
    """Return what users keep beside our own names, such as the token of a hook of theirs; the nearer file wins."""
    ours = {*NAMES, *ALIASES.values()}
    found: dict[str, str] = {}
    for file in files:
        found = {**{name: value for name, value in file.items() if value and name not in ours}, **found}
    return found


def secrets_files(workspace: Workspace, user_home: Path) -> tuple[Path, Path]:
    """Return the files that may hold secrets, the nearer one first."""
    return workspace.secrets_file, agents_secrets(user_home)


def _secrets_in(file: Path) -> dict[str, str | None]:
    try:
        return dict(dotenv_values(file, interpolate=False))
    except (OSError, UnicodeDecodeError):
        return {}


def _password(value: str) -> str | None:
    """Return the password in an address."""
    try:
        return urlsplit(value).password if "@" in value else None
    except ValueError:
        return None
