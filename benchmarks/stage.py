"""A workspace in a temporary folder and the real program working in it, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(sysconfig.get_path("scripts")) / "kimi-hooks"
LONGEST = 300.0
HOOK = """#!/bin/bash
printf '%s %s\\n' "$EPOCHREALTIME" "$KIMI_TASK_NAME" >>"$KIMI_HOOKS_HOME/marks"
"""
CONFIG = """workspace: 1
limits: {{requests_per_minute: 1000000, concurrency: {calls}, hooks: {calls}}}
hooks: {{TaskCompleted: [{{hooks: [{{id: mark, command: hooks/mark.sh}}]}}]}}
"""


@dataclass(frozen=True)
class Stage:
    """`home` is the workspace, `shelf` a folder on the same disk where files are made before they are renamed in."""

    home: Path
    shelf: Path
    environ: dict[str, str]

    def prepare(self, count: int) -> list[str]:
        """Make task files on the shelf; return their keys."""
        keys = [f"bench-{number:06}" for number in range(count)]
        for key in keys:
            (self.shelf / f"{key}.md").write_text(f"Answer {key} in a few words, please.\n")
        return keys

    def drop(self, key: str) -> None:
        """Rename a prepared file into the outbox."""
        (self.shelf / f"{key}.md").rename(self.home / "outbox" / f"{key}.md")

    def marks(self) -> dict[str, float]:
        """Return when the first line of each task's hook ran, in seconds since 1970."""
        try:
            # What comes after the last line end is not a whole line yet.
            lines = (self.home / "marks").read_text().rpartition("\n")[0].splitlines()
        except FileNotFoundError:
            return {}
        return {key: float(at) for at, key in (line.split() for line in lines)}

    @contextmanager
    def runner(self) -> Iterator[int]:
        """Let a runner work in the background, as people do; yield its process id once it watches."""
        self.call("run", "--detach")
        try:
            yield int(json.loads((self.home / "spool" / "lock").read_text())["pid"])
        finally:
            self.call("stop")

    def call(self, *arguments: str) -> None:
        """Run a verb."""
        subprocess.run([PROGRAM, "--home", self.home, *arguments], env=self.environ, check=True, capture_output=True)


@contextmanager
def stage(*, folder: Path | None, url: str, key: str = "sk-bench", calls: int = 64) -> Iterator[Stage]:
    """Lay out a workspace whose runner asks `url`, or waits for a key when `key` is empty; remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="kimi-hooks-bench-", dir=folder) as name:
        root = Path(name)
        home, shelf = root / "home", root / "shelf"
        shelf.mkdir()
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": name,
            "KIMI_API_KEY": key,
            "KIMI_API_URL": url,
        }
        subprocess.run([PROGRAM, "init", home], env=environ, check=True, capture_output=True)
        (home / "config.yaml").write_text(CONFIG.format(calls=calls))
        hook = home / "hooks" / "mark.sh"
        hook.write_text(HOOK)
        hook.chmod(0o755)
        yield Stage(home, shelf, environ)


def until(is_so: Callable[[], bool], pause: float = 0.002) -> None:
    """Look again and again until it is so. Raises TimeoutError after five minutes."""
    end = time.monotonic() + LONGEST
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing came within {LONGEST:g} s")
        time.sleep(pause)
