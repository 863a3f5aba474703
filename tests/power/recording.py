"""A run of the product that writes down each thing it does to its files, and what it said to the outside meanwhile.

A process of its own: the calls to the system are wrapped, in whatever copy of the product comes first on its path.
"""

from __future__ import annotations

import builtins
import io
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Op:
    """One thing that was done. `what`:

    `make` (a file or folder `path`, as inode `ino`), `empty` and `append` (the file `ino`, by `data`), `sync` (the file
    or folder `ino`), `rename` (`path` to `to`), `remove` (`path`), `commit` (the journal's files are `data` and `log`
    then, its settings `path`), `point` (a crash point: `path`), `dropped` and `told` (which task: `path`).
    """

    what: str
    path: str = ""
    to: str = ""
    ino: int = 0
    data: bytes = b""
    log: bytes = b""
    is_folder: bool = False
    thread: int = field(default_factory=threading.get_ident)


class Recorder:
    """Wraps the calls that change files below `home`; what happened is in `ops`, in its order."""

    def __init__(self, home: Path) -> None:
        self._home = str(home.resolve())
        self._lock = threading.RLock()
        self.ops: list[Op] = []

    def install(self) -> None:
        for name in ("rename", "replace"):
            self._wrap(os, name, self._renamed)
        for name in ("unlink", "remove", "rmdir"):
            self._wrap(os, name, self._removed)
        self._wrap(os, "mkdir", lambda _result, path, *_: self._made(path, is_folder=True))
        self._wrap(os, "write", lambda length, fd, data: self._written(fd, bytes(data[:length])))
        self._wrap(os, "fsync", lambda _result, fd: self._synced(fd))
        self._wrap(os, "symlink", self._linked)
        self._wrap(shutil, "copyfile", self._copied)
        os.open = self._opened(os.open)
        io.open = builtins.open = self._opened(io.open)
        # Removing by descriptors would hide the names from us.
        shutil._use_fd_functions = False  # type: ignore[attr-defined]
        sqlite3.connect = self._connected(sqlite3.connect)

    def note(self, what: str, path: str) -> None:
        """Write down what was seen from outside."""
        with self._lock:
            self.ops.append(Op(what, path))

    def _wrap(self, module: Any, name: str, record: Callable[..., None]) -> None:
        real = getattr(module, name)

        def wrapped(*args: Any, **keys: Any) -> Any:
            with self._lock:
                result = real(*args, **keys)
                record(result, *args)
                return result

        setattr(module, name, wrapped)

    def _opened(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(path: Any, *args: Any, **keys: Any) -> Any:
            if isinstance(path, int) or self._place(path) is None:
                return real(path, *args, **keys)
            with self._lock:
                was_there = os.path.lexists(path)
                opened = real(path, *args, **keys)
                if not was_there:
                    self._made(path)
                elif args and isinstance(args[0], int) and args[0] & os.O_TRUNC:
                    self.ops.append(Op("empty", ino=os.stat(path).st_ino))
                return opened

        return wrapped

    def _connected(self, real: Callable[..., Any]) -> Callable[..., Any]:
        recorder = self

        class Connection(sqlite3.Connection):
            def execute(self, query: str, *args: Any) -> Any:
                found = super().execute(query, *args)
                if query == "COMMIT" or query.startswith("PRAGMA journal_mode"):
                    recorder.committed(self)
                return found

        def wrapped(database: Any, **keys: Any) -> Any:
            return real(database, **keys) if keys.get("uri") else real(database, factory=Connection, **keys)

        return wrapped

    def committed(self, db: sqlite3.Connection) -> None:
        """Keep the journal as a commit has left it: that has waited for the disk."""
        asked = ("PRAGMA database_list", "PRAGMA journal_mode", "PRAGMA synchronous")
        (_, _, file), (mode,), (level,) = (sqlite3.Connection.execute(db, query).fetchone() for query in asked)
        if file:
            log = Path(f"{file}-wal")
            data, beside = Path(file).read_bytes(), log.read_bytes() if log.exists() else b""
            with self._lock:
                self.ops.append(Op("commit", f"{mode} {level}", data=data, log=beside))

    def _place(self, path: Any) -> str | None:
        """Return where the path lies below the home; None for what is elsewhere, or is the journal's own."""
        full = os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(path))), os.path.basename(path))
        if not full.startswith(self._home + os.sep) or "journal.db" in full:
            return None
        return os.path.relpath(full, self._home)

    def _made(self, path: Any, *, is_folder: bool = False) -> None:
        place = self._place(path)
        if place is not None:
            self.ops.append(Op("make", place, ino=os.lstat(path).st_ino, is_folder=is_folder))

    def _linked(self, _result: None, _target: Any, path: Any, *_: Any) -> None:
        self._made(path)

    def _copied(self, _result: Any, _source: Any, path: Any, *_: Any) -> None:
        self.ops.append(Op("append", ino=os.stat(path).st_ino, data=Path(path).read_bytes()))

    def _written(self, fd: int, data: bytes) -> None:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode):
            self.ops.append(Op("append", ino=status.st_ino, data=data))

    def _synced(self, fd: int) -> None:
        self.ops.append(Op("sync", ino=os.fstat(fd).st_ino))

    def _renamed(self, _result: None, path: Any, to: Any, *_: Any) -> None:
        source, target = self._place(path), self._place(to)
        if source is not None and target is not None:
            self.ops.append(Op("rename", source, target, os.lstat(to).st_ino))

    def _removed(self, _result: None, path: Any, *_: Any) -> None:
        place = self._place(path)
        if place is not None:
            self.ops.append(Op("remove", place))
