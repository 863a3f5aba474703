"""The OpenClaw gateway: the line that wakes an agent, and what the gateway's answers mean."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kimi_hooks.clock import iso
from kimi_hooks.errors import ConfigError, RefusedError, UnreachableError
from kimi_hooks.events import Notification, NotificationType
from kimi_hooks.hooks import http
from kimi_hooks.hooks.http import Reply, Target
from kimi_hooks.journal.facts import BY_PERSON
from kimi_hooks.logs import visible

NAMED = "OPENCLAW_GATEWAY_URL"
MAX_NAME = 120
_ENDPOINT = (
    "let hooks.enabled be true in the gateway's config, and openclaw.wake_path ({path}) its hooks.path and /wake"
)
# A redirect, for one: none is followed.
_ANY = f"see whether {NAMED} is its own address, openclaw.wake_path ({{path}}) the path, and what its log says"
_REMEDIES: Mapping[int, str] = {
    400: "see whether openclaw.wake_path ({path}) leads to its wake hook",
    401: "put the gateway's hooks.token (not its own token) into .env.kimi as OPENCLAW_HOOKS_TOKEN",
    403: "see what its config allows under hooks, and whether OPENCLAW_HOOKS_TOKEN is its hooks.token",
    404: _ENDPOINT,
    # What older gateways say where newer ones say 404.
    405: _ENDPOINT,
    413: "it takes 256 KiB at most: shorten the text",
}
_UNAUTHORIZED = 401
_FROM_ENVIRONMENT = (
    "the token came from the environment, which goes before .env.kimi: unset OPENCLAW_HOOKS_TOKEN there, or put the"
    " gateway's hooks.token (not its own token) into it"
)
_EXAMPLE = "http://HOST:PORT"
_WAIT = "the queue is paused since {at} ({reason}): tasks wait, and none is lost"
_QUEUE: Mapping[NotificationType, str] = {
    "queue_paused": f"{_WAIT}. See why with: {{call}} status, report to the user, and once it is mended run:"
    " {call} resume",
    # To go on costs money: that is not for an agent to decide.
    "budget_reached": f"{_WAIT}. See it with: {{call}} status, and report to the user, who alone decides whether to"
    " run: {call} resume",
    "queue_resumed": "the queue goes on since {at}: tasks that waited are sent again",
    "hook_gave_up": "the hook {hook_id} gave up at {at} on {event_id}. See why with:"
    " {call} hooks runs --hook {hook_id}, and report to the user",
    "hook_disabled": "the hook {hook_id} is switched off since {at}, for its receiver is gone for good. See more with:"
    " {call} hooks runs --hook {hook_id}, and report to the user, who alone decides whether to run:"
    " {call} hooks enable {hook_id}",
    "config_broken": "an edit of config.yaml or of a hook's template cannot be used, as was seen at {at}: what the file"
    " said before counts on. See which and why with: {call} status, and report to the user, who mends it",
    # To send them again may cost money twice.
    "answer_unknown": "the runner died while it waited for answers; at {at} it held the tasks that nobody knows the"
    " answers of ({count}). See them with: {call} status, and report to the user, who alone decides on each whether to"
    " run: {call} release ID (to send it again, which may pay twice) or: {call} cancel ID",
}
_BY_PERSON = f"{_WAIT}. Somebody wanted that: do not wait for answers, and leave it to the user to run: {{call}} resume"


def line(result: Mapping[str, Any], *, result_file: Path, program: str, home: Path, group_told: bool = False) -> str:
    """Return the line that an agent wakes to: who, how it ended, where to read, whom to tell, how to acknowledge.

    The agent takes it for a trusted one, so nothing of Kimi's answer is in it, and of names only plain characters.
    """
    ack = shlex.join([program, "--home", str(home), "ack", result["task_id"]])
    ended = f"{result['outcome']}, {result['tokens']['total']} tokens"
    told = f"[kimi] task {result['task_id']} ({_plain(result['task_name'])}) {ended}."
    return visible(f"{told} Read {result_file}, {_report(result, group_told=group_told)}, then run: {ack}")


def queue_line(notification: Notification, *, program: str, home: Path) -> str:
    """Return the line that an agent wakes to when the queue pauses or goes on, or a hook gives up.

    It is made of our own words: neither the message, which may hold words of Kimi's, nor a task's name is in it.
    """
    by_person = notification.type == "queue_paused" and notification.detail.get("reason") == BY_PERSON
    words = _BY_PERSON if by_person else _QUEUE[notification.type]
    known = {name: _plain(str(value)) for name, value in notification.detail.items()}
    call = shlex.join([program, "--home", str(home)])
    return visible(f"[kimi] {words.format(**{**known, 'call': call, 'at': iso(notification.at)})}")


def one_line(text: str) -> str:
    """Return the text on one line and without what is invisible."""
    return visible(" ".join(text.split()))


def wake(gateway: str, path: str, token: str, text: str, *, of_environment: bool = False) -> Reply:
    """Put the text, which is one line, into the gateway's queue for its agent, to be read at once.

    `of_environment`: the environment has put this token before what the secrets files say, which helps whoever must
    mend it. Nothing tells whether the agent has read the text. Raises RefusedError when the gateway never will take it,
    UnreachableError when it may at a later try, ConfigError for an address or a token that cannot be used.
    """
    _refuse_path(gateway, path)
    target = Target(f"{gateway.rstrip('/')}/{path.lstrip('/')}", NAMED, token, _EXAMPLE)
    body = json.dumps({"text": text, "mode": "now"}).encode()
    reply = http.post(target, body, {})
    judge(reply, target.place, path, of_environment=of_environment)
    return reply


def _refuse_path(gateway: str, path: str) -> None:
    """Refuse an address that already ends in the wake path or in its folder: it would stand there twice."""
    whole = f"/{path.strip('/')}"
    ending = f"/{gateway.rstrip('/').partition('://')[2].partition('/')[2]}"
    parts = {whole, whole.rpartition("/")[0]} - {""}
    if any(ending.endswith(part) for part in parts):
        told = f"write {_EXAMPLE} alone, openclaw.wake_path ({path}) is added to it"
        raise ConfigError(f"{NAMED} must not hold the hooks path; {told}")


def judge(reply: Reply, place: str, path: str, *, of_environment: bool = False) -> None:
    """Raise RefusedError or UnreachableError unless the answer says that the wake is queued."""
    gateway = f"the OpenClaw gateway at {place}"
    if reply.is_good and _is_page(reply):
        # A gateway whose hooks are off may show its control page for any path.
        remedy = f"see {NAMED}; {_ENDPOINT.format(path=path)}"
        raise RefusedError(f"{gateway} answered with a web page ({reply.status}), so no hook is there; {remedy}")
    if reply.is_good and _field(reply, "ok") is not False:
        return
    if reply.is_good or reply.may_pass:
        raise UnreachableError(f"{gateway} could not take the wake now ({reply.told}); try again later")
    remedy = _REMEDIES.get(reply.status, _ANY).format(path=path)
    if reply.status == _UNAUTHORIZED and of_environment:
        remedy = _FROM_ENVIRONMENT
    raise RefusedError(f"{gateway} refused the wake ({reply.told}); {remedy}")


def outcome(reply: Reply) -> str:
    """Return what the gateway did with the wake: `queued`, or `coalesced` with the same text that still waits."""
    return "coalesced" if _field(reply, "eventOutcome") == "coalesced" else "queued"


def _report(result: Mapping[str, Any], *, group_told: bool) -> str:
    if not result.get("group"):
        return "report to the user"
    thread = f", thread {_plain(result['thread_id'])}" if result.get("thread_id") else ""
    group = f"{_plain(result.get('channel') or 'telegram')} group {_plain(result['group'])}{thread}"
    if group_told:
        return f"do not report to the {group} (another hook tells it)"
    return f"report to the user ({group})"


def _plain(text: str) -> str:
    return "".join(char for char in text if char.isalnum() or char in " -_.")[:MAX_NAME]


def _is_page(reply: Reply) -> bool:
    return "html" in reply.content_type.lower() or reply.body.lstrip()[:1] == b"<"


def _field(reply: Reply, name: str) -> Any:
    try:
        told = json.loads(reply.body)
    except ValueError:
        return None
    return told.get(name) if isinstance(told, dict) else None
