"""The process that runs the commands: one loop that waits for commands, for what they print and for their ends.

It is a process of its own for the sake of its interpreter lock: the threads of the runner would wait for theirs at
every step of a command. It lives as long as the runner does; when that is gone, however it went, what still runs here
is ended, before it can run beside its own repetition for long.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from kimi_hooks.errors import LaunchError
from kimi_hooks.process import protocol
from kimi_hooks.process.child import Child
from kimi_hooks.process.outputs import Output
from kimi_hooks.process.protocol import GREETING, TERM_GRACE_SECONDS

# epoll takes 2**31 ms at most, some 24 days.
LONGEST_WAIT_SECONDS = 24 * 3600.0
# Those end the runner, which ends us. Not ignored: commands would inherit that.
HEEDED_BY_THE_RUNNER = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


@dataclass
class _Run:
    """A child, whom to tell of its end, and when it has had its time; TERM is sent then, KILL after that."""

    child: Child
    connection: socket.socket
    overdue_at: float
    timed_out: bool = False


class Launcher:
    """Runs what comes over the connections that come over `control`."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._runs: dict[int, _Run] = {}
        self._may_have_ended = False
        self._is_leaving = False

    def serve(self) -> None:
        """Work until the other end of `control` is closed and nothing runs any more."""
        self._on_ready(self._control, self._accept)
        signals = _wakened_by_signals()
        self._on_ready(signals, partial(self._note_ends, signals))
        while not self._is_leaving or self._runs:
            for key, _ in self._selector.select(self._seconds_left()):
                key.data()
            # After all that was ready: a descriptor that is closed here may be one of them.
            self._see_to_ends()
            if self._is_leaving and self._control.fileno() >= 0:
                self._leave()
            self._see_to_overdue()

    def _on_ready(self, source: socket.socket | int, act: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, act)

    def _accept(self) -> None:
        said, fds, _, _ = socket.recv_fds(self._control, 1, 1)
        for fd in fds:
            connection = _own(fd)
            self._on_ready(connection, partial(self._take, connection))
            with _whoever_listens():
                connection.send(GREETING)
        self._is_leaving = not said

    def _take(self, connection: socket.socket) -> None:
        command = protocol.receive_command(connection)
        if command is None:
            self._drop(connection)
            return
        try:
            self._start(command, connection)
        except (OSError, LaunchError) as error:
            with _whoever_listens():
                protocol.send_error(connection, error)

    def _drop(self, connection: socket.socket) -> None:
        """Forget a connection whose other end is gone: nobody waits any more for what runs for it."""
        for run in self._runs.values():
            if run.connection is connection:
                run.overdue_at = 0.0
        self._selector.unregister(connection)
        connection.close()

    def _start(self, command: protocol.Command, connection: socket.socket) -> None:
        child = Child(command)
        self._runs[child.pid] = _Run(child, connection, time.monotonic() + command.timeout)
        for stream in child.outputs:
            self._on_ready(stream.read_end, partial(self._read, stream))

    def _read(self, stream: Output) -> None:
        if not stream.read():
            self._selector.unregister(stream.read_end)

    def _note_ends(self, signals: int) -> None:
        os.read(signals, 4096)
        self._may_have_ended = True

    def _see_to_ends(self) -> None:
        if not self._may_have_ended:
            return
        self._may_have_ended = False
        for pid in _ended(self._runs):
            self._finish(self._runs.pop(pid))

    def _finish(self, run: _Run) -> None:
        if run.timed_out:
            # The leader may have left children that ignore TERM.
            run.child.end_children()
        for stream in run.child.outputs:
            if stream.read_end in self._selector.get_map():
                self._selector.unregister(stream.read_end)
        finished = run.child.finish(timed_out=run.timed_out)
        with _whoever_listens():
            protocol.send_finished(run.connection, finished)

    def _see_to_overdue(self) -> None:
        now = time.monotonic()
        for run in self._runs.values():
            if run.overdue_at <= now:
                run.child.signal(signal.SIGKILL if run.timed_out else signal.SIGTERM)
                run.timed_out, run.overdue_at = True, now + TERM_GRACE_SECONDS

    def _seconds_left(self) -> float | None:
        if not self._runs:
            return None
        left = min(run.overdue_at for run in self._runs.values()) - time.monotonic()
        return min(max(0.0, left), LONGEST_WAIT_SECONDS)

    def _leave(self) -> None:
        """End what runs and tell nobody: how it ends is our doing, and none of its own."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                self._drop(key.fileobj)
        for run in self._runs.values():
            run.overdue_at = 0.0


def _whoever_listens() -> contextlib.suppress:
    """Send to a runner that may have gone: then `control` says so, and nothing is owed to it any more."""
    return contextlib.suppress(OSError)


def _ended(runs: Mapping[int, _Run]) -> Iterator[int]:
    """Yield those whose process has ended, not yet reaped: so long its id, and with it the group's, is its own."""
    if not hasattr(os, "waitid"):
        yield from [pid for pid, run in runs.items() if run.child.has_ended()]
        return
    while runs and (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
        yield found.si_pid


def _wakened_by_signals() -> int:
    """Return what can be read when a signal has come, that of a child's end above all."""
    # Whoever started the runner may have blocked them, for itself and for all that come after it.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    for number in (signal.SIGCHLD, *HEEDED_BY_THE_RUNNER):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    return read_end


def _own(fd: int) -> socket.socket:
    """Return the socket, which no command shall inherit."""
    os.set_inheritable(fd, False)
    return socket.socket(fileno=fd)


def main(control: str) -> None:
    """Serve the runner at the other end of this descriptor until it is gone."""
    Launcher(_own(int(control))).serve()
