"""`kimi-hooks report`: a short text about one ended task, to be sent to somebody."""

from __future__ import annotations

import os
from typing import Any

import click

from kimi_hooks.clock import iso
from kimi_hooks.commands import Home, completing, in_force, json_option, print_json, require_home
from kimi_hooks.commands.ended import ended_result, is_notification, meant, notification
from kimi_hooks.config import LANGUAGES, Language
from kimi_hooks.errors import KimiHooksError
from kimi_hooks.reports import language, render, texts, values
from kimi_hooks.show import harmless
from kimi_hooks.workspace import Workspace, read_config


@click.command("report", short_help="Tell how a task ended, in a short text for a chat.")
@click.argument("task_id", metavar="[ID]", required=False, envvar="KIMI_TASK_ID", shell_complete=completing.task_ids)
@click.option("--lang", type=click.Choice(LANGUAGES), help="The"
              " language. Default: report.lang in config.yaml, else by LC_ALL, LC_MESSAGES, LANG.")  # fmt: skip
@json_option
@click.pass_obj
def report_command(home: Home, task_id: str | None, lang: Language | None, as_json: bool) -> None:
    """Tell how a task ended, in a short plain text for a chat, or what a notification says.

    ID is a task's or a notification's. Not given: in a hook, what the hook is told of; else the task that ended last.
    """
    workspace = home.find()
    require_home(workspace)
    about = meant(task_id)
    # A hook that is told of the queue means no task: it must not be told of the one that ended last.
    told = _of_queue(workspace, about) if about and is_notification(about) else _of_task(workspace, about, lang)
    if as_json:
        print_json(told)
    else:
        # Always UTF-8, whatever the terminal's: this goes to a chat.
        click.echo(f"{told['text']}\n".encode(), nl=False)


def _of_queue(workspace: Workspace, event_id: str) -> dict[str, Any]:
    news = notification(workspace, event_id)
    named = {"event_id": news.event_id, "type": news.type, "title": news.title, "message": news.message}
    return {**named, "at": iso(news.at), "text": texts.fit(f"{news.title}\n{news.message}")}


def _of_task(workspace: Workspace, task_id: str | None, lang: Language | None) -> dict[str, Any]:
    result = ended_result(workspace, task_id)
    prepared = values.prepare(result, str(workspace.result_file(result["task_id"])), lang or _language(workspace))
    text = render.render(render.template_file(workspace.hooks, prepared["lang"]), {**result, **prepared})
    return {"task_id": result["task_id"], "outcome": result["outcome"], **prepared, "text": text}


def _language(workspace: Workspace) -> Language:
    """Return the configured language, or the environment's; a broken config keeps nobody from reading a result."""
    try:
        configured = in_force(workspace, read_config).report.lang
    except KimiHooksError as error:
        click.echo(f"kimi-hooks: the language is taken from the environment, for {harmless(str(error))}", err=True)
        configured = None
    return configured or language.of_environment(os.environ)
