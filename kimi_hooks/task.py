"""What a task file says: one frozen value, checked."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kimi_hooks.clock import LONGEST_WAIT, parse_age, parse_iso
from kimi_hooks.errors import TaskError
from kimi_hooks.mistakes import describe
from kimi_hooks.text import MAX_NAME, in_words, named, not_blank, one_line, thinking_word, utf8

MAX_DEPTH = 50


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _json_only(value: dict[str, Any]) -> dict[str, Any]:
    if _depth(value) > MAX_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_DEPTH}")
    try:
        utf8(json.dumps(value, allow_nan=False, ensure_ascii=False))
    except (TypeError, RecursionError):
        raise ValueError("holds something that JSON does not know") from None
    except ValueError as error:
        raise ValueError(in_words(error)) from None
    return value


def _depth(value: Any) -> int:
    """Return how deep lists and mappings are nested, looking no further than one below the limit."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [child for items in inner for child in items]
        depth += 1
    return depth


def _instant(value: float | str | None) -> float | str | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _iso_text(str(value))
    if not 0 <= seconds <= LONGEST_WAIT:
        raise ValueError("must be an ISO time or a number of seconds from now, ten years at most")
    return seconds


def _age(value: object) -> object:
    """Read an age: seconds, a number with s, m, h or d, or yes for any age."""
    if value is True or value == "any":
        return LONGEST_WAIT
    if value is False or value is None:
        return None
    try:
        return min(parse_age(str(value)), LONGEST_WAIT)
    except ValueError:
        raise ValueError("must be an age such as 90, 30m, 24h or 7d, or true for any age") from None


def _full_path(text: str | None) -> str | None:
    if text is not None and not PurePath(text).is_absolute():
        raise ValueError("must be a full path: the runner's own folder says nothing of where a task was sent from")
    return text


def _iso_text(text: str) -> str:
    try:
        parse_iso(text)
    except ValueError:
        raise ValueError(f"must be an ISO time or a number of seconds from now, not {text!r}") from None
    return text


Text = Annotated[str, AfterValidator(utf8)]
Line = Annotated[str, Field(min_length=1), AfterValidator(one_line)]
Lines = Annotated[tuple[Line, ...], BeforeValidator(_listed)]


class Task(BaseModel):
    """One task as its file says it. `timeout` is in seconds; `not_before` an ISO time or seconds from acceptance.

    `reuse` is how old an answer to the same request may be, in seconds, that is given instead of a call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    prompt: Annotated[Text, AfterValidator(not_blank)]
    name: Annotated[Line, Field(max_length=MAX_NAME)]
    group: Line | None = None
    channel: Line = "telegram"
    account: Line | None = None
    thread_id: Line | None = None
    reply_to: Line | None = None
    model: Line | None = None
    system: Text | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    reasoning_effort: Line | None = None
    thinking: Annotated[str, AfterValidator(thinking_word)] | None = None
    context: Lines = ()
    timeout: Annotated[float, Field(gt=0, le=LONGEST_WAIT, allow_inf_nan=False)] = 3600.0
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    not_before: Annotated[float | str | None, AfterValidator(_instant)] = None
    after: Lines = ()
    dedupe_key: Annotated[Line, Field(max_length=500)] | None = None
    reuse: Annotated[float | None, BeforeValidator(_age)] = None
    standin: bool = False
    metadata: Annotated[dict[str, Any], AfterValidator(_json_only)] = {}
    dispatched_from: Annotated[Line | None, AfterValidator(_full_path)] = None

    def starts_at(self, accepted: float) -> float:
        """Return the instant, in seconds since 1970, before which the task must not be sent."""
        if self.not_before is None:
            return accepted
        if isinstance(self.not_before, float):
            return accepted + self.not_before
        return max(accepted, parse_iso(self.not_before))


# Keys whose plain YAML values are kept as written: `group: -5298003529`, `name: 012`.
TEXT_KEYS = frozenset(Task.model_fields) - {
    "metadata",
    "standin",
    "timeout",
    "priority",
    "temperature",
    "max_tokens",
    "reuse",
}


def check(data: dict[str, Any], *, default_name: str, where: str) -> tuple[Task, list[str]]:
    """Return the task in `data` and warnings about it. Raises TaskError that names every mistake."""
    name, warnings = named(data.get("name"), default_name)
    try:
        return Task.model_validate({**data, "name": name}), warnings
    except ValidationError as error:
        raise TaskError(f"{where}: {'; '.join(describe(error, Task))}") from error
