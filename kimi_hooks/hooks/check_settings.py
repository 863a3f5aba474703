"""What is written under `hooks` and does nothing, or not what it seems to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from kimi_hooks.config_hooks import Hook, MatcherPart
from kimi_hooks.events import FAILED, NOTIFICATION, SESSION_END, SESSION_START, EventKind, NotificationType
from kimi_hooks.mistakes import nearest

ERROR_KINDS = frozenset(
    {
        "authentication_failed", "billing_error", "blocked", "cancelled", "content_filter", "crash", "dependency",
        "invalid_request", "invalid_task", "max_output_tokens", "model_not_found", "overloaded", "rate_limit",
        "server_error", "timeout", "unknown",
    }
)  # fmt: skip
# What a matcher can meet under those events where that is not a name of the user's own.
WORDS: Mapping[EventKind, frozenset[str]] = {
    SESSION_START: frozenset({"startup"}),
    SESSION_END: frozenset({"stopped", "drained"}),
    NOTIFICATION: frozenset(get_args(NotificationType)),
    FAILED: ERROR_KINDS,
}


def warnings(hook: Hook, others: Sequence[Hook]) -> Iterator[str]:
    """Yield what somebody should know of a hook that can run; `others` are all hooks."""
    yield from _of_matcher(hook)
    yield from _of_idle_keys(hook)
    yield from _of_twins(hook, others)


def _of_matcher(hook: Hook) -> Iterator[str]:
    known = WORDS.get(hook.kind)
    if known is None:
        return
    for name in _names(hook.group):
        if name not in known:
            remedy = nearest(name, known)
            yield f"the matcher {hook.group.matcher!r}: {name!r} never comes under {hook.event_name}{remedy}"


def _names(group: MatcherPart) -> list[str]:
    """Return the names that a matcher lists; none when it takes everything or is a regular expression."""
    if not group.lists_names:
        return []
    return [name.strip() for name in re.split(r"[|,]", group.matcher or "") if name.strip()]


def _of_idle_keys(hook: Hook) -> Iterator[str]:
    said = hook.handler.model_fields_set
    if hook.is_gate and "retries" in said:
        yield f"`retries` does nothing: {hook.event_name} is a gate, which is asked once; leave it out"
    # In a group that goes one after the other it says something: the hook neither waits nor is waited for.
    if "is_async" in said and hook.handler.is_async and not hook.kind.is_gate and not hook.group.sequential:
        yield f"`async` does nothing: nobody waits for a hook under {hook.event_name}; leave it out"
    for key, field in (("onFailure", "on_failure"), ("statusMessage", "status_message")):
        if field in said and not hook.is_gate:
            why = "an `async` hook is not waited for" if hook.handler.is_async else f"{hook.event_name} is no gate"
            yield f"`{key}` does nothing: {why}; leave it out"


def _of_twins(hook: Hook, others: Sequence[Hook]) -> Iterator[str]:
    """Yield a word on an earlier hook that runs the same command under the same event, neither with an id."""
    earlier = others[: next(number for number, other in enumerate(others) if other is hook)]
    if any(_is_twin(hook, other) for other in earlier):
        yield f"its command stands twice under {hook.event_name}, both times without an id; give each one or remove it"


def _is_twin(hook: Hook, other: Hook) -> bool:
    if hook.handler.id or other.handler.id or hook.kind != other.kind or hook.handler.told != other.handler.told:
        return False
    # The same handler in two groups is how one hook gets two matchers: it runs once.
    return hook.handler != other.handler or hook.number == other.number
