"""The queue pauses, goes on, or loses news: each with its notification, in one transaction with what it tells of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from kimi_hooks import owing
from kimi_hooks.clock import iso
from kimi_hooks.config import Config
from kimi_hooks.events import KINDS, NOTIFICATION, NOTIFICATION_ID, Notification, NotificationType
from kimi_hooks.journal import facts, notifications, switches, tasks
from kimi_hooks.journal.deliveries import HookRun
from kimi_hooks.journal.facts import Pause
from kimi_hooks.journal.store import Connection

# How a pause ended: somebody said so, key, address or budget have changed, or its time was over.
How = Literal["person", "settings", "time"]
_WENT_ON: Mapping[How, str] = {
    "person": "somebody said kimi-hooks resume",
    "settings": "the settings have changed",
    "time": "its pause is over",
}
# So many ids stand in a message; all of them stand in the detail.
_NAMED = 5
_WAIT = "Tasks wait, and none is lost."
_TITLES: Mapping[NotificationType, str] = {
    "queue_paused": "The queue is paused",
    "budget_reached": "A budget is reached, and the queue is paused",
    "queue_resumed": "The queue goes on",
    "hook_gave_up": "A hook gave up",
    "hook_disabled": "A hook is switched off",
    "config_broken": "An edit cannot be used",
    "answer_unknown": "Nobody knows whether Kimi has answered",
}


def pause(db: Connection, config: Config, given: Pause, now: float) -> Notification | None:
    """Pause the queue; return the news of it, None when it was paused for this reason or by a person before."""
    before = facts.paused(db)
    facts.pause(db, given)
    if facts.paused(db) == before:
        return None
    kind: NotificationType = "budget_reached" if given.reason == facts.BUDGET else "queue_paused"
    return _add(db, config, now, kind, _why(given), {"reason": given.reason})


def resume(db: Connection, config: Config, how: How, now: float) -> Notification | None:
    """Let the queue go on, as `tasks.resume_queue`; return the news of it, None when it was not paused."""
    before = facts.paused(db)
    tasks.resume_queue(db, by_person=how == "person")
    if before is None:
        return None
    told = f"Tasks are sent again: {_WENT_ON[how]}. It was paused for this reason: {before}."
    return _add(db, config, now, "queue_resumed", told, {"reason": before, "how": how})


def gave_up(db: Connection, config: Config, run: HookRun) -> Notification | None:
    """Tell that a hook gave up on an event; None for a notification's hook, which would have itself to tell of."""
    if KINDS.get(run.event) is NOTIFICATION:
        return None
    detail, about = _about(db, run)
    tries = "1 try" if run.attempt == 1 else f"{run.attempt} tries"
    # What the hook wrote may hold anything, a secret too: it stays in the record.
    told = f"The hook {run.hook_id} gave up on {about}, after {tries}."
    remedy = f"Find the reason with: kimi-hooks hooks runs --hook {run.hook_id}"
    return _add(db, config, run.ended_at, "hook_gave_up", f"{told} {remedy}", detail)


def receiver_gone(db: Connection, config: Config, run: HookRun) -> Notification | None:
    """Switch a hook off whose receiver is gone for good, and tell it; None when it was switched off before.

    Hooks of notifications are told, too: the one that it is about is owed nothing any more. A guard stays on and
    refuses: switched off, it would leave open what it guards.
    """
    if _is_guard(config, run.hook_id):
        return gave_up(db, config, run) if run.outcome == "gave_up" else None
    why = f"its receiver said {run.http_status}: gone for good"
    if not switches.switch_off(db, run.hook_id, why, run.ended_at):
        return None
    detail, about = _about(db, run)
    remedy = f"kimi-hooks hooks enable {run.hook_id}"
    told = f"The hook {run.hook_id} is switched off: {why}. It was not told of {about}, and is told of nothing more."
    how = f"If the receiver is back, or config.yaml has its new address: {remedy}"
    return _add(db, config, run.ended_at, "hook_disabled", f"{told} {how}", {**detail, "why": why, "remedy": remedy})


def _is_guard(config: Config, hook_id: str) -> bool:
    hooks = (hook for hook in config.each_hook() if hook.hook_id == hook_id)
    return any(hook.is_gate and hook.handler.on_failure == "block" for hook in hooks)


def _about(db: Connection, run: HookRun) -> tuple[dict[str, Any], str]:
    """Return what programs and people are told of the event that a hook was run for."""
    entry = tasks.get(db, run.task_id) if run.task_id else None
    detail = {
        "hook_id": run.hook_id,
        "event": run.event,
        "event_id": run.event_id,
        "task_id": run.task_id,
        "task_name": entry.name if entry else None,
    }
    return detail, f"{run.event} of {entry.id} ({entry.name})" if entry else run.event


def config_broken(db: Connection, config: Config, file: Path, mistakes: str, now: float) -> Notification:
    """Tell that config.yaml or a template was edited and cannot be used; `config` is the one that counts on."""
    told = f"{' '.join(mistakes.split())}. What the file said before counts until it is mended, without a restart."
    return _add(db, config, now, "config_broken", told, {"file": str(file)})


def answer_unknown(db: Connection, config: Config, task_ids: Sequence[str], now: float) -> Notification:
    """Tell which tasks are held because the runner died while they were being answered."""
    first = ", ".join(task_ids[:_NAMED]) + (f" and {len(task_ids) - _NAMED} more" if len(task_ids) > _NAMED else "")
    told = f"The runner died while these tasks were being answered, so they are held: {first}."
    remedy = "Send one again, which may pay twice, with: kimi-hooks release ID. End one with: kimi-hooks cancel ID"
    detail = {"task_ids": list(task_ids), "count": len(task_ids)}
    return _add(db, config, now, "answer_unknown", f"{told} {remedy}", detail)


def _why(pause: Pause) -> str:
    if pause.is_by_person:
        return f"Somebody said kimi-hooks pause. {_WAIT} Go on with: kimi-hooks resume"
    why = f"{pause.why[:1].upper()}{pause.why[1:].rstrip('.')}." if pause.why else f"The reason is {pause.reason}."
    by_itself = "It goes on when key or address change, or with" if pause.mark else "Go on with"
    if pause.until is not None:
        by_itself = f"It goes on by itself at {iso(pause.until)}, or with"
    return f"{why} {_WAIT} {by_itself}: kimi-hooks resume"


def _add(
    db: Connection, config: Config, now: float, kind: NotificationType, message: str, detail: Mapping[str, Any]
) -> Notification:
    """Write the news down, and that each hook which wants it is owed it."""
    # By chance and kept: receivers that remember ids see those of several workspaces, and of a spool that was renewed.
    event_id = f"{NOTIFICATION_ID}{os.urandom(5).hex()}"
    made = Notification(event_id, kind, _TITLES[kind], message, detail, now)
    notifications.add(db, made)
    owing.owe(db, config, made, now)
    return made
