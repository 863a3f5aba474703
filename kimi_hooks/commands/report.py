"""`kimi-hooks report`: a short text about one ended task, to be sent to somebody."""

from __future__ import annotations

import os
from typing import Any

import click

from kimi_hooks import results, waiting
from kimi_hooks.commands import Home, completing, json_option, print_json
from kimi_hooks.commands.telling import spelt
from kimi_hooks.config import LANGUAGES, Language
from kimi_hooks.errors import KimiHooksError, NotEndedError, ResultError, UnknownTaskError
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import open_existing
from kimi_hooks.reports import language, render, values
from kimi_hooks.workspace import Workspace, read_config, require


@click.command("report")
@click.argument("task_id", metavar="[ID]", required=False, envvar="KIMI_TASK_ID", shell_complete=completing.task_ids)
@click.option("--lang", type=click.Choice(LANGUAGES), help="The"
              " language. Default: report.lang in config.yaml, else by LC_ALL, LC_MESSAGES, LANG.")  # fmt: skip
@json_option
@click.pass_obj
def report_command(home: Home, task_id: str | None, lang: Language | None, as_json: bool) -> None:
    """Tell how a task ended, in a short plain text for a chat.

    ID is $KIMI_TASK_ID if that is set, as in a hook, else the task that ended last.
    """
    workspace = home.find()
    require(workspace)
    result = _ended(workspace, task_id)
    prepared = values.prepare(result, str(workspace.result_file(result["task_id"])), lang or _language(workspace))
    text = render.render(render.template_file(workspace.hooks, prepared["lang"]), {**result, **prepared})
    if as_json:
        print_json({"task_id": result["task_id"], "outcome": result["outcome"], **prepared, "text": text})
    else:
        # Always UTF-8, whatever the terminal's: this goes to a chat.
        click.echo(f"{text}\n".encode(), nl=False)


def _ended(workspace: Workspace, task_id: str | None) -> dict[str, Any]:
    """Return the result of the task, or of the one that ended last. Raises where there is nothing to report."""
    journal = open_existing(workspace.journal_file)
    try:
        wanted = journal.read(tasks.latest_ended) if task_id is None else task_id
        if wanted is None:
            raise UnknownTaskError(f"{workspace.home}: no task has ended yet; see: {spelt(workspace, 'status')}")
        found = waiting.whereabouts(workspace, journal, wanted)
    finally:
        journal.close()
    if isinstance(found, str) or not tasks.is_ended(found):
        state = found if isinstance(found, str) else found.state
        wait = spelt(workspace, f"wait {wanted}")
        raise NotEndedError(f"{wanted} has not ended (it is {state}); wait for it first: {wait}")
    result = results.read(workspace.results, wanted)
    if result is None:
        file = workspace.result_file(wanted)
        raise ResultError(f"{file}: the task has ended, but this file is missing or spoilt; put it back from a copy")
    return result


def _language(workspace: Workspace) -> Language:
    """Return the configured language, or the environment's; a broken config keeps nobody from reading a result."""
    try:
        configured = read_config(workspace).report.lang
    except KimiHooksError as error:
        click.echo(f"kimi-hooks: the language is taken from the environment, for {error}", err=True)
        configured = None
    return configured or language.of_environment(os.environ)
