"""Files that are whole or absent, and on the disk when we say so."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write the file under a temporary name, fsync it, rename it into place and fsync the folder.

    A reader sees the old content or the new one, never a part; a crash leaves at most a `.tmp-` file.
    The folder is made when it is missing. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        _write_synced(temporary, data, mode)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write UTF-8 text as `write_bytes` does; a lone surrogate becomes a question mark."""
    write_bytes(path, text.encode("utf-8", "replace"), mode=mode)


def sync_folder(folder: Path) -> None:
    """Put the folder's names on the disk: after it, a rename survives a power cut. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_leftovers(folder: Path, changed_before: float) -> None:
    """Remove the temporary files that killed writers left in the folder before that instant (since 1970)."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError):
            if leftover.lstat().st_mtime < changed_before:
                leftover.unlink()


def _write_synced(path: Path, data: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
