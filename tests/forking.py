"""The product in processes that may be killed anywhere: forked from one that has imported it, so each costs little.

A process that dies is the only honest crash: no `finally` runs in it, and no other thread of it writes a byte more. The
server that forks has one thread, so nothing that a child needs can be locked at that instant.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Imported before the fork, what a verb would import when it is called as well, and not once in each child.
import kimi_hooks.commands.ack
import kimi_hooks.commands.pause
import kimi_hooks.hooks.http
import kimi_hooks.kimi.sessions  # noqa: F401
from kimi_hooks import crash_points, logs
from kimi_hooks.app import assemble
from kimi_hooks.cli import group
from kimi_hooks.clock import Clock
from kimi_hooks.commands import Home
from kimi_hooks.runner import Runner
from kimi_hooks.workspace import Workspace

DIED = 77
PATIENCE = 60
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Order:
    """What a child does: `words` are a verb and its arguments, or `drain`, or `stop` for a runner that leaves at once.

    It dies when it comes to a crash point, by its name, for so many times; `die_at` None: it lives. Its clock is `ahead`
    of ours, in seconds.
    """

    home: str
    words: tuple[str, ...]
    die_at: tuple[str, int] | None = None
    ahead: float = 0.0
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code (negative: a signal), and what went wrong."""

    code: int
    told: str

    @property
    def has_died(self) -> bool:
        return self.code == DIED


class Forks:
    """The server; a context manager. The product that it runs is the one on `path`, or the one under test."""

    def __init__(self, path: Path = _ROOT) -> None:
        self._path = path
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        environ = {**os.environ, "PYTHONPATH": f"{self._path}{os.pathsep}{_ROOT}"}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            cwd=self._path,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.communicate()

    def run(self, order: Order) -> Ended:
        """Have a child do it, and wait for its end."""
        assert self._server is not None
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        assert line, "the server of the children is gone"
        return Ended(**json.loads(line))


def serve() -> None:
    """Fork a child for each line of standard input, and tell on standard output how it ended."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        ended = _fork(json.loads(line))
        answers.write(f"{json.dumps(asdict(ended))}\n")
        answers.flush()


def _fork(order: dict[str, Any]) -> Ended:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _do(order, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return Ended(os.waitstatus_to_exitcode(status), told.decode())


def _do(order: dict[str, Any], told: int) -> None:
    """Do what is ordered and leave; what goes wrong is told in the pipe."""
    code = 3
    try:
        # What hangs must not hang us.
        signal.alarm(PATIENCE)
        os.environ.update(order["environ"])
        _listen(order["die_at"])
        code = _run(order)
    except BaseException as error:
        # Errors that are expected know their exit code and have a text for people; of others all is told.
        code = getattr(error, "exit_code", code)
        os.write(told, (str(error) if code == 1 else traceback.format_exc()).encode())
    os._exit(code)


def _listen(die_at: tuple[str, int] | None) -> None:
    if die_at is None:
        return
    name, left = die_at
    lock = threading.Lock()

    def heard(point: str) -> None:
        nonlocal left
        with lock:
            left -= point == name
            if left <= 0:
                os._exit(DIED)

    crash_points.listen(heard)


def _run(order: dict[str, Any]) -> int:

    words: Sequence[str] = order["words"]
    clock = Clock(now=lambda: time.time() + order["ahead"], boot_id=str)
    if words[0] in {"drain", "stop"}:
        _work(Workspace(Path(order["home"])), clock, drain=words[0] == "drain")
        return 0
    return _verb(order["home"], words)


def _work(workspace: Workspace, clock: Clock, *, drain: bool) -> None:

    parts = assemble(workspace, os.environ, clock)
    logs.set_up(workspace.log_file, console=False, secrets=lambda: parts.settings.current.secrets)
    runner = Runner(parts)
    if not drain:
        runner.stop()
    runner.run(drain=drain)


def _verb(home: str, words: Sequence[str]) -> int:
    try:
        with contextlib.redirect_stdout(open(os.devnull, "w")):
            code = group.main(["--home", home, *words], standalone_mode=False, obj=Home())
    except SystemExit as left:
        code = left.code
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    serve()
