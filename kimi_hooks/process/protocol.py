"""What the runner and the launcher of its hooks say to each other: a command, and how it ended.

A connection begins with a greeting of the launcher's: the kernel drops one for which it has no descriptor left. A frame
is two lengths, a JSON object and plain bytes. On one connection a command is answered before the next one is sent.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kimi_hooks.errors import LaunchError

GREETING = b"+"
TERM_GRACE_SECONDS = 2.0
# What people look at; more of it stays in the folder of a run that failed.
TOLD_BYTES = 8192
_LENGTHS = struct.Struct("!II")
_READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Command:
    """What to run. `keep`: a folder for the outputs of a run that fails; `timeout`: seconds.

    `told`: how many bytes of the end of each output are told of, a MiB at most. `hidden` is what is masked in them.
    """

    argv: Sequence[str]
    keep: str
    stdin: bytes
    env: Mapping[str, str]
    cwd: str
    timeout: float
    told: int = TOLD_BYTES
    hidden: Sequence[str] = ()


@dataclass(frozen=True)
class Finished:
    """How a hook ended: `exit_code` is negative when a signal did it, None when there was none or nobody saw it.

    The outputs of a command are their ends, as much as was asked for. Of a post, `http_status` is what the receiver
    said, None when there was no answer, `stdout` the beginning of its body, and `retry_after` the seconds that it asked
    for. `is_final`: nothing was sent, and trying again cannot help.
    """

    exit_code: int | None
    timed_out: bool
    duration_ms: int
    stdout: str
    stderr: str
    http_status: int | None = None
    retry_after: float | None = None
    is_final: bool = False


def without_exit(reason: str) -> Finished:
    """Return the end of a command that could not be started, or whose exit nobody saw."""
    return Finished(None, timed_out=False, duration_ms=0, stdout="", stderr=reason)


def send_command(connection: socket.socket, command: Command) -> None:
    """Raises OSError when the other end is gone."""
    said = {"argv": command.argv, "keep": command.keep, "env": command.env, "cwd": command.cwd}
    _send(
        connection, {**said, "timeout": command.timeout, "told": command.told, "hidden": command.hidden}, command.stdin
    )


def receive_command(connection: socket.socket) -> Command | None:
    """Return the next command, None when the other end is gone."""
    frame = _receive(connection)
    return Command(**frame[0], stdin=frame[1]) if frame else None


def send_finished(connection: socket.socket, finished: Finished) -> None:
    """Raises OSError when the other end is gone."""
    _send(connection, asdict(finished))


def send_error(connection: socket.socket, error: OSError | LaunchError) -> None:
    """Tell why the command was not run. Raises OSError when the other end is gone."""
    number = error.errno if isinstance(error, OSError) else None
    _send(connection, {"errno": number, "error": error.strerror if isinstance(error, OSError) else str(error)})


def receive_reply(connection: socket.socket) -> Finished | LaunchError | OSError | None:
    """Return how the command ended, or why it was not run; None when the other end is gone."""
    frame = _receive(connection)
    if frame is None:
        return None
    said = frame[0]
    if "error" not in said:
        return Finished(**said)
    return LaunchError(said["error"]) if said["errno"] is None else OSError(said["errno"], said["error"])


def _send(connection: socket.socket, said: Mapping[str, Any], data: bytes = b"") -> None:
    head = json.dumps(said).encode()
    connection.sendall(_LENGTHS.pack(len(head), len(data)) + head + data)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    """Return the next frame, None when the other end is gone, also in the middle of one."""
    frame = bytearray()
    if not _fill(connection, frame, _LENGTHS.size):
        return None
    head, data = _LENGTHS.unpack_from(frame)
    if not _fill(connection, frame, _LENGTHS.size + head + data):
        return None
    del frame[: _LENGTHS.size]
    return json.loads(frame[:head]), bytes(frame[head:])


def _fill(connection: socket.socket, frame: bytearray, length: int) -> bool:
    while len(frame) < length:
        try:
            came = connection.recv(max(_READ_BYTES, length - len(frame)))
        except ConnectionError:
            return False
        if not came:
            return False
        frame += came
    return True
