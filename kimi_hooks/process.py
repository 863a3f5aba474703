"""Run a command so that its end is seen at once and its time-out is real.

Pipes and `communicate()` report a command that has exited as timed out while a grandchild holds its output open, and a
plain kill leaves the grandchildren running. So: temporary files for the three streams, waiting on the pid alone, and
TERM then KILL to the whole process group.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kimi_hooks.errors import LaunchError

TERM_GRACE_SECONDS = 2.0
TAIL_BYTES = 8192
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
        stdin: bytes,
        env: Mapping[str, str],
        cwd: Path,
        timeout: float,
    ) -> Finished:
        """Run the command to its end, at most `timeout` seconds; its streams are files in `folder`.

        Raises LaunchError when it cannot be started.
        """
        (folder / "stdin").write_bytes(stdin)
        started = time.monotonic()
        child = self._start(argv, folder, env, cwd)
        try:
            timed_out = not _exits_within(child, timeout)
            if timed_out:
                _end_group(child)
            exit_code = child.wait()
        finally:
            with self._lock:
                self._running.discard(child.pid)
        took = int((time.monotonic() - started) * 1000)
        return Finished(exit_code, timed_out, took, _tail(folder / "stdout"), _tail(folder / "stderr"))

    def kill_all(self) -> None:
        """End every running command and its children now."""
        with self._lock:
            for group in self._running:
                _signal_group(group, signal.SIGKILL)

    def _start(self, argv: Sequence[str], folder: Path, env: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
        with (
            (folder / "stdin").open("rb") as stdin,
            (folder / "stdout").open("wb") as stdout,
            (folder / "stderr").open("wb") as stderr,
            self._lock,
        ):
            try:
                child = subprocess.Popen(
                    argv, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd, start_new_session=True
                )
            except (OSError, ValueError) as error:
                raise LaunchError(f"{argv[0]}: cannot be started: {error}") from error
            self._running.add(child.pid)
            return child


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


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        return file.read().decode("utf-8", "replace")
