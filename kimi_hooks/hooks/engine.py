"""Choose the hooks for an event, say why the others are not, and judge how they ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from kimi_hooks.config import Config
from kimi_hooks.config_hooks import Hook
from kimi_hooks.errors import TemplateError
from kimi_hooks.events import Event, Matched, Notification
from kimi_hooks.hooks import statuses
from kimi_hooks.journal import switches
from kimi_hooks.journal.deliveries import Delivery, RunOutcome
from kimi_hooks.journal.switches import SwitchedOff
from kimi_hooks.logs import LOGGER, visible
from kimi_hooks.process.protocol import Finished

GIVE_UP_CODE = 2
MAX_SHOWN = 80
_COMPARED: Mapping[Matched, str] = {
    "task_name": "the task's name",
    "error_kind": "the kind of error",
    "notification_type": "the type of the notification",
    "source": "the source",
    "reason": "the reason",
}


@dataclass(frozen=True)
class Considered:
    """A hook under an event, and why it does not run; None when it does. `remark` is what is odd about that."""

    hook: Hook
    why_not: str | None
    remark: str = ""


@dataclass(frozen=True)
class _Judged:
    """What keeps a hook from an event, to be put into words if somebody asks; None when nothing does."""

    hindrance: Callable[[], str] | None
    remark: str = ""


_NOTHING = _Judged(None)


def consider(config: Config, event: Event, off: Collection[str] = ()) -> list[Considered]:
    """Return every hook under this event in the order of the config, with the reason in words why it does not run.

    `off` are the ids that are switched off; as a mapping to `SwitchedOff`, it is told why.
    """
    found = []
    for hook in config.named_hooks():
        if hook.kind == event.kind:
            judged = _judged(config, hook, event, off)
            found.append(Considered(hook, judged.hindrance() if judged.hindrance else None, judged.remark))
    return found


def choose(config: Config, event: Event, off: Collection[str] = ()) -> list[Hook]:
    """Return the hooks that want this event, in the order of the config; `off` are ids that are switched off."""
    chosen = []
    for hook in config.each_hook():
        if hook.kind == event.kind:
            judged = _judged(config, hook, event, off)
            if judged.remark:
                LOGGER.warning("%s hook %s: %s", event.event_id, hook.hook_id, judged.remark)
            if judged.hindrance is None:
                chosen.append(hook)
    return chosen


def _judged(config: Config, hook: Hook, event: Event, off: Collection[str]) -> _Judged:
    """Ask what costs least first: this is done for every hook at the end of every task."""
    if not hook.handler.enabled:
        return _Judged(lambda: "enabled: false stands in config.yaml")
    if off and hook.hook_id in off:
        return _Judged(partial(_told_off, hook.hook_id, off))
    if config.disable_all_hooks:
        return _Judged(lambda: "disableAllHooks is on in config.yaml")
    if not hook.group.accepts(event.matched_text):
        return _Judged(partial(_missed, hook, event.matched_text))
    return _judged_by_condition(hook, event) if hook.handler.condition is not None else _NOTHING


def _judged_by_condition(hook: Hook, event: Event) -> _Judged:
    from kimi_hooks.hooks import condition  # noqa: PLC0415 - jinja takes long to load, and few hooks have an `if`

    expression = hook.handler.condition or ""
    fields = condition.fields_of(event, hook.event_name)
    try:
        if condition.accepts(expression, fields):
            return _NOTHING
    except TemplateError as error:
        # A hook that guards must not be switched off by a value that is missing.
        return _Judged(None, f"its `if` cannot be told, so it runs: {error}")
    return _Judged(lambda: f"if: {_shown(expression)} is false: {condition.looked_at(expression, fields)}")


def _told_off(hook_id: str, off: Collection[str]) -> str:
    switched = off.get(hook_id) if isinstance(off, Mapping) else None
    why = off_because(switched) if isinstance(switched, SwitchedOff) else "it is switched off"
    return f"{why}; switch it on with: kimi-hooks hooks enable {hook_id}"


def off_because(switched: SwitchedOff) -> str:
    """Return in words who switched a hook off, or why it was."""
    by_person = switched.why == switches.BY_PERSON
    return "somebody said hooks disable" if by_person else f"it is switched off: {visible(switched.why)}"


def _missed(hook: Hook, text: str) -> str:
    """Say what was compared with what, and what is nearly right."""
    matcher, compared = hook.group.matcher or "", f"{_COMPARED[hook.kind.matches]} {_shown(text)!r}"
    names = hook.group.names
    if names is not None:
        return f"matcher: {matcher!r} is a list of exact names, and {compared} is not in it{_near_name(names, text)}"
    hint = "; upper and lower case matter, or write (?i) in front" if re.search(matcher, text, re.IGNORECASE) else ""
    return f"matcher: {matcher!r} is a regular expression, and it is not found in {compared}{hint}"


def _near_name(names: Collection[str], text: str) -> str:
    if text.lower() in {name.lower() for name in names}:
        return "; upper and lower case matter"
    if "".join(text.split()) in {"".join(name.split()) for name in names}:
        return "; blanks count inside a name"
    part = next((name for name in names if name and name in text), None)
    return f"; it is a part of it: for that, write a regular expression such as {part + '.*'!r}" if part else ""


def _shown(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 3] + "..."


def owed(config: Config, event: Event) -> list[Delivery]:
    """Return a delivery for each hook that wants this event and is not asked at a gate, switched off or not."""
    # A notification is no task's news, even where it is about one: the record of a task's hooks stays its own.
    task_id = None if isinstance(event, Notification) else event.task_id
    hooks = (hook for hook in choose(config, event) if not hook.is_gate)
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
