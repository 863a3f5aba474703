"""The files that `init` lays out: the one copy at the top of the repository, which the wheel carries along."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder() -> Path:
    """Return the folder that holds the default `config.yaml` and `hooks/`."""
    packed = _PACKAGE / "default_files"
    return packed if packed.is_dir() else _PACKAGE.parent


def hook_files() -> list[Path]:
    """Return the shipped hook scripts and templates."""
    return sorted(path for path in (folder() / "hooks").iterdir() if path.is_file())
