"""The runner as a service of the user's systemd: writes the unit, asks `systemctl --user` to do the rest."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kimi_hooks import atomic, lock, unit
from kimi_hooks.errors import ServiceError
from kimi_hooks.workspace import Workspace, read_config


@dataclass(frozen=True)
class Place:
    """Where the unit of a workspace lies, or would lie."""

    file: Path
    is_installed: bool

    @property
    def name(self) -> str:
        return self.file.name


@dataclass(frozen=True)
class Installed:
    """A unit that is written and enabled; `by_hand` is the process of a runner that keeps it from starting.

    `was_active`: the service was at work already, and goes on with what it was started with.
    """

    place: Place
    by_hand: int | None
    was_active: bool


@dataclass(frozen=True)
class Standing:
    """What is known of the service; `enabled` and the rest are None where systemd cannot be asked (`error`)."""

    place: Place
    enabled: bool | None = None
    active: bool | None = None
    state: str | None = None
    pid: int | None = None
    error: str | None = None


def refuse_elsewhere(workspace: Workspace, program: str, system: str = sys.platform) -> None:
    """Raise ServiceError, with what to do instead, on a system that has no systemd."""
    if system != "linux":
        typed = shlex.join([program, "--home", str(workspace.home), "run"])
        told = "a service is made for systemd only, launchd is not covered yet; let a launchd agent run"
        raise ServiceError(f"{workspace.home}: {told}: {typed}")


def locate(workspace: Workspace, environ: Mapping[str, str] = os.environ) -> Place:
    """Return the workspace's unit: the one that is there, else the first free name. Never somebody else's."""
    folder = _folder(environ)
    home = workspace.home.resolve()
    for file in sorted(folder.glob(unit.PATTERN)):
        if (owner := _owner(file)) is not None and owner.resolve() == home:
            return Place(file, is_installed=True)
    first = folder / unit.FIRST_NAME
    return Place(folder / unit.further_name(home) if os.path.lexists(first) else first, is_installed=False)


def written(workspace: Workspace, program: Path, place: Place, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text of the unit. Raises ConfigError and WorkspaceError: a runner would not start either."""
    grace_seconds = read_config(workspace).grace_seconds
    made = unit.Unit(workspace.home, program, environ.get("PATH", os.defpath), grace_seconds)
    return unit.text(made, place.name)


def install(workspace: Workspace, program: Path) -> Installed:
    """Write the unit, enable it, and start it unless a runner that was started by hand is at work.

    Raises ServiceError when systemd cannot be told; the unit is written then.
    """
    place = locate(workspace)
    atomic.write_text(place.file, written(workspace, program, place))
    try:
        _systemctl("daemon-reload")
        before = _standing(place)
        by_hand = _runner_besides(workspace, before)
        _systemctl("enable", *([] if by_hand else ["--now"]), place.name)
    except ServiceError as error:
        typed = f"systemctl --user daemon-reload && systemctl --user enable --now {place.name}"
        told = f"{place.file} is written, but systemd could not be told: {error}"
        raise ServiceError(f"{told}; log in as this user and type: {typed}") from error
    return Installed(place, by_hand, was_active=bool(before.active))


def uninstall(workspace: Workspace) -> Place:
    """Stop and disable the service and remove its unit, if it is ours; `is_installed` tells whether there was one.

    Raises ServiceError when systemd cannot be told; the unit is removed then, too.
    """
    place = locate(workspace)
    if place.is_installed:
        try:
            _systemctl("disable", "--now", place.name)
        except ServiceError as error:
            _remove(place)
            told = f"{place.file} is removed, but systemd could not be told: {error}"
            raise ServiceError(f"{told}; where it runs, type: systemctl --user stop {place.name}") from error
        _remove(place)
        _systemctl("daemon-reload")
    return place


def standing(workspace: Workspace) -> Standing:
    """Return what is known of the workspace's service; never raises for want of systemd."""
    place = locate(workspace)
    if not place.is_installed:
        return Standing(place, enabled=False, active=False, state="inactive")
    try:
        return _standing(place)
    except ServiceError as error:
        return Standing(place, error=str(error))


def _standing(place: Place) -> Standing:
    said = _systemctl("show", "--property=UnitFileState,ActiveState,MainPID", place.name)
    told = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    state = told.get("ActiveState", "inactive")
    is_active = state in {"active", "activating", "reloading"}
    return Standing(
        place, told.get("UnitFileState") == "enabled", is_active, state, int(told.get("MainPID") or 0) or None
    )


def _runner_besides(workspace: Workspace, service: Standing) -> int | None:
    """Return the process of a runner at work that is not the service's."""
    holder = lock.holder(workspace.lock_file)
    if holder is None or not holder.is_runner or holder.pid == service.pid:
        return None
    return holder.pid


def _systemctl(*arguments: str) -> str:
    """Ask the user's systemd and return what it said. Raises ServiceError with its reason."""
    try:
        done = subprocess.run(
            ["systemctl", "--user", "--no-pager", *arguments],
            env=_with_runtime_folder(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise ServiceError(f"systemctl cannot be run ({error.strerror})") from error
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ServiceError(f"systemctl --user {arguments[0]}: {reason[0]}")
    return done.stdout


def _with_runtime_folder(environ: Mapping[str, str]) -> dict[str, str]:
    """Add where the user's systemd is reached: a shell made by `su` or `sudo` has not been told."""
    usual = Path(f"/run/user/{os.getuid()}")
    return {**({"XDG_RUNTIME_DIR": str(usual)} if usual.is_dir() else {}), **environ}


def _folder(environ: Mapping[str, str]) -> Path:
    said = environ.get("XDG_CONFIG_HOME", "")
    # A relative path is to be passed over: the XDG Base Directory Specification says so.
    base = Path(said) if said.startswith("/") else Path("~/.config").expanduser()
    return base / "systemd" / "user"


def _owner(file: Path) -> Path | None:
    try:
        return unit.home_of(file.read_text("utf-8", "replace"))
    except OSError:
        return None


def _remove(place: Place) -> None:
    wanted = place.file.parent / "default.target.wants" / place.name
    for file in (place.file, wanted):
        file.unlink(missing_ok=True)
