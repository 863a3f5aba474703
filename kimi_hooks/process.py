"""Run a command so that its end is seen at once and its time-out is real.

Pipes and `communicate()` report a command that has exited as timed out while a grandchild holds its output open, and a
plain kill leaves the grandchildren running. So: files without a name for the three streams, waiting on the pid alone,
and TERM then KILL to the whole process group.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kimi_hooks.errors import LaunchError

TERM_GRACE_SECONDS = 2.0
TAIL_BYTES = 8192
KEPT_BYTES = 1024 * 1024
LONGEST_POLL_MS = 2**31 - 1


@dataclass(frozen=True)
class Finished:
    """How a command ended: `exit_code` is negative when a signal did it, None when the command never started.

    The outputs are their last 8 KiB.
    """

    exit_code: int | None
    timed_out: bool
    duration_ms: int
    stdout: str
    stderr: str


def never_started(reason: str) -> Finished:
    """Return the end of a command that could not be started."""
    return Finished(None, timed_out=False, duration_ms=0, stdout="", stderr=reason)


class Processes:
    """Runs commands, each in a process group of its own, and can end all that are running."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()

    def run(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        keep: Path,
        stdin: bytes,
        env: Mapping[str, str],
        cwd: Path,
        timeout: float,
    ) -> Finished:
        """Run the command to its end, at most `timeout` seconds; its streams are files without a name in `folder`.

        The last MiB of each output of a command that fails is put into the folder `keep`. Raises LaunchError when it
        cannot be started.
        """
        with _holding(stdin, folder) as given, _nameless(folder) as stdout, _nameless(folder) as stderr:
            started = time.monotonic()
            child = self._start(argv, (given, stdout, stderr), env, cwd)
            exit_code, timed_out = self._wait(child, timeout)
            took = int((time.monotonic() - started) * 1000)
            if exit_code != 0:
                _keep(keep, {"stdout": stdout, "stderr": stderr})
            return Finished(exit_code, timed_out, took, _told(stdout), _told(stderr))

    def kill_all(self) -> None:
        """End every running command and its children now."""
        with self._lock:
            for group in self._running:
                _signal_group(group, signal.SIGKILL)

    def _wait(self, child: subprocess.Popen[bytes], timeout: float) -> tuple[int, bool]:
        """Return the exit code, and whether the time-out ended the command."""
        try:
            timed_out = not _exits_within(child, timeout)
            if timed_out:
                _end_group(child)
            return child.wait(), timed_out
        finally:
            with self._lock:
                self._running.discard(child.pid)

    def _start(
        self, argv: Sequence[str], streams: tuple[int, int, int], env: Mapping[str, str], cwd: Path
    ) -> subprocess.Popen[bytes]:
        stdin, stdout, stderr = streams
        with self._lock:
            try:
                child = subprocess.Popen(
                    argv, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd, start_new_session=True
                )
            except (OSError, ValueError) as error:
                raise LaunchError(f"{argv[0]}: cannot be started: {error}") from error
            self._running.add(child.pid)
            return child


@contextlib.contextmanager
def _nameless(folder: Path) -> Iterator[int]:
    """Open a file that nobody else can open and that is gone when it is closed. Raises OSError."""
    fd = _open_nameless(folder)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _holding(data: bytes, folder: Path) -> Iterator[int]:
    """Open a nameless file with the data in it, in memory where that can be had. Raises OSError."""
    fd = os.memfd_create("stdin") if hasattr(os, "memfd_create") else _open_nameless(folder)
    try:
        _write_all(fd, data)
        yield fd
    finally:
        os.close(fd)


def _open_nameless(folder: Path) -> int:
    if hasattr(os, "O_TMPFILE"):
        # Not every file system can; what else is wrong with the folder is said below.
        with contextlib.suppress(OSError):
            return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fd, path = tempfile.mkstemp(dir=folder)
    os.unlink(path)  # noqa: PTH108 - a name that was never a Path
    return fd


def _write_all(fd: int, data: bytes) -> None:
    """Write the data and go back to the beginning, where a reader starts."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.lseek(fd, 0, os.SEEK_SET)


def _exits_within(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the exit without reaping, so that the pid, and with it the group's id, cannot be given away."""
    if not hasattr(os, "pidfd_open"):
        return _exits_within_portably(child, seconds)
    fd = os.pidfd_open(child.pid)
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        return bool(poller.poll(min(seconds * 1000, LONGEST_POLL_MS)))
    finally:
        os.close(fd)


def _exits_within_portably(child: subprocess.Popen[bytes], seconds: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
        return True
    return False


def _end_group(child: subprocess.Popen[bytes]) -> None:
    _signal_group(child.pid, signal.SIGTERM)
    _exits_within(child, TERM_GRACE_SECONDS)
    # The leader may have gone and left children that ignore TERM.
    _signal_group(child.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _told(fd: int) -> str:
    return _tail(fd, TAIL_BYTES).decode("utf-8", "replace")


def _tail(fd: int, length: int) -> bytes:
    size = os.fstat(fd).st_size
    return os.pread(fd, length, max(0, size - length)) if size else b""


def _keep(folder: Path, outputs: Mapping[str, int]) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, fd in outputs.items():
        (folder / name).write_bytes(_tail(fd, KEPT_BYTES))
