"""Files that go to Kimi with a task: where they may lie, and their text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kimi_hooks.errors import TaskError
from kimi_hooks.workspace import SECRETS_NAME, Workspace


def locate(
    workspace: Workspace,
    allowed: Sequence[str] | None,
    named: Sequence[str],
    sent_from: Path | None,
    *,
    must_exist: bool,
) -> list[Path]:
    """Return the real paths of the context files. Relative names start where the task was sent from, else here.

    They must lie under the folders that are `allowed` (`context_roots`), else here or where the task was sent from,
    however they are spelt or linked; secrets and the spool are never context. Raises TaskError.
    """
    try:
        return _locate(workspace, allowed, named, sent_from, must_exist=must_exist)
    except (OSError, RuntimeError, ValueError) as error:
        # A name that is too long, a circle of links, a folder that may not be entered, a user that is not there.
        told = f"context cannot be found: {error}; correct the names, or context_roots in config.yaml"
        raise TaskError(told) from error


def _locate(
    workspace: Workspace,
    allowed: Sequence[str] | None,
    named: Sequence[str],
    sent_from: Path | None,
    *,
    must_exist: bool,
) -> list[Path]:
    base = sent_from or workspace.home
    roots = [root.resolve() for root in _roots(workspace, allowed, sent_from)]
    paths = [(base / Path(name).expanduser()).resolve() for name in named]
    for name, path in zip(named, paths, strict=True):
        _check(name, path, roots, workspace)
        if must_exist and not path.is_file():
            raise TaskError(f"context {name!r}: there is no such file ({path}); correct the name")
    return paths


def _check(name: str, path: Path, roots: Sequence[Path], workspace: Workspace) -> None:
    if not any(path.is_relative_to(root) for root in roots):
        allowed = ", ".join(map(str, dict.fromkeys(roots))) or "none"
        raise TaskError(
            f"context {name!r} lies outside the allowed folders ({allowed}); "
            "move it there, or name its folder under context_roots in config.yaml"
        )
    if path.name == SECRETS_NAME or path.is_relative_to(workspace.spool.resolve()):
        raise TaskError(f"context {name!r} is a secret of the workspace's and is not sent; give another file")


def read(paths: Sequence[Path], max_bytes: int) -> list[tuple[str, str]]:
    """Return the name and text of each file. Raises TaskError when one is not text or all together are too large."""
    texts = []
    left = max_bytes
    for path in paths:
        data = _bytes(path, left)
        left -= len(data)
        try:
            texts.append((path.name, data.decode("utf-8-sig")))
        except UnicodeDecodeError as error:
            raise TaskError(f"context {path}: is not UTF-8 text; give a text file") from error
    return texts


def _roots(workspace: Workspace, allowed: Sequence[str] | None, sent_from: Path | None) -> list[Path]:
    if allowed is not None:
        return [workspace.home / Path(root).expanduser() for root in allowed]
    return [workspace.home, *([sent_from] if sent_from else [])]


def _bytes(path: Path, left: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(left + 1)
    except OSError as error:
        raise TaskError(f"context {path}: cannot be read: {error.strerror}") from error
    if len(data) > left:
        raise TaskError(f"context {path}: the context is larger than max_task_bytes; give less, or raise it")
    return data
