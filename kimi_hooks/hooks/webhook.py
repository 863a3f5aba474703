"""A result or notification on its way to the user's receiver: signed if there is a secret, one id at every try."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kimi_hooks import events, signing
from kimi_hooks.clock import Clock
from kimi_hooks.errors import RefusedError, UnreachableError
from kimi_hooks.events import Notification
from kimi_hooks.hooks import http
from kimi_hooks.hooks.http import Reply, Target

NAMED = "WEBHOOK_URL"


def send(url: str, secret: str | None, webhook_id: str, body: bytes, clock: Clock) -> Reply:
    """Post the bytes and return the answer of a receiver that took them.

    Raises RefusedError when it never will, UnreachableError when it may at a later try, ConfigError for an address or
    a secret that cannot be used.
    """
    target = Target(url, NAMED)
    now = clock.now()
    headers = signing.headers(secret, webhook_id, now, body) if secret else signing.unsigned(webhook_id, now)
    reply = http.post(target, body, headers, clock)
    judge(reply, target.place)
    return reply


def body_of(notification: Notification) -> bytes:
    """Return what is posted of a notification: JSON that `notification_type` tells from a result."""
    told = events.of_queue(notification)
    kept = ("timestamp", "notification_type", "title", "message", "detail", "task_id")
    return json.dumps(
        {"event_id": notification.event_id, **{name: told[name] for name in kept}}, ensure_ascii=False
    ).encode()


def judge(reply: Reply, place: str) -> None:
    """Raise RefusedError or UnreachableError unless the receiver took what was sent."""
    if reply.is_good:
        return
    if reply.may_pass:
        raise UnreachableError(f"{place} could not take the result now ({reply.told}); try again later")
    raise RefusedError(f"{place} refused the result ({reply.told}); {_remedy(reply.status)}")


def _remedy(status: int) -> str:
    if status < 400:  # noqa: PLR2004 - HTTP's own number
        return f"redirects are not followed: put the final address into {NAMED}"
    if status in {401, 403}:
        return f"see whether it wants another secret than WEBHOOK_SECRET, or a token in {NAMED}"
    if status in {404, 405, 410}:
        return f"nothing takes results there: see {NAMED}, or take it out"
    return "see the receiver's log"


def id_for(result: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Return the event's id: the one that the hook was given if it is of this task, else derived as events are."""
    given = environ.get("KIMI_EVENT_ID", "")
    if re.fullmatch(rf"{re.escape(str(result['task_id']))}-[A-Za-z0-9_-]+", given):
        return given
    return events.of_result(result).event_id
