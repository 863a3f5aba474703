"""A systemd that only writes down what it is asked, and a folder for the user's units."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.house import PATIENCE, House

FAKE = """#!/bin/sh
printf '%s\\n' "$*" >>"{folder}/calls"
if [ -e "{folder}/broken" ]; then echo "Failed to connect to bus: No medium found" >&2; exit 1; fi
case "$*" in *" show "*) cat "{folder}/shown" ;; esac
"""
INACTIVE = "MainPID=0\nActiveState=inactive\nUnitFileState=disabled\n"


@dataclass(frozen=True)
class Systemd:
    """A real `systemctl` on PATH, as far as a caller can tell."""

    folder: Path
    config: Path

    def shows(self, state: str, pid: int = 0, enabled: str = "enabled") -> None:
        (self.folder / "shown").write_text(f"MainPID={pid}\nActiveState={state}\nUnitFileState={enabled}\n")

    def breaks(self) -> None:
        """Be a machine on which the user's bus cannot be reached."""
        (self.folder / "broken").touch()

    @property
    def calls(self) -> list[str]:
        """What was asked besides `show`."""
        told = (self.folder / "calls").read_text().splitlines() if (self.folder / "calls").exists() else []
        return [call.removeprefix("--user --no-pager ") for call in told if " show " not in call]

    @property
    def units(self) -> list[str]:
        return sorted(path.name for path in self.config.glob("systemd/user/*.service"))

    def unit(self, name: str = "kimi-hooks.service") -> Path:
        return self.config / "systemd" / "user" / name

    def environ(self) -> dict[str, str]:
        return {"PATH": f"{self.folder}:{os.environ['PATH']}", "XDG_CONFIG_HOME": str(self.config)}

    def call(self, house: House, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `kimi-hooks service ...` on this machine."""
        shell = {**self.environ(), "KIMI_API_KEY": "", "KIMI_API_URL": "", **environ}
        return house.call("service", *arguments, stdin=b"", **shell)

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run any command on this machine."""
        return subprocess.run(
            command, env={**os.environ, **self.environ()}, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def status(self, house: House) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.call(house, "status", "--json").stdout)
        return told


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    if sys.platform != "linux":
        pytest.skip("the service is for Linux")
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "systemctl").write_text(FAKE.format(folder=folder))
    (folder / "systemctl").chmod(0o755)
    (folder / "shown").write_text(INACTIVE)
    return Systemd(folder, tmp_path / "config")


def verify(unit: Path) -> str:
    """Return what systemd-analyze finds wrong with a unit, nothing when it is sound. Skips where there is none."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    runtime = unit.parent / "runtime"
    runtime.mkdir(exist_ok=True)
    done = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode or unit.name in done.stderr else ""
