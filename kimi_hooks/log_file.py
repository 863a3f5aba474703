"""A log file that is put aside when it is full: `runner.log` becomes `runner.log.1`, that `runner.log.2`, and so on."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kimi_hooks import crash_points
from kimi_hooks.crash_points import Point

LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Rotation:
    """How large a log may grow, in bytes, and how many full ones are kept beside it."""

    max_bytes: int
    keep: int


class LogFile:
    """Appends to the file under this name. One thread writes at a time; other processes may append as well.

    Whoever renames, removes or empties the file from outside does no harm: once a second at most, when something is
    written, it is looked whether the name still stands for what we write into. `rotation` is asked then; without one
    the file is never put aside by us.
    """

    def __init__(self, path: Path, rotation: Callable[[], Rotation] | None = None) -> None:
        self._path = path
        self._rotation = rotation
        self._fd = _open(path)
        self._size = os.fstat(self._fd).st_size
        self._most = self._size if rotation is None else rotation().max_bytes
        self._looked_at = time.monotonic()

    def write(self, text: str) -> None:
        """Append the text, whole. Raises OSError."""
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        self._size += len(rest)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        now = time.monotonic()
        is_full = self._rotation is not None and self._size >= self._most
        if is_full or now >= self._looked_at + LOOK_SECONDS:
            self._looked_at = now
            self._look()

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def close(self) -> None:
        os.close(self._fd)

    def _look(self) -> None:
        # What cannot be put aside now is put aside later; the file grows meanwhile, and no line is lost.
        with contextlib.suppress(OSError):
            if not self._has_our_name():
                self._open_anew()
            self._size = os.fstat(self._fd).st_size
            if self._rotation is not None:
                rotation = self._rotation()
                self._most = rotation.max_bytes
                if self._size >= rotation.max_bytes:
                    # Should it fail: not tried again at each line.
                    self._most = self._size + rotation.max_bytes // 10
                    self._put_aside(rotation.keep)
                    self._most = rotation.max_bytes

    def _has_our_name(self) -> bool:
        try:
            named, ours = self._path.stat(), os.fstat(self._fd)
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    def _put_aside(self, keep: int) -> None:
        for number, file in sorted(_aside(self._path), reverse=True):
            if number >= keep:
                file.unlink(missing_ok=True)
            else:
                file.rename(_numbered(self._path, number + 1))
        crash_points.reached(Point.LOGS_SHIFTED)
        if keep:
            self._path.rename(_numbered(self._path, 1))
        else:
            self._path.unlink(missing_ok=True)
        crash_points.reached(Point.LOG_RENAMED)
        self._open_anew()
        crash_points.reached(Point.LOG_OPENED)

    def _open_anew(self) -> None:
        fd, self._fd = self._fd, _open(self._path)
        os.close(fd)
        self._size = os.fstat(self._fd).st_size


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _aside(path: Path) -> Iterator[tuple[int, Path]]:
    """Return the logs that were put aside, each with its number."""
    for file in path.parent.glob(f"{path.name}.*"):
        number = file.name.removeprefix(f"{path.name}.")
        if number.isascii() and number.isdecimal() and number[0] != "0":
            yield int(number), file
