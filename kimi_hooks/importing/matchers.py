"""Matchers of Claude Code's: what they mean under an event here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from kimi_hooks.config_hooks import MatcherPart
from kimi_hooks.events import NotificationType
from kimi_hooks.mistakes import describe

# Events whose matchers Claude Code ignores; here they are compared with the task's name.
_WITHOUT_MATCHER = frozenset({"UserPromptSubmit", "Stop", "TaskCreated", "TaskCompleted"})
_ENDS = ("clear", "logout", "prompt_input_exit", "other")
_OUR_ENDS = ("stopped", "drained")
# What Claude Code notifies of, and where the like of it is told here.
_NEAR: Mapping[str, str] = {
    "permission_prompt": "queue_paused",
    "idle_prompt": "queue_paused",
    "agent_needs_input": "queue_paused",
    "elicitation_dialog": "queue_paused",
    "elicitation_url_dialog": "queue_paused",
    "auth_success": "queue_resumed",
    "quota_auto_resume_fired": "queue_resumed",
    "quota_auto_resume_stale": "budget_reached",
    "quota_auto_resume_disabled": "budget_reached",
}


@dataclass(frozen=True)
class Matched:
    """The matcher to write, None for all; or why the group is left out. `told` is what has changed."""

    matcher: str | None = None
    refusal: str = ""
    told: str = ""


def translate(event: str, matcher: Any) -> Matched:
    """Return what becomes of a matcher under Claude Code's event."""
    if matcher in (None, "", "*"):
        return Matched()
    if event in _WITHOUT_MATCHER:
        told = "Claude Code ignores it under this event, and here it would be compared with the task's name"
        return Matched(told=f"the matcher {matcher!r} is left out: {told}")
    try:
        text = matcher.replace("(?<", "(?P<") if _names_groups(matcher) else matcher
        group = MatcherPart.model_validate({"matcher": text, "hooks": []})
    except ValidationError as error:
        return Matched(refusal="; ".join(describe(error, MatcherPart)))
    return {"SessionStart": _start, "SessionEnd": _end, "Notification": _notification}.get(event, _same)(group)


def _names_groups(matcher: Any) -> bool:
    return isinstance(matcher, str) and "(?<" in matcher and "(?<=" not in matcher and "(?<!" not in matcher


def _same(group: MatcherPart) -> Matched:
    return Matched(group.matcher)


def _start(group: MatcherPart) -> Matched:
    if not group.accepts("startup"):
        return Matched(
            refusal=f"sessions are neither resumed nor cleared here; {group.matcher!r} never happens, only startup"
        )
    told = (
        ""
        if group.matcher == "startup"
        else f"the matcher {group.matcher!r} became 'startup'; nothing else happens here"
    )
    return Matched("startup", told=told)


def _end(group: MatcherPart) -> Matched:
    if any(group.accepts(reason) for reason in _OUR_ENDS):
        return Matched(group.matcher)
    if not any(group.accepts(reason) for reason in _ENDS):
        return Matched(refusal=f"no session is resumed here; {group.matcher!r} never happens, only stopped and drained")
    return Matched(
        "stopped", told=f"the matcher {group.matcher!r} became 'stopped'; the reasons here are stopped and drained"
    )


def _notification(group: MatcherPart) -> Matched:
    if any(group.accepts(kind) for kind in get_args(NotificationType)):
        return Matched(group.matcher)
    if group.accepts("agent_completed"):
        return Matched(
            refusal="nothing of that name is notified of here; for finished tasks there is the event TaskCompleted"
        )
    near = sorted({ours for theirs, ours in _NEAR.items() if group.accepts(theirs)})
    told = (
        f"the nearest is `matcher: {'|'.join(near)}`" if near else f"there are {', '.join(get_args(NotificationType))}"
    )
    return Matched(refusal=f"nothing of the name {group.matcher!r} is notified of here; {told}")
