"""Run a command so that its end is seen at once and its time-out is real; the launcher does the work."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import kimi_hooks
from kimi_hooks.errors import StoppingError
from kimi_hooks.logs import LOGGER
from kimi_hooks.process import protocol
from kimi_hooks.process.protocol import GREETING, TERM_GRACE_SECONDS, TOLD_BYTES, Command, Finished, without_exit

GONE = "the process that runs hooks was gone before it could tell how this one ended"
ENDED = "ended by us: its task was cancelled meanwhile"
# What the interpreter needs to load, and how it writes the names of files. No secret is among them.
_PASSED_ON = ("LD_", "DYLD_", "LC_")
_BEGIN = "import sys; sys.path.append(sys.argv[1]); from kimi_hooks.process import launcher; launcher.main(sys.argv[2])"
_PACKAGE_LIES_IN = str(Path(kimi_hooks.__file__).absolute().parent.parent)
_LONGEST_LEAVE = TERM_GRACE_SECONDS + 1


@dataclass(frozen=True)
class _Launcher:
    """The process, the way to give it a new connection, and those connections that are not in use."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    idle: list[socket.socket] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def connection(self) -> socket.socket:
        """Return one that is not in use. Raises ConnectionError when the launcher is gone, and OSError."""
        with contextlib.suppress(IndexError):
            return self.idle.pop()
        with contextlib.ExitStack() as opened:
            ours, its = map(opened.enter_context, socket.socketpair())
            with self.lock:
                self._check()
                socket.send_fds(self.control, [GREETING], [its.fileno()])
            its.close()
            if ours.recv(1) != GREETING:
                with self.lock:
                    self._check()
                raise OSError(errno.EMFILE, "the process that runs hooks has too many open files")
            opened.pop_all()
        return ours

    def close(self) -> None:
        """Let it end what runs; return when it is gone, or does not answer at all."""
        with self.lock:
            self.control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_LONGEST_LEAVE)
        while self.idle:
            self.idle.pop().close()

    def _check(self) -> None:
        """Raises ConnectionError when the other end of `control` is closed, or ours."""
        try:
            if self.control.fileno() >= 0 and self.control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                return
        except BlockingIOError:
            return
        raise ConnectionResetError("the process that runs hooks is gone")


class Processes:
    """Runs commands, each in a process group of its own, and can end those of one owner, or all that are running."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = threading.local()
        self._running: dict[socket.socket, str] = {}
        self._launcher: _Launcher | None = None
        self._is_closed = False

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
        told: int = TOLD_BYTES,
    ) -> Finished:
        """Run the command to its end, at most `timeout` seconds.

        The last MiB of each output of a command that fails is put into the folder `keep`. Raises LaunchError when it
        cannot be started, StoppingError when `close` has cut it, and OSError when we lack something.
        """
        command = Command(argv, str(keep), stdin, env, str(cwd), timeout, told)
        try:
            return self._run(command)
        except ConnectionError:
            # Whatever ended the launcher did so before it had heard of the command.
            return self._run(command)

    @contextlib.contextmanager
    def owned_by(self, owner: str) -> Iterator[None]:
        """Let what this thread runs in the block be ended by `end`."""
        self._owner.name = owner
        try:
            yield
        finally:
            del self._owner.name

    def end(self, owner: str) -> None:
        """End what runs for this owner, and its children: TERM, and KILL after a grace. `run` returns at once."""
        with self._lock:
            for connection in [each for each, whose in self._running.items() if whose == owner]:
                del self._running[connection]
                # That is what tells the launcher.
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End every running command and its children for good: TERM, and KILL after a grace."""
        with self._lock:
            self._is_closed = True
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
                reply, was_ended = self._answer(connection, command)
                if reply is not None and not was_ended:
                    launcher.idle.append(connection)
                    opened.pop_all()
        except ConnectionError:
            self._forget(launcher)
            raise
        if was_ended:
            return without_exit(ENDED)
        if reply is None:
            return self._unanswered(launcher)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _answer(self, connection: socket.socket, command: Command) -> tuple[Finished | Exception | None, bool]:
        """Return how the command went, and whether somebody has ended it. Raises ConnectionError as `_run`."""
        owner = getattr(self._owner, "name", None)
        if owner is None:
            protocol.send_command(connection, command)
            return protocol.receive_reply(connection), False
        with self._lock:
            self._running[connection] = owner
        try:
            protocol.send_command(connection, command)
            reply = protocol.receive_reply(connection)
        except ConnectionError:
            if not self._has_been_ended(connection):
                raise
            return None, True
        return reply, self._has_been_ended(connection)

    def _has_been_ended(self, connection: socket.socket) -> bool:
        with self._lock:
            return self._running.pop(connection, None) is None

    def _unanswered(self, launcher: _Launcher) -> Finished:
        self._check()
        LOGGER.error("the process that runs hooks was ended by somebody else; there will be another one")
        self._forget(launcher)
        return without_exit(GONE)

    def _check(self) -> None:
        if self._is_closed:
            raise StoppingError("the runner is stopping; the hook runs again at its next start")

    def _living_launcher(self) -> _Launcher:
        with self._lock:
            self._check()
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
        # Isolated: neither the environment nor a file in some folder decides what it imports.
        python = [sys.executable, "-I", "-S", "-X", f"utf8={sys.flags.utf8_mode}", "-c", _BEGIN]
        process = subprocess.Popen(
            [*python, _PACKAGE_LIES_IN, str(its.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
            env={name: value for name, value in os.environ.items() if name == "LANG" or name.startswith(_PASSED_ON)},
            cwd="/",
            start_new_session=True,
        )
        its.close()
        opened.pop_all()
    return _Launcher(process, ours)
