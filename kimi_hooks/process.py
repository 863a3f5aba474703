"""Run a command so that its end is seen at once and its time-out is real.

`communicate()` reports a command that has exited as timed out while a grandchild holds its output open, and a plain
kill leaves the grandchildren running. So: the end of the process is what is waited for, not that of its pipes, and TERM
then KILL go to the whole process group.
"""

from __future__ import annotations

import contextlib
import errno
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

from kimi_hooks import outputs
from kimi_hooks.errors import LaunchError
from kimi_hooks.outputs import KEPT_BYTES, Outputs

Child = subprocess.Popen[bytes]

TERM_GRACE_SECONDS = 2.0
# What this process or the machine lacks just now: no fault of the command.
OUR_OWN_WANT = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})
LONGEST_POLL_MS = 2**31 - 1
# Most hooks print less than a pipe holds and end sooner than this: they wake us once.
QUICK_SECONDS = 0.1
PORTABLE_POLL_SECONDS = 0.05


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
        keep: Path,
        stdin: bytes,
        env: Mapping[str, str],
        cwd: Path,
        timeout: float,
    ) -> Finished:
        """Run the command to its end, at most `timeout` seconds.

        The last MiB of each output of a command that fails is put into the folder `keep`. Raises LaunchError when it
        cannot be started, and OSError when that is for want of something on our side.
        """
        with outputs.opened() as said:
            with _holding(stdin, keep.parent) as given:
                started = time.monotonic()
                child = self._start(argv, given, said, env, cwd)
            exit_code, timed_out = self._wait(child, said, timeout)
            took = int((time.monotonic() - started) * 1000)
            said.take_rest()
            if exit_code != 0 or timed_out:
                _keep(keep, said)
            return Finished(exit_code, timed_out, took, said.stdout.told(), said.stderr.told())

    def kill_all(self) -> None:
        """End every running command and its children now."""
        with self._lock:
            for group in self._running:
                _signal_group(group, signal.SIGKILL)

    def _wait(self, child: Child, said: Outputs, timeout: float) -> tuple[int, bool]:
        """Return the exit code, and whether the time-out ended the command."""
        try:
            timed_out = not _exits_within(child, said, timeout)
            if timed_out:
                _end_group(child, said)
            return child.wait(), timed_out
        except BaseException:
            # Nobody would ever end or reap it.
            _signal_group(child.pid, signal.SIGKILL)
            child.wait()
            raise
        finally:
            with self._lock:
                self._running.discard(child.pid)

    def _start(self, argv: Sequence[str], stdin: int, said: Outputs, env: Mapping[str, str], cwd: Path) -> Child:
        stdout, stderr = said.stdout.write_end, said.stderr.write_end
        with self._lock:
            try:
                child = subprocess.Popen(
                    argv, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd, start_new_session=True
                )
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno in OUR_OWN_WANT:
                    raise
                raise LaunchError(f"{argv[0]}: cannot be started: {error}") from error
            self._running.add(child.pid)
        said.hand_over()
        return child


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
    fd, path = tempfile.mkstemp(dir=folder)
    os.unlink(path)  # noqa: PTH108 - a name that was never a Path
    return fd


def _write_all(fd: int, data: bytes) -> None:
    """Write the data and go back to the beginning, where a reader starts."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.lseek(fd, 0, os.SEEK_SET)


def _exits_within(child: Child, said: Outputs, seconds: float) -> bool:
    """Wait for the exit without reaping, so that the pid, and with it the group's id, cannot be given away.

    What the command prints is read meanwhile.
    """
    if not hasattr(os, "pidfd_open"):
        return _exits_within_portably(child, said, seconds)
    end = time.monotonic() + seconds
    pidfd = os.pidfd_open(child.pid)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        if poller.poll(min(seconds, QUICK_SECONDS) * 1000):
            return True
        said.register(poller)
        while (left := end - time.monotonic()) > 0:
            ready = {fd for fd, _ in poller.poll(min(left * 1000, LONGEST_POLL_MS))}
            said.take(poller, ready)
            if pidfd in ready:
                return True
        return False
    finally:
        os.close(pidfd)


def _exits_within_portably(child: Child, said: Outputs, seconds: float) -> bool:
    end = time.monotonic() + seconds
    poller = select.poll()
    said.register(poller)
    while (left := end - time.monotonic()) > 0:
        said.take(poller, {fd for fd, _ in poller.poll(min(left, PORTABLE_POLL_SECONDS) * 1000)})
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0)
            return True
    return False


def _end_group(child: Child, said: Outputs) -> None:
    _signal_group(child.pid, signal.SIGTERM)
    _exits_within(child, said, TERM_GRACE_SECONDS)
    # The leader may have gone and left children that ignore TERM.
    _signal_group(child.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _keep(folder: Path, said: Outputs) -> None:
    # A full disk must not change what became of the command.
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "stdout").write_bytes(said.stdout.kept[-KEPT_BYTES:])
        (folder / "stderr").write_bytes(said.stderr.kept[-KEPT_BYTES:])
