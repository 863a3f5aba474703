"""`kimi-hooks webhook`: results by HTTP to a receiver of your own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from kimi_hooks import settings
from kimi_hooks.clock import Clock
from kimi_hooks.commands import Home, completing, in_force, json_option, print_json
from kimi_hooks.commands.ended import ended_result, is_notification, meant, notification
from kimi_hooks.errors import ConfigError
from kimi_hooks.hooks import webhook
from kimi_hooks.hooks.http import Target
from kimi_hooks.workspace import Workspace, read_config

NO_URL = """WEBHOOK_URL is not set, so nothing was sent; put the address of your receiver into {file} as \
WEBHOOK_URL=https://..."""


@click.group("webhook", short_help="Send results by HTTP to a receiver of your own.")
def webhook_command() -> None:
    """Send results by HTTP to a receiver of your own."""


@webhook_command.command("send", short_help="Post the result of an ended task to WEBHOOK_URL.")
@click.argument("about", metavar="[ID]", required=False, shell_complete=completing.task_ids)
@json_option
@click.pass_obj
def send_command(home: Home, about: str | None, as_json: bool) -> None:
    """Post the result file of an ended task, or a notification of the queue, to WEBHOOK_URL.

    ID is a task's or a notification's. Not given: in a hook, what the hook is told of; else the task that ended last.

    Signed with WEBHOOK_SECRET (Standard Webhooks) when that is set. `webhook-id` is the event's id, the same at every
    try.

    Exit code 0: the receiver took it. 2: it refused it for good, so a hook gives up. 1: anything that may pass or that
    you can mend.
    """
    workspace = home.find()
    config = in_force(workspace, read_config)
    known = settings.read(workspace, config.basics.settings, os.environ, Path.home())
    url, secret = known.get("WEBHOOK_URL"), known.get("WEBHOOK_SECRET")
    if not url:
        raise ConfigError(NO_URL.format(file=workspace.secrets_file))
    sent = _sent(workspace, meant(about))
    reply = webhook.send(url, secret, sent.webhook_id, sent.body, Clock())
    to = Target(url, webhook.NAMED).place
    if as_json:
        told = {"task_id": sent.task_id, "webhook_id": sent.webhook_id, "to": to, "signed": bool(secret)}
        print_json({**told, "http_status": reply.status, "said": reply.said})
    else:
        how = "signed" if secret else "not signed, for WEBHOOK_SECRET is not set"
        click.echo(f"sent {sent.task_id or sent.webhook_id} to {to} ({how}); it answered {reply.told}")


@dataclass(frozen=True)
class _Sent:
    """What is posted, and under which id; `task_id` is None for a notification."""

    task_id: str | None
    webhook_id: str
    body: bytes


def _sent(workspace: Workspace, about: str | None) -> _Sent:
    if about is not None and is_notification(about):
        return _Sent(None, about, webhook.body_of(notification(workspace, about)))
    result = ended_result(workspace, about)
    body = workspace.result_file(result["task_id"]).read_bytes()
    return _Sent(result["task_id"], webhook.id_for(result, os.environ), body)
