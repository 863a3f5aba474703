"""Files that are whole or absent, and on the disk when we say so."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import signal
from pathlib import Path

from kimi_hooks import crash_points
from kimi_hooks.crash_points import Point

TEMPORARY_PREFIX = ".tmp-"
# 2 GiB less a page, on Linux: read(2). Elsewhere it is not less.
LARGEST_READ = 0x7FFFF000


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644, synced: bool = True) -> None:
    """Write the file under a temporary name, fsync it, rename it into place and fsync the folder.

    A reader sees the old content or the new one, never a part; a crash leaves at most a `.tmp-` file.
    The folder is made when it is missing. Not `synced`, the file may be empty after a power cut: for what can be made
    anew. Raises OSError.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{random.getrandbits(64):016x}"
    try:
        _write(temporary, data, mode, synced=synced)
        crash_points.reached(Point.FILE_WRITTEN)
        os.replace(temporary, path)  # noqa: PTH105 - pathlib's way costs more than the call; this is the hot path
        crash_points.reached(Point.FILE_NAMED)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            # What cannot be written is the file, whatever it was called meanwhile.
            error.filename, error.filename2 = str(path), None
        raise
    if synced:
        sync_folder(path.parent)


def write_text(path: Path, text: str, *, mode: int = 0o644, synced: bool = True) -> None:
    """Write UTF-8 text as `write_bytes` does; a lone surrogate becomes a question mark."""
    write_bytes(path, text.encode("utf-8", "replace"), mode=mode, synced=synced)


def write_unread(path: Path, text: str) -> None:
    """Write a file of which nobody knows yet, as quickly as can be: it need not be whole at every instant.

    Raises OSError.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        rest = memoryview(text.encode("utf-8", "replace"))
        while rest:
            rest = rest[os.write(fd, rest) :]
    finally:
        os.close(fd)


def read_bytes(path: Path) -> bytes:
    """Return a file's content with as few calls to the system as can be. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_up_to(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def read_up_to(fd: int, length: int) -> bytes:
    """Return that many bytes of an open plain file, or all there are. Raises OSError."""
    data = os.read(fd, length)
    # Less than was asked for is the end of the file, but for what the kernel gives at most in one piece.
    while LARGEST_READ <= len(data) < length and (more := os.read(fd, length - len(data))):
        data += more
    return data


def stamp(path: str | Path) -> tuple[int, int, int] | None:
    """Return what tells one state of a file from another; None when it cannot be seen."""
    try:
        status = os.stat(path)  # noqa: PTH116 - asked many times a second under load
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def held_open(path: Path) -> bool | None:
    """Tell whether anybody holds the file open for writing; None when the system will not say.

    A read lease is granted only when nobody does (fcntl(2), F_SETLEASE): microseconds, where waiting for stillness
    takes half a second. Closing the file gives the lease back.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # A writer that opens the file just now breaks the lease, which sends a signal: SIGIO would end the process.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(fd)
    return False


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


def _write(path: Path, data: bytes, mode: int, *, synced: bool) -> None:
    fd = _create(path, mode)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        if synced:
            os.fsync(fd)
    finally:
        os.close(fd)


def _create(path: Path, mode: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, mode)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        sync_folder(path.parent.parent)
        return os.open(path, flags, mode)
