"""Run a command so that its end is seen at once and its time-out is real; the launcher does the work."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kimi_hooks.process import protocol
from kimi_hooks.process.protocol import GREETING, Command, Finished, never_started

# What Python itself needs, and how names of files are written. No secret is among them.
_PASSED_ON = ("PYTHON", "LD_", "DYLD_", "LANG", "LC_", "PATH", "TMPDIR")
GONE = "the process that runs hooks was gone before it could tell how this one ended"


@dataclass(frozen=True)
class _Launcher:
    """The process, the way to give it a new connection, and those connections that are not in use."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    idle: list[socket.socket] = field(default_factory=list)

    def connection(self) -> socket.socket:
        """Return one that is not in use. Raises OSError."""
        with contextlib.suppress(IndexError):
            return self.idle.pop()
        with contextlib.ExitStack() as opened:
            ours, its = map(opened.enter_context, socket.socketpair())
            socket.send_fds(self.control, [GREETING], [its.fileno()])
            its.close()
            if ours.recv(1) != GREETING:
                if self.process.poll() is not None:
                    raise ConnectionResetError("the process that runs hooks is gone")
                raise OSError(errno.EMFILE, "the process that runs hooks has too many open files")
            opened.pop_all()
        return ours

    def close(self) -> None:
        """Let it end what runs; return when it is gone."""
        self.control.close()
        self.process.wait()
        while self.idle:
            self.idle.pop().close()


class Processes:
    """Runs commands, each in a process group of its own, and can end all that are running."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._launcher: _Launcher | None = None

    def warm_up(self) -> None:
        """Start the launcher before it is needed. Raises OSError."""
        self._living_launcher()

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
        command = Command(argv, str(keep), stdin, env, str(cwd), timeout)
        try:
            return self._run(command)
        except ConnectionError:
            # Whatever ended the launcher did so before it had heard of the command.
            return self._run(command)

    def close(self) -> None:
        """End every running command and its children: TERM, and KILL after a grace."""
        with self._lock:
            launcher, self._launcher = self._launcher, None
        if launcher:
            launcher.close()

    def _run(self, command: Command) -> Finished:
        """Raises ConnectionError when the launcher was not there, else as `run`."""
        launcher = self._living_launcher()
        try:
            connection = launcher.connection()
            with contextlib.ExitStack() as opened:
                opened.enter_context(connection)
                protocol.send_command(connection, command)
                reply = protocol.receive_reply(connection)
                if reply is not None:
                    launcher.idle.append(connection)
                    opened.pop_all()
        except ConnectionError:
            self._forget(launcher)
            raise
        if reply is None:
            self._forget(launcher)
            return never_started(GONE)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _living_launcher(self) -> _Launcher:
        with self._lock:
            if self._launcher is None:
                self._launcher = _start()
            return self._launcher

    def _forget(self, launcher: _Launcher) -> None:
        with self._lock:
            if self._launcher is launcher:
                self._launcher = None
        launcher.close()


def _start() -> _Launcher:
    with contextlib.ExitStack() as opened:
        ours, its = map(opened.enter_context, socket.socketpair())
        process = subprocess.Popen(
            [sys.executable, "-m", "kimi_hooks.process.launcher", str(its.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
            env={name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)},
            # Not the workspace: Python looks for modules where it starts.
            cwd="/",
            start_new_session=True,
        )
        its.close()
        opened.pop_all()
    return _Launcher(process, ours)
