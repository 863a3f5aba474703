"""Start and stop a runner from another process."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kimi_hooks import lock
from kimi_hooks.errors import ConfigError, LockHeldError, LostAnswersError, WorkspaceError
from kimi_hooks.workspace import Workspace, read_basics, read_config

READY_VARIABLE = "KIMI_HOOKS_READY_FD"
MARGIN_SECONDS = 10.0
START_SECONDS = 600.0
LOST = (
    "stopped (process {pid}), but answers to be paid for went with it, for they could not be written: {count}; their "
    "tasks are asked again at the next start (with `retry.on_unknown: hold` they are held); why: {why}"
)


def start_runner(workspace: Workspace) -> int:
    """Start a runner in the background and return its process id once it is ready.

    Raises LockHeldError when there is one, and WorkspaceError with the end of what it said when it does not come up.
    """
    # The same mistakes as the runner would find, but told on this terminal.
    read_basics(workspace)
    workspace.make_folders()
    lock.refuse_if_held(workspace.lock_file)
    ready, told = os.pipe()
    said = workspace.log_file.with_name("start.log")
    with said.open("wb") as output:
        child = subprocess.Popen(
            # -P: Python shall not look for modules in the workspace.
            [sys.executable, "-P", "-m", "kimi_hooks", "--home", str(workspace.home), "run"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=workspace.home,
            env={**os.environ, READY_VARIABLE: str(told)},
            pass_fds=(told,),
            start_new_session=True,
        )
    os.close(told)
    with os.fdopen(ready, "rb") as pipe:
        is_ready = bool(select.select([pipe], [], [], START_SECONDS)[0]) and pipe.read(1) == b"1"
    if not is_ready:
        raise WorkspaceError(f"the runner did not start: {_tail(said)}")
    return child.pid


@dataclass(frozen=True)
class Started:
    """A runner in the background; `is_restart` when it took the place of one that lacked our key."""

    pid: int
    is_restart: bool


def ensure_runner(workspace: Workspace, *, has_key: bool) -> Started | None:
    """Start a runner in the background unless one is at work; return it if it was started.

    A runner that waits for an API key, which we have, cannot see ours: it is replaced.
    """
    holder = lock.holder(workspace.lock_file)
    if holder is not None and (holder.is_stopping or not holder.is_runner):
        _is_gone(workspace, _grace_seconds(workspace) + MARGIN_SECONDS)
    elif holder is not None and not (holder.lacks_key and has_key):
        return None
    # Else one would be stopped for another that cannot start.
    read_basics(workspace)
    try:
        stopped = stop_runner(workspace) is not None
    except LostAnswersError:
        # Its log and the results tell of that; a runner is wanted all the same.
        stopped = True
    try:
        return Started(start_runner(workspace), stopped)
    except (LockHeldError, WorkspaceError):
        if lock.holder(workspace.lock_file) is None:
            raise
        # Somebody else has just started one, which will do.
        return None


def is_in_background() -> bool:
    """Tell whether `start_runner` started this process: then nobody reads its terminal."""
    return READY_VARIABLE in os.environ


def say_ready() -> None:
    """Tell the process that started this runner in the background that it is ready."""
    fd = os.environ.pop(READY_VARIABLE, None)
    if fd is not None:
        with contextlib.suppress(OSError):
            os.write(int(fd), b"1")
            os.close(int(fd))


def stop_runner(workspace: Workspace, *, now: bool = False, tell: Callable[[str], object] = str) -> int | None:
    """Ask the runner to stop and wait until it has; return its process id, None when there was none.

    `tell` is told what it still waits for. Raises LostAnswersError when it has left and answers went with it, and
    WorkspaceError when it is still there well after its grace time.
    """
    holder = lock.holder(workspace.lock_file)
    if holder is None or not holder.pid or not holder.is_runner:
        return None
    with contextlib.suppress(ProcessLookupError):
        if now:
            os.kill(holder.pid, signal.SIGQUIT)
        elif not holder.is_stopping:
            # A second SIGTERM would mean "leave at once".
            os.kill(holder.pid, signal.SIGTERM)
    if not _is_gone(workspace, _grace_seconds(workspace) + MARGIN_SECONDS, tell):
        raise WorkspaceError(f"process {holder.pid} is still at work; end it with: kill -9 {holder.pid} (it is safe)")
    last = lock.last_said(workspace.lock_file)
    if last.pid == holder.pid and last.unsaved:
        raise LostAnswersError(LOST.format(pid=last.pid, count=last.unsaved, why=last.trouble))
    return holder.pid


def _grace_seconds(workspace: Workspace) -> float:
    """Return how long the runner may take; a broken config keeps nobody from stopping it."""
    try:
        return read_config(workspace, or_last_good=True).grace_seconds
    except (ConfigError, WorkspaceError):
        from kimi_hooks.config import Config  # noqa: PLC0415 - dispatch --start must be quick where nothing is stopped

        return Config().grace_seconds


def _is_gone(workspace: Workspace, seconds: float, tell: Callable[[str], object] = str) -> bool:
    end, told = time.monotonic() + seconds, False
    while (holder := lock.holder(workspace.lock_file)) is not None:
        if holder.is_stopping and holder.unsaved and not told:
            told = True
            tell(f"the runner waits, up to its grace time: {holder.trouble}")
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _tail(file: Path) -> str:
    lines = file.read_text("utf-8", "replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "it said nothing"
