"""What the verbs under `hooks` share: which event, which hooks, and what is switched off."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from kimi_hooks import settings
from kimi_hooks.clock import Clock
from kimi_hooks.commands import completing
from kimi_hooks.commands.ended import not_ended
from kimi_hooks.config import Config
from kimi_hooks.config_hooks import Hook
from kimi_hooks.errors import EventError, NotEndedError, UnknownHookError
from kimi_hooks.events import KINDS
from kimi_hooks.journal import switches
from kimi_hooks.journal.store import Journal, open_existing
from kimi_hooks.journal.switches import SwitchedOff
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.mistakes import near, nearest
from kimi_hooks.show import harmless
from kimi_hooks.trying import fixture, past, sample
from kimi_hooks.trying.occasion import Occasion
from kimi_hooks.waiting import whereabouts
from kimi_hooks.workspace import CONFIG_NAME, Workspace, read_config

FROM_STDIN = "-"


def known_event(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    """Refuse, as wrong usage, the name of an event that there is not."""
    if name is not None and name not in KINDS:
        raise click.BadParameter(f"there is no event {name!r}{nearest(name, KINDS)}")
    return name


event_argument = click.argument("event", metavar="EVENT", callback=known_event, shell_complete=completing.event_names)
task_option = click.option(
    "--task", metavar="ID", shell_complete=completing.task_ids, help="Tell of this task, as it is on record."
)
fixture_option = click.option(
    "--fixture",
    metavar="FILE",
    shell_complete=completing.file,
    help="Tell what this JSON object says; the fields that it lacks are null. - reads standard input.",
)


def occasion_of(workspace: Workspace, journal: Journal, name: str, task: str | None, file: str | None) -> Occasion:
    """Return the event that is meant: of a task, of a file, or a made-up one."""
    if task is not None and file is not None:
        raise click.UsageError("give --task or --fixture, not both")
    if file is not None:
        return fixture.of_text(_content(file), name, "the fixture" if file == FROM_STDIN else file)
    if task is None:
        return sample.of_kind(name, Clock().now())
    return past.of_task(workspace, journal, name, accepted(workspace, journal, task), _model(workspace))


def _model(workspace: Workspace) -> str | None:
    """Return the model for tasks that name none."""
    said = read_config(workspace).basics.settings
    return settings.read(workspace, said, os.environ, Path.home()).get("KIMI_MODEL")


def accepted(workspace: Workspace, journal: Journal, task_id: str) -> Entry:
    """Return the task's row. Raises UnknownTaskError, and NotEndedError while no runner has taken its file."""
    found = whereabouts(workspace, journal, task_id)
    if isinstance(found, str):
        raise NotEndedError(not_ended(workspace, task_id, found))
    return found


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == FROM_STDIN else Path(file).read_bytes()
    except OSError as error:
        raise EventError(f"{file}: cannot be read ({error.strerror}); name a file with a JSON object") from error


def switched_off(workspace: Workspace) -> dict[str, SwitchedOff]:
    """Return the hooks that are switched off though config.yaml has them."""
    journal = open_existing(workspace.journal_file)
    try:
        return journal.read(switches.switched_off)
    finally:
        journal.close()


def require_hook(config: Config, hook_id: str, besides: Iterable[str] = ()) -> None:
    """Raise UnknownHookError, with the ids that there are, unless one of them or of those in `besides` is this."""
    known = ids(config.named_hooks())
    if hook_id not in known and hook_id not in besides:
        found = near(hook_id, known)
        there = f"there are: {', '.join(known)}" if known else "there are none"
        told = f"did you mean {found!r}?" if found else there
        raise UnknownHookError(f"{hook_id}: no such hook in {CONFIG_NAME}; {told}")


def ids(hooks: Iterable[Hook]) -> list[str]:
    """Return the ids of the hooks, each once, in their order."""
    return list(dict.fromkeys(hook.hook_id for hook in hooks))


def indented(text: str, blanks: int = 4) -> str:
    """Return several lines further in, and without what could steer a terminal."""
    return "\n".join(" " * blanks + line for line in harmless(text).rstrip("\n").split("\n"))
