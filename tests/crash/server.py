"""Runs the real program in children that die at a named point: started once, so that each child costs a fork.

A line of JSON comes in for each child and one goes out when it has ended. The first argument is the folder that
`kimi_hooks` is imported from. No thread is ever started here: a fork would not take it along.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

LONGEST_SECONDS = 60
DEAD = 77


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_in_child(json.loads(line))) + "\n")
        sys.stdout.flush()


def _in_child(order: Mapping[str, Any]) -> dict[str, Any]:
    heard, tells = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        _run(order, tells)
    os.close(tells)
    with os.fdopen(heard) as pipe:
        reached = pipe.read().split()
    return {"code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "reached": reached}


def _run(order: Mapping[str, Any], tells: int) -> NoReturn:
    """Be the program, with its own arguments and environment; what it says goes to `said` in the workspace."""
    # Whatever hangs ends, and is told.
    signal.alarm(LONGEST_SECONDS)
    said = os.open(Path(order["home"]) / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for fd, end in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(fd, end)
    os.environ.clear()
    os.environ.update(order["environ"])
    sys.argv = ["kimi-hooks", "--home", order["home"], *order["arguments"]]
    _listen(order, tells)
    code = 3
    try:
        _cli.main()
    except SystemExit as ending:
        code = int(ending.code or 0)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _listen(order: Mapping[str, Any], tells: int) -> None:
    """Tell each point, and die at the nth that was ordered; nobody passes another one meanwhile."""
    lock, left = threading.Lock(), [order["nth"]]

    def heard(point: str) -> None:
        with lock:
            os.write(tells, f"{point}\n".encode())
            if order["point"] in (None, point):
                left[0] -= 1
            if left[0] == 0:
                _die(by_signal=order["by_signal"])

    _crash_points.listen(heard)


def _die(*, by_signal: bool) -> NoReturn:
    if by_signal:
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(DEAD)


def _loaded(name: str) -> Any:
    return importlib.import_module(f"kimi_hooks.{name}")


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    _crash_points, _cli = _loaded("crash_points"), _loaded("cli")
    for _verb in ("run", "ack", "pause", "retry", "hold", "clean", "fsck"):
        _loaded(f"commands.{_verb}")
    for _room in ("app", "runner", "task", "kimi.sse", "kimi.body", "standin.server", "hooks.condition", "context"):
        _loaded(_room)
    assert Path(_cli.__file__).is_relative_to(Path(sys.argv[1]).resolve()), _cli.__file__
    main()
