"""Choose the hooks for an event, and judge how they ended."""

from __future__ import annotations

from collections.abc import Collection

from kimi_hooks.config import Config
from kimi_hooks.config_hooks import Hook
from kimi_hooks.events import Event, Notification
from kimi_hooks.hooks import statuses
from kimi_hooks.journal.deliveries import Delivery, RunOutcome
from kimi_hooks.process.protocol import Finished

GIVE_UP_CODE = 2


def choose(config: Config, event: Event, off: Collection[str] = ()) -> list[Hook]:
    """Return the hooks that want this event, in the order of the config; `off` are ids that are switched off."""
    return [
        hook
        for hook in config.each_hook()
        if hook.kind == event.kind and hook.hook_id not in off and hook.group.accepts(event.matched_text)
    ]


def owed(config: Config, event: Event, off: Collection[str] = ()) -> list[Delivery]:
    """Return a delivery for each hook that wants this event and is not asked at a gate."""
    # A notification is no task's news, even where it is about one: the record of a task's hooks stays its own.
    task_id = None if isinstance(event, Notification) else event.task_id
    hooks = (hook for hook in choose(config, event, off) if not hook.is_gate)
    return [Delivery(event.event_id, hook.hook_id, hook.event_name, task_id, place=hook.place) for hook in hooks]


def find(config: Config, delivery: Delivery) -> Hook | None:
    """Return the hook that a delivery was meant for, None when it is no longer configured."""
    for hook in config.each_hook():
        if hook.hook_id == delivery.hook_id and hook.event_name == delivery.event:
            return hook
    return None


def judge(finished: Finished) -> RunOutcome:
    """Tell what the end of a news hook means: delivered, given up on purpose, or to be tried again.

    Exit code 2 gives up only with a reason on stderr: without one it is how many broken launches end. A post goes by
    the status of its answer.
    """
    if finished.is_final:
        return "gave_up"
    if finished.timed_out:
        return "retry"
    if finished.http_status is not None:
        return _of_answer(finished.http_status)
    if finished.exit_code == 0:
        return "delivered"
    if finished.exit_code == GIVE_UP_CODE and finished.stderr.strip():
        return "gave_up"
    return "retry"


def _of_answer(status: int) -> RunOutcome:
    if statuses.is_good(status):
        return "delivered"
    return "retry" if statuses.may_pass(status) else "gave_up"
