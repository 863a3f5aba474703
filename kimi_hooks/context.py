"""Files that go to Kimi with a task: where they may lie, and their text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kimi_hooks.errors import TaskError


def locate(named: Sequence[str], base: Path, roots: Sequence[Path], *, must_exist: bool) -> list[Path]:
    """Return the real paths of the context files; relative names start at `base`.

    Raises TaskError for a file outside the roots, however it is spelt or linked, and for one that is not there.
    """
    real_roots = [root.resolve() for root in roots]
    found = []
    for name in named:
        try:
            path = (base / Path(name).expanduser()).resolve()
        except (OSError, RuntimeError) as error:
            raise TaskError(f"context {name!r}: cannot be found: {error}") from error
        if not any(path.is_relative_to(root) for root in real_roots):
            allowed = ", ".join(map(str, real_roots))
            raise TaskError(f"context {name!r} lies outside the allowed folders ({allowed}); see context_roots")
        if must_exist and not path.is_file():
            raise TaskError(f"context {name!r}: there is no such file ({path})")
        found.append(path)
    return found


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


def _bytes(path: Path, left: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(left + 1)
    except OSError as error:
        raise TaskError(f"context {path}: cannot be read: {error.strerror}") from error
    if len(data) > left:
        raise TaskError(f"context {path}: the context is larger than max_task_bytes; give less, or raise it")
    return data
