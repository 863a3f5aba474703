"""`kimi-hooks hooks import`: hooks of Claude Code's as hooks of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kimi_hooks import atomic
from kimi_hooks.commands import Home, completing, json_option, print_json
from kimi_hooks.commands.telling import spelt
from kimi_hooks.errors import ConfigError
from kimi_hooks.importing import groups, source, writing
from kimi_hooks.importing.groups import Imported
from kimi_hooks.importing.notes import Note
from kimi_hooks.workspace import Workspace, read_config


@click.command("import", short_help="Turn Claude Code's hooks into ours.")
@click.argument("path", type=click.Path(path_type=Path), shell_complete=completing.file)
@click.option("--write", is_flag=True, help="Add them to config.yaml; every line that stands there is kept.")
@json_option
@click.pass_obj
def import_command(home: Home, path: Path, write: bool, as_json: bool) -> None:
    """Read a settings file of Claude Code (settings.json, or a plugin's hooks.json) and print the YAML for config.yaml.

    What was left out, moved or changed is said on standard error, with its event, group and handler. No secret is
    copied, and the values of variables are not printed.
    """
    workspace = home.find()
    found = source.read(path)
    made = groups.translate(found, workspace.home)
    if found.is_disabled:
        made.notes.append(_NOT_DISABLED if write else _DISABLED)
    if not made.hooks:
        _tell(made.notes)
        raise ConfigError(f"{path}: there is nothing in it that could run here{'; see above' if made.notes else ''}")
    if write:
        _write(workspace, made, as_json=as_json)
    else:
        _print(made, is_disabled=found.is_disabled, as_json=as_json)


_DISABLED = Note("note", "disableAllHooks", "is on there, so no hook runs here either until you take it out")
_NOT_DISABLED = Note(
    "left out",
    "disableAllHooks",
    "it would switch off your other hooks, too; to have it, write `disableAllHooks: true`",
)


def _print(made: Imported, *, is_disabled: bool, as_json: bool) -> None:
    hooks = writing.with_ids(made.hooks)
    if as_json:
        _print_json(hooks, made.notes, written=False)
        return
    _tell(made.notes)
    click.echo(writing.text(hooks, is_disabled=is_disabled), nl=False)


def _write(workspace: Workspace, made: Imported, *, as_json: bool) -> None:
    config = read_config(workspace)
    new = writing.without_known(made, config)
    hooks = writing.with_ids(new.hooks, frozenset(hook.hook_id for hook in config.named_hooks()))
    if not as_json:
        _tell(new.notes)
    if hooks:
        _add(workspace, hooks, as_json=as_json)
    if as_json:
        _print_json(hooks, new.notes, written=bool(hooks))
    elif hooks:
        click.echo(
            f"added {new.count} to {workspace.config_file}; look them over with: {spelt(workspace, 'hooks check')}"
        )
    else:
        click.echo("nothing to add: all of them are in config.yaml already")


def _add(workspace: Workspace, hooks: Mapping[str, list[dict[str, Any]]], *, as_json: bool) -> None:
    # The user's file may be a link to where it is kept.
    file = workspace.config_file.resolve()
    before = file.read_bytes().decode("utf-8-sig")
    is_dos = "\r\n" in before
    try:
        after = writing.added(before.replace("\r\n", "\n"), hooks, str(workspace.config_file))
    except ConfigError:
        if not as_json:
            click.echo(writing.text(hooks), nl=False)
        raise
    atomic.write_text(file, after.replace("\n", "\r\n") if is_dos else after, mode=file.stat().st_mode & 0o777)


def _tell(notes: Sequence[Note]) -> None:
    for note in notes:
        click.echo(note.line, err=True)


def _print_json(hooks: Mapping[str, Any], notes: Sequence[Note], *, written: bool) -> None:
    print_json({"hooks": hooks, "notes": [asdict(note) for note in notes], "written": written})
