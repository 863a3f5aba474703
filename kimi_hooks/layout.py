"""Lay out a workspace: make what is missing, change nothing that exists."""

from __future__ import annotations

import base64
import difflib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from kimi_hooks import atomic, defaults, schemas
from kimi_hooks.errors import WorkspaceError
from kimi_hooks.workspace import SECRETS_NAME, Workspace

GITIGNORE = f"/{SECRETS_NAME}\n/outbox/\n/results/\n/spool/\n"
SECRETS_TEXT = """\
# Secrets of this workspace: readable by you alone, never to be committed.
# The key of https://platform.kimi.com (or .ai; then also set KIMI_API_URL=https://api.moonshot.ai/v1):
# KIMI_API_KEY=sk-...
# The hooks token of your OpenClaw gateway (`hooks.token`, not the gateway's own token):
# OPENCLAW_HOOKS_TOKEN=
# Where webhook-handler sends results:
# WEBHOOK_URL=
# What it signs them with; the receiver checks them with the same one:
WEBHOOK_SECRET={webhook_secret}
"""


def lay_out(workspace: Workspace) -> list[str]:
    """Make the workspace's files and folders; return a line for each, made or kept. Raises WorkspaceError."""
    if workspace.home.exists() and not workspace.home.is_dir():
        told = "is a file, not a folder; name a folder, or a place where one can be made"
        raise WorkspaceError(f"{workspace.home} {told}")
    try:
        return _lay_out(workspace)
    except OSError as error:
        raise WorkspaceError(f"{workspace.home}: cannot be laid out: {error}") from error


def is_source(workspace: Workspace) -> bool:
    """Tell whether the workspace is the clone that this program runs from: its files are the shipped ones."""
    return workspace.home.resolve() == defaults.folder().resolve()


def differing(workspace: Workspace) -> list[Path]:
    """Return the shipped hooks that are not the same in this workspace: edited there, or shipped anew since."""
    pairs = [(workspace.hooks / source.name, source) for source in defaults.hook_files()]
    return [mine for mine, shipped in pairs if mine.is_file() and mine.read_bytes() != shipped.read_bytes()]


def differences(workspace: Workspace) -> str:
    """Return as a unified diff what would turn the workspace's config.yaml and hooks into the shipped ones."""
    shipped = [defaults.folder() / workspace.config_file.name, *defaults.hook_files()]
    pairs = [(workspace.home / source.relative_to(defaults.folder()), source) for source in shipped]
    return "".join(line for mine, source in pairs if mine.is_file() for line in _diff(mine, source))


def _lay_out(workspace: Workspace) -> list[str]:
    told = [_make(workspace.home, lambda path: path.mkdir(parents=True))]
    told.append(_make(workspace.config_file, partial(_copy, defaults.folder() / workspace.config_file.name)))
    told.append(_make(workspace.secrets_file, _write_secrets))
    told.append(_make(workspace.home / ".gitignore", lambda path: atomic.write_text(path, GITIGNORE)))
    told.append(_make(workspace.hooks, lambda path: path.mkdir()))
    told += [_make(workspace.hooks / source.name, partial(_copy, source)) for source in defaults.hook_files()]
    told += [_make(path, lambda path: path.mkdir()) for path in (workspace.outbox, workspace.results)]
    told.append(_make(workspace.spool, lambda path: path.mkdir(mode=0o700)))
    workspace.make_folders()
    atomic.sync_folder(workspace.home)
    schemas.lay_out(workspace.schemas)
    return told


def _make(path: Path, make: Callable[[Path], object]) -> str:
    if path.exists():
        return f"kept  {path}"
    make(path)
    return f"made  {path}"


def _diff(mine: Path, shipped: Path) -> Iterator[str]:
    before, after = (path.read_text("utf-8", "replace").splitlines() for path in (mine, shipped))
    for line in difflib.unified_diff(before, after, str(mine), str(shipped), lineterm=""):
        yield f"{line}\n"


def _copy(source: Path, target: Path) -> None:
    atomic.write_bytes(target, source.read_bytes(), mode=0o755 if os.access(source, os.X_OK) else 0o644)
    shutil.copymode(source, target)


def _write_secrets(path: Path) -> None:
    webhook_secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    atomic.write_text(path, SECRETS_TEXT.format(webhook_secret=webhook_secret), mode=0o600)
