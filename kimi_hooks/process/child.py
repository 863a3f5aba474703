"""One command that runs: how it is started, signalled and seen to its end.

A pipe's end is no sign of the command's: a grandchild may hold it open. So the end of the process is what counts, and
signals go to its whole group.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kimi_hooks.errors import LaunchError
from kimi_hooks.process import outputs
from kimi_hooks.process.outputs import KEPT_BYTES, Output
from kimi_hooks.process.protocol import Command, Finished

# What this process or the machine lacks just now: no fault of the command.
OUR_OWN_WANT = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})


class Child:
    """A started command in a process group of its own; `pid` is given away to nobody else before `finish`."""

    def __init__(self, command: Command) -> None:
        """Start it. Raises LaunchError when it cannot be, and OSError when that is for want of something of ours."""
        self._keep = Path(command.keep)
        self._told = command.told
        self._hidden = [os.fsencode(secret) for secret in command.hidden]
        with contextlib.ExitStack() as opened:
            self._stdout = opened.enter_context(outputs.opened())
            self._stderr = opened.enter_context(outputs.opened())
            with _holding(command.stdin, self._keep.parent) as given:
                self._started = time.monotonic()
                self._process = _start(command, given, self._stdout, self._stderr)
            self._opened = opened.pop_all()
        for stream in self.outputs:
            stream.hand_over()
        self.pid = self._process.pid

    @property
    def outputs(self) -> tuple[Output, Output]:
        """Its stdout and stderr, to be read all the time."""
        return self._stdout, self._stderr

    def has_ended(self) -> bool:
        """Look for the end without waiting."""
        return self._process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def end_children(self) -> None:
        """Kill what it has left, those in groups of their own too: a shell with job control gives each child one."""
        self.signal(signal.SIGKILL)
        for pid in _session(self.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def finish(self, *, timed_out: bool) -> Finished:
        """Collect what it left when it has ended; let go of it."""
        with self._opened:
            exit_code = self._process.wait()
            took = int((time.monotonic() - self._started) * 1000)
            for stream in self.outputs:
                stream.read_rest()
                stream.mask(self._hidden)
            if exit_code != 0 or timed_out:
                self._keep_outputs()
            return Finished(exit_code, timed_out, took, self._stdout.told(self._told), self._stderr.told(self._told))

    def _keep_outputs(self) -> None:
        # A full disk must not change what became of the command.
        with contextlib.suppress(OSError):
            self._keep.mkdir(mode=0o700, exist_ok=True)
            (self._keep / "stdout").write_bytes(self._stdout.kept[-KEPT_BYTES:])
            (self._keep / "stderr").write_bytes(self._stderr.kept[-KEPT_BYTES:])


def _start(command: Command, stdin: int, stdout: Output, stderr: Output) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command.argv,
            stdin=stdin,
            stdout=stdout.write_end,
            stderr=stderr.write_end,
            env=command.env,
            cwd=command.cwd,
            start_new_session=True,
            # None of ours is inheritable, and to look for others takes longer than to start.
            close_fds=False,
        )
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in OUR_OWN_WANT:
            raise
        raise LaunchError(_why_not(command, error)) from error


def _why_not(command: Command, error: OSError | ValueError) -> str:
    """Tell why it cannot be started; where the folder hinders it, the error of `Popen` names that."""
    if isinstance(error, OSError) and error.filename == command.cwd:
        is_gone = error.errno == errno.ENOENT
        why = "there is no such folder to start in" if is_gone else f"nothing can start in it: {error.strerror}"
        return f"{command.cwd}: {why}; make it or mend `cwd`"
    return f"{command.argv[0]}: cannot be started: {error}"


def _session(leader: int) -> Iterator[int]:
    """Yield the processes of a session, where the system lists them as Linux does.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # What stands before the last bracket is the program's name, which may hold anything.
            _, _, _, session, *_ = file.read_bytes().rpartition(b")")[2].split()
            if int(session) == leader:
                yield int(file.parent.name)


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
