"""`kimi-hooks service`: the runner as a service of the user's systemd."""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from dataclasses import asdict
from pathlib import Path

import click

from kimi_hooks import service, settings
from kimi_hooks.commands import Home, json_option, print_json
from kimi_hooks.commands.telling import spelt
from kimi_hooks.errors import ServiceError
from kimi_hooks.service import Installed, Standing
from kimi_hooks.workspace import Workspace, require

PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy")


@click.group("service", short_help="Let systemd keep the runner of this workspace.")
def service_command() -> None:
    """Let systemd keep the runner of this workspace: at the login, and again after a failure."""


@service_command.command("install", short_help="Write a unit for this workspace, enable it, start it.")
@click.pass_obj
def install_command(home: Home) -> None:
    """Write a systemd user unit for this workspace, enable it and start it. Again: write it anew."""
    workspace, program = _ready(home)
    try:
        installed = service.install(workspace, program)
    except ServiceError as error:
        for line in _unseen(workspace, service.locate(workspace).name):
            click.echo(f"kimi-hooks: {line}", err=True)
        raise ServiceError(f"{error}; without systemd: {spelt(workspace, 'run --detach')}") from error
    click.echo(f"written and enabled: {installed.place.file}")
    for line in _remarks(workspace, installed):
        click.echo(f"kimi-hooks: {line}", err=True)


@service_command.command("uninstall", short_help="Stop the service of this workspace, remove its unit.")
@click.pass_obj
def uninstall_command(home: Home) -> None:
    """Stop the service of this workspace, disable it and remove its unit; other units are not touched."""
    workspace = _found(home)
    place = service.uninstall(workspace)
    if place.is_installed:
        click.echo(f"stopped and removed: {place.file}")
    else:
        click.echo(f"no service of {workspace.home} is installed in {place.file.parent}")


@service_command.command("status", short_help="Tell whether it is installed, enabled and active.")
@json_option
@click.pass_obj
def status_command(home: Home, as_json: bool) -> None:
    """Tell whether the service of this workspace is installed, enabled and active. Exit code 0 either way."""
    workspace = _found(home)
    standing = service.standing(workspace)
    if as_json:
        print_json(_as_json(workspace, standing))
    else:
        _print(workspace, standing)


@service_command.command("show", short_help="Print the unit that `install` would write.")
@click.pass_obj
def show_command(home: Home) -> None:
    """Print the unit that `install` would write, and change nothing."""
    workspace, program = _ready(home)
    click.echo(service.written(workspace, program, service.locate(workspace)), nl=False)


def _found(home: Home) -> Workspace:
    workspace = home.find()
    service.refuse_elsewhere(workspace, str(_program() or "kimi-hooks"))
    return workspace


def _ready(home: Home) -> tuple[Workspace, Path]:
    workspace, program = _found(home), _program()
    require(workspace)
    if program is None:
        raise ServiceError(
            f"{sys.argv[0]}: the program is not installed here; install kimi-hooks with pip or pipx first"
        )
    return workspace, program


def _program() -> Path | None:
    """Return the program's full path, which stays the same when it is upgraded."""
    candidates = (Path(sysconfig.get_path("scripts"), "kimi-hooks"), Path(sys.argv[0]).absolute())
    fitting = (path for path in candidates if path.name == "kimi-hooks" and os.access(path, os.X_OK))
    return next(fitting, None)


def _remarks(workspace: Workspace, installed: Installed) -> list[str]:
    """Say what a person must know or do besides."""
    name = installed.place.name
    told = []
    if installed.by_hand:
        typed = f"{spelt(workspace, 'stop')} && systemctl --user start {name}"
        told.append(
            f"a runner that was started by hand is at work (process {installed.by_hand}); to change over: {typed}"
        )
    elif installed.was_active:
        told.append(f"it was at work already; to let it see what is new: systemctl --user restart {name}")
    told += _unseen(workspace, name)
    told.append("it runs while you are logged in; to let it run from the start of the machine: loginctl enable-linger")
    return told


def _unseen(workspace: Workspace, name: str) -> list[str]:
    unseen = [key for key in (*settings.NAMES, *settings.ALIASES.values(), *PROXIES) if os.environ.get(key)]
    if not unseen:
        return []
    where = f"write what it needs into {workspace.secrets_file} (proxies: systemctl --user edit {name})"
    return [f"the service does not see what is set in this shell ({', '.join(unseen)}); {where}"]


def _as_json(workspace: Workspace, standing: Standing) -> dict[str, object]:
    kept = {key: value for key, value in asdict(standing).items() if key != "place"}
    place = standing.place
    return {
        "home": str(workspace.home),
        "unit": place.name,
        "file": str(place.file),
        "installed": place.is_installed,
        **kept,
    }


def _print(workspace: Workspace, standing: Standing) -> None:
    place = standing.place
    if not place.is_installed:
        click.echo(f"service    not installed; install it with: {spelt(workspace, 'service install')}")
        return
    click.echo(f"service    {place.file}")
    if standing.error:
        click.echo(f"state      not known: {standing.error}")
        return
    click.echo(f"enabled    {'yes' if standing.enabled else f'no; systemctl --user enable {place.name}'}")
    process = f" (process {standing.pid})" if standing.pid else ""
    look = "" if standing.active else f"; look with: {shlex.join(['journalctl', '--user', '-u', place.name])}"
    click.echo(f"state      {standing.state}{process}{look}")
