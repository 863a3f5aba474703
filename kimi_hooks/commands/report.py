"""`kimi-hooks report`: a short text about one ended task, to be sent to somebody."""

from __future__ import annotations

import os

import click

from kimi_hooks.commands import Home, completing, in_force, json_option, print_json, require_home
from kimi_hooks.commands.ended import ended_result, meant
from kimi_hooks.config import LANGUAGES, Language
from kimi_hooks.errors import KimiHooksError
from kimi_hooks.reports import language, render, values
from kimi_hooks.show import harmless
from kimi_hooks.workspace import Workspace, read_config


@click.command("report", short_help="Tell how a task ended, in a short text for a chat.")
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
    require_home(workspace)
    # A hook that is told of the queue means no task: it is refused, and not told of the one that ended last.
    result = ended_result(workspace, meant(task_id))
    prepared = values.prepare(result, str(workspace.result_file(result["task_id"])), lang or _language(workspace))
    text = render.render(render.template_file(workspace.hooks, prepared["lang"]), {**result, **prepared})
    if as_json:
        print_json({"task_id": result["task_id"], "outcome": result["outcome"], **prepared, "text": text})
    else:
        # Always UTF-8, whatever the terminal's: this goes to a chat.
        click.echo(f"{text}\n".encode(), nl=False)


def _language(workspace: Workspace) -> Language:
    """Return the configured language, or the environment's; a broken config keeps nobody from reading a result."""
    try:
        configured = in_force(workspace, read_config).report.lang
    except KimiHooksError as error:
        click.echo(f"kimi-hooks: the language is taken from the environment, for {harmless(str(error))}", err=True)
        configured = None
    return configured or language.of_environment(os.environ)
