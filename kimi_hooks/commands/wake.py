"""`kimi-hooks wake`: one line to the OpenClaw agent that asked."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kimi_hooks import openclaw, settings
from kimi_hooks.commands import Home, completing, in_force, json_option, print_json
from kimi_hooks.commands.ended import ended_result, is_notification, meant, notification, program
from kimi_hooks.errors import ConfigError
from kimi_hooks.workspace import Workspace, read_config

UNSET = """OPENCLAW_HOOKS_TOKEN is not set, so nobody was woken; put the gateway's hooks.token into {file} as \
OPENCLAW_HOOKS_TOKEN=..."""


@click.command("wake", short_help="Wake the OpenClaw agent with a line about a task.")
@click.argument("about", metavar="[ID]", required=False, shell_complete=completing.task_ids)
@click.option("--text", metavar="TEXT", help="Say this instead. The agent trusts it: never put an answer in.")
@click.option("--group-told", is_flag=True, help="Another hook tells the task's group: the agent need not.")
@json_option
@click.pass_obj
def wake_command(home: Home, about: str | None, text: str | None, group_told: bool, as_json: bool) -> None:
    """Wake the OpenClaw agent with one line about an ended task, or about a notification of the queue.

    ID is a task's or a notification's. Not given: in a hook, what the hook is told of; else the task that ended last.

    Posts to OPENCLAW_GATEWAY_URL and `openclaw.wake_path`, with OPENCLAW_HOOKS_TOKEN.

    Exit code 0: the gateway has queued it (that the agent has read it, only `ack` tells). 2: the gateway refused it
    for good, so a hook gives up. 1: anything that may pass or that you can mend.
    """
    if text is not None and not text.strip():
        raise click.UsageError("--text is empty")
    workspace = home.find()
    config = in_force(workspace, read_config)
    known = settings.read(workspace, config.basics.settings, os.environ, Path.home())
    token = known.get("OPENCLAW_HOOKS_TOKEN")
    if not token:
        raise ConfigError(UNSET.format(file=workspace.secrets_file))
    line = openclaw.one_line(text) if text else _line(workspace, meant(about), group_told=group_told)
    gateway = known.get(openclaw.NAMED) or settings.DEFAULTS[openclaw.NAMED]
    in_files = settings.read(workspace, config.basics.settings, {}, Path.home()).get("OPENCLAW_HOOKS_TOKEN")
    # A hook is handed what stands in the files through its environment: then the two are the same.
    reply = openclaw.wake(gateway, config.openclaw.wake_path, token, line, of_environment=token != in_files)
    if as_json:
        print_json({"http_status": reply.status, "outcome": openclaw.outcome(reply), "text": line})
    else:
        click.echo(f"{openclaw.outcome(reply)} by the gateway: {line}")


def _line(workspace: Workspace, about: str | None, *, group_told: bool) -> str:
    if about is not None and is_notification(about):
        return openclaw.queue_line(notification(workspace, about), program=program(), home=workspace.home)
    result = ended_result(workspace, about)
    file = workspace.result_file(result["task_id"])
    return openclaw.line(result, result_file=file, program=program(), home=workspace.home, group_told=group_told)
