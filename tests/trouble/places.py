"""Real want of disk, files and watches for a real runner: by the limits of its process, or in a namespace of its own."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house import House, until

ID = "kimi-1700000000-aaaaaaaa"


def limit(pid: int, what: int, soft: int | None) -> None:
    """Set a limit of a running process of our own user; None: as high as may be."""
    _, hard = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (hard if soft is None else soft, hard))


def namespace(*commands: str) -> list[str]:
    """Return what starts a program after these commands, whose mounts nobody else sees; skip where there is no such way."""
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    script = " && ".join([*commands, 'exec "$@"'])
    try:
        tried = subprocess.run([*unshare, "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, check=False)
    except OSError:
        pytest.skip("needs unshare")
    if tried.returncode != 0:
        pytest.skip("needs a mount namespace")
    return [*unshare, "sh", "-c", script, "sh"]


def seen_by(pid: int, path: Path) -> Path:
    """Return the path as that process sees it."""
    return Path(f"/proc/{pid}/root{path}")


def fill(folder: Path) -> Path:
    """Fill the file system that the folder lies on to the last byte; return the file that does."""
    file = folder / ".fill"
    with file.open("wb", buffering=0) as filling:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    filling.write(b"x" * size)
            except OSError:
                continue
    return file


def few(what: str, count: int) -> list[str]:
    """Return what starts a program that gets so many `instances` or `watches` of inotify, without taking them from us."""
    if subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs a user namespace")
    return ["unshare", "-Ur", "sh", "-c", f'echo {count} > /proc/sys/user/max_inotify_{what} && exec "$@"', "sh"]


def allow(pid: int, what: str, count: int) -> None:
    """Change that for one that runs."""
    enter = ["nsenter", "-t", str(pid), "-U", "--preserve-credentials"]
    subprocess.run([*enter, "sh", "-c", f"echo {count} > /proc/sys/user/max_inotify_{what}"], check=True)


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def told(house: House, text: str) -> int:
    """Return how many lines of the log hold this."""
    return sum(text in line for line in house.log.splitlines())


def until_told(house: House, text: str) -> None:
    until(lambda: told(house, text) > 0)


SOMEBODY = 65534


def as_somebody(house: House) -> list[str]:
    """Give the workspace to a user for whom rights and limits count; return what starts a program as that one."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root to be somebody else, for whom rights and limits count")
    house.home.parent.chmod(0o755)
    for path in [house.home, *house.home.rglob("*")]:
        os.chown(path, SOMEBODY, SOMEBODY)
    return ["setpriv", "--reuid", str(SOMEBODY), "--regid", str(SOMEBODY), "--clear-groups"]


def limit_somebody(house: House, pid: int, processes: int | None) -> None:
    """Set how many processes and threads that user may have, for one that runs already."""
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    told = "unlimited" if processes is None and hard < 0 else str(hard if processes is None else processes)
    subprocess.run([*as_somebody(house), "prlimit", "--pid", str(pid), f"--nproc={told}:"], check=True)


def give(house: House, task_id: str) -> None:
    """Drop a task file that belongs to that user."""
    beside = house.home / "being-written"
    beside.write_text("x")
    os.chown(beside, SOMEBODY, SOMEBODY)
    beside.rename(house.workspace.outbox / f"{task_id}.md")


def launcher_of(house: House, pid: int) -> int:
    """Return the launcher's process id, once it has run the hook of a first task."""
    house.drop("first.md", "x")
    until(lambda: bool(house.runs()))
    (launcher,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(launcher)
