"""What comes back: events put together into one answer, or the reason why there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

from kimi_hooks.kimi.failure import Action, CallFailedError, Failure, classify, excerpt, host_of
from kimi_hooks.kimi.usage import Usage, parse_usage
from kimi_hooks.text import mended

DONE = "[DONE]"


@dataclass(frozen=True)
class Answer:
    """One complete answer; `text` is empty only where it continues another one, `warnings` are for who asked.

    `finish_reason` is `length` where the text is cut at its cap; no warning tells that.
    """

    text: str
    reasoning: str | None
    finish_reason: str
    model: str
    usage: Usage | None
    request_id: str | None
    warnings: tuple[str, ...]


@dataclass
class Draft:
    """What has arrived so far of one answer; `cap` is how many tokens it may take, if that was sent."""

    api_url: str
    model: str
    cap: int | None = None
    http_status: int | None = None
    request_id: str | None = None
    content_type: str = ""
    # Not lists: an answer comes in pieces of a few characters, and each would take ten times their room.
    content: StringIO = field(default_factory=StringIO)
    reasoning: StringIO = field(default_factory=StringIO)
    finish_reason: str | None = None
    usage: Usage | None = None
    choice_usage: Usage | None = None
    done: bool = False
    continues: bool = False

    def text(self) -> str:
        """Return the content so far."""
        return mended(self.content.getvalue())

    def fail(self, kind: str, action: Action, message: str) -> CallFailedError:
        """Build the error that carries what has arrived."""
        return self.carry(Failure(kind, action, message, self.http_status, self.request_id))

    def carry(self, failure: Failure) -> CallFailedError:
        """Let a failure carry what has arrived."""
        return CallFailedError(failure, self.text(), self.usage or self.choice_usage)


def take(draft: Draft, data: str) -> None:
    """Add the data of one event. Raises CallFailedError for an error object and for what is not JSON."""
    if data.strip() == DONE:
        draft.done = True
    elif data.strip():
        take_object(draft, _parse(draft, data))


def take_object(draft: Draft, event: Any) -> None:
    """Add one chunk, or one completion that came whole. Raises CallFailedError for an error object."""
    if not isinstance(event, dict):
        raise _unreadable(draft, json.dumps(event))
    if event.get("error"):
        raise _refused(draft, event)
    if isinstance(event.get("model"), str):
        draft.model = mended(event["model"])
    draft.usage = parse_usage(event.get("usage")) or draft.usage
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict):
            _take_choice(draft, choice)


def take_whole(draft: Draft, body: bytes) -> None:
    """Add the one JSON object of a server that does not stream."""
    take_object(draft, _parse(draft, body.decode("utf-8", errors="replace")))
    draft.done = True


def conclude(draft: Draft, warnings: tuple[str, ...]) -> Answer:
    """Return the answer if it is one. Raises CallFailedError, the reason's table being the code below.

    Source: only `[DONE]` means complete (Kimi platform docs); finish_reason says how it ended.
    """
    reason = draft.finish_reason
    if not draft.done or reason is None:
        raise _cut(draft)
    if reason == "content_filter":
        raise draft.fail("content_filter", "never", "Kimi's content filter stopped the answer; change the prompt.")
    if reason == "tool_calls":
        raise draft.fail("unknown", "never", _wants_a_tool(draft))
    text = draft.text()
    if not text.strip() and not (draft.continues and reason in ("stop", "length")):
        raise _empty(draft, reason)
    return Answer(
        text=text,
        reasoning=mended(draft.reasoning.getvalue()) or None,
        finish_reason=reason,
        model=draft.model,
        usage=draft.usage or draft.choice_usage,
        request_id=draft.request_id,
        warnings=(*warnings, *_ending_warnings(reason)),
    )


def _take_choice(draft: Draft, choice: dict[str, Any]) -> None:
    piece = choice.get("delta") or choice.get("message")
    if isinstance(piece, dict):
        _append(draft.content, piece.get("content"))
        _append(draft.reasoning, piece.get("reasoning_content"))
    if isinstance(choice.get("finish_reason"), str):
        draft.finish_reason = mended(choice["finish_reason"])
    draft.choice_usage = parse_usage(choice.get("usage")) or draft.choice_usage


def _append(text: StringIO, value: Any) -> None:
    if isinstance(value, str):
        text.write(value)


def _parse(draft: Draft, data: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise _unreadable(draft, data) from None


def _unreadable(draft: Draft, data: str) -> CallFailedError:
    message = f"{_place(draft)} sent something that is not a chat event: {excerpt(data)!r}. That may pass."
    return draft.fail("server_error", "retry", message)


def _refused(draft: Draft, event: dict[str, Any]) -> CallFailedError:
    failure = classify(None, {}, json.dumps(event).encode(), draft.api_url)
    return draft.carry(replace(failure, http_status=draft.http_status, request_id=draft.request_id))


def _cut(draft: Draft) -> CallFailedError:
    missing = "[DONE]" if draft.finish_reason else "finish_reason"
    came = draft.content.tell()
    message = (
        f"{_place(draft)} ended the answer before its end (no {missing}, {came} characters of text had come, "
        f"content type {excerpt(draft.content_type) or 'not given'}). That may pass."
    )
    return draft.fail("server_error", "retry", message)


def _empty(draft: Draft, reason: str) -> CallFailedError:
    if reason == "length":
        return draft.fail("max_output_tokens", "never", _eaten(draft))
    if reason == "stop":
        return draft.fail("unknown", "retry", f"{_place(draft)} sent an empty answer. That may pass.")
    message = f"{_place(draft)} sent no text and ended with {excerpt(reason)!r}, which is not understood here."
    return draft.fail("unknown", "never", message)


def _eaten(draft: Draft) -> str:
    """Say what took the tokens when none was left for the text. The cap counts the reasoning (Kimi platform docs)."""
    usage = draft.usage or draft.choice_usage
    cap = "the model's own cap" if draft.cap is None else f"the cap of {draft.cap:,} tokens"
    told = f" ({usage.reasoning:,} tokens of reasoning)" if usage and usage.reasoning else ""
    remedy = "Set max_tokens above that cap" if draft.cap is None else "Set max_tokens higher, or leave it out"
    eaten = f"{_place(draft)} sent no text: the reasoning ate {cap} on the answer{told}"
    return f"{eaten}. {remedy}, or ask for less reasoning with reasoning_effort."


def _wants_a_tool(draft: Draft) -> str:
    return (
        f"{_place(draft)} did not answer but asked for a tool to be called, and tools are not used here; "
        "say in the prompt that the answer shall be text."
    )


def _ending_warnings(reason: str) -> tuple[str, ...]:
    # A text that is cut at its cap is for the caller to carry on with, or to warn of.
    if reason in {"stop", "length"}:
        return ()
    return (f"The answer ended with {excerpt(reason)!r}, which is not understood here; its text is used.",)


def _place(draft: Draft) -> str:
    return f"Kimi at {host_of(draft.api_url)}"
