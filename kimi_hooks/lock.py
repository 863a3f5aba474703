"""One runner for each workspace, by a kernel lock that dies with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from kimi_hooks.errors import LockHeldError

# Whoever asks for the state holds the lock for some microseconds; a runner that starts just then tries again.
TRIES = 25
PAUSE_SECONDS = 0.02
TOLD_BYTES = 4096


@dataclass(frozen=True)
class Holder:
    """The process that holds the lock; `ready` once its watch and first listing are in place.

    `is_runner` is False for a verb that holds it for a moment, `is_stopping` True for a runner that starts nothing new.
    `lacks_key`: tasks for Kimi wait for an API key. `mark` stands for its key and address, `kimi` tells in words what
    it asks and where the key comes from. `polling`: why it looks every few seconds, empty when the kernel wakes it.
    `trouble`: what keeps it from its work just now, empty when nothing does. `unsaved`: how many answers that were paid
    for are in its memory only; if it is gone, they are lost.
    """

    pid: int
    is_runner: bool = True
    is_stopping: bool = False
    ready: bool = False
    lacks_key: bool = False
    mark: str = ""
    kimi: str = ""
    polling: str = ""
    trouble: str = ""
    unsaved: int = 0

    @property
    def is_at_work(self) -> bool:
        """Whether it is a runner whose startup is over."""
        return self.is_runner and (self.ready or self.is_stopping)


class Lock:
    """The lock of one workspace, held from `take` to `release` or the end of the process.

    The folder is what is locked; the file in it only tells who did, so removing it opens no door. `last` is what the
    file told of the one who held it before, once it is ours; None where it tells nothing.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._fd: int | None = None
        self.last: Holder | None = None

    def take(self, *, is_runner: bool = True) -> None:
        """Take the lock. Raises LockHeldError that names the holder."""
        fd = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for _ in range(TRIES):
            if _locked(fd, fcntl.LOCK_EX):
                self._fd = fd
                self.last = _told(self._file) if self._file.exists() else None
                self.say(Holder(os.getpid(), is_runner))
                return
            time.sleep(PAUSE_SECONDS)
        os.close(fd)
        refuse_if_held(self._file)
        raise LockHeldError(f"{self._file.parent}: cannot be locked; is it on a local disk?")

    def say(self, holder: Holder) -> None:
        """Write down what other processes shall know of us."""
        if self._fd is not None:
            # In place and of one size, so that no reader sees a part: what follows the object is blank.
            told = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(told, json.dumps(asdict(holder)).encode().ljust(TOLD_BYTES), 0)
            finally:
                os.close(told)

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def holder(file: Path) -> Holder | None:
    """Return who holds the lock, None when nobody does."""
    try:
        fd = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(fd, fcntl.LOCK_SH) else _told(file)
    finally:
        os.close(fd)


def last_said(file: Path) -> Holder:
    """Return what the last holder has said of itself, whether it is still there or not."""
    return _told(file)


def refuse_if_held(file: Path) -> None:
    """Raise LockHeldError that names the holder, if there is one."""
    other = holder(file)
    if other is not None:
        home = file.parent.parent
        raise LockHeldError(f"{home}: a runner works here already (process {other.pid}); kimi-hooks stop ends it")


def _locked(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _told(file: Path) -> Holder:
    try:
        return Holder(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return Holder(0)
