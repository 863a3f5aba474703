"""The event that a file describes: some of the fields of a hook's input; the rest is null."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from kimi_hooks.errors import EventError
from kimi_hooks.events import FIELDS, KINDS, Moment
from kimi_hooks.mistakes import nearest
from kimi_hooks.text import one_line, utf8
from kimi_hooks.trying.occasion import Occasion, trial_id

# Those of the run, so that the input that a hook was once handed is a fixture as it is.
_OF_THE_RUN = frozenset({"cwd", "hook_event_name", "event_id", "attempt", "result_file", "transcript_path"})
# The same value under two names: one of them is enough.
_TWINS = (("task_id", "session_id"), ("task_name", "task_subject"), ("output", "last_assistant_message"))
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("error", "usage", "cost", "metadata", "detail"), ((dict,), "an object")),
    **dict.fromkeys(("background_tasks", "session_crons"), ((list,), "a list")),
    **dict.fromkeys(("standin", "stop_hook_active"), ((bool,), "true or false")),
    **dict.fromkeys(("attempt", "duration_ms", "stop_hook_count"), ((int, float), "a number")),
}
_ON_ONE_LINE = ("task_id", "task_name", "status", "result_file", "transcript_path")


def of_text(data: bytes, name: str, where: str) -> Occasion:
    """Return the event of this name that the JSON describes. Raises EventError that names every mistake."""
    given = _object(data, where)
    mistakes = [*_unknown(given), *_wrong(given), *_other_event(given, name)]
    if mistakes:
        raise EventError(f"{where}: {'; '.join(mistakes)}")
    fields = {key: value for key, value in given.items() if key not in _OF_THE_RUN}
    for one, other in _TWINS:
        if fields.get(one) is None and fields.get(other) is not None:
            fields[one] = fields[other]
        elif fields.get(other) is None and fields.get(one) is not None:
            fields[other] = fields[one]
    return Occasion(
        event=Moment(KINDS[name], trial_id(), fields, fields.get("task_id")),
        origin="fixture",
        told=f"as {where} describes it",
        result_file=given.get("result_file"),
        transcript=given.get("transcript_path"),
    )


def _object(data: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8-sig"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise EventError(f"{where}: is not JSON: {error}; write one object with fields of a hook's input") from error
    if not isinstance(value, dict):
        raise EventError(f'{where}: must hold one JSON object, such as {{"task_name": "report"}}')
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON's")


def _unknown(given: Mapping[str, Any]) -> list[str]:
    return [f"unknown field {key!r}{_near(key)}" for key in given if key not in FIELDS]


def _near(key: str) -> str:
    found = nearest(key, FIELDS)
    return found if "did you mean" in found else " (known: docs/hooks.md#what-a-hook-is-given)"


def _wrong(given: Mapping[str, Any]) -> list[str]:
    problems = ((key, _problem(key, value)) for key, value in given.items() if key in FIELDS and value is not None)
    return [f"{key}: {problem}" for key, problem in problems if problem]


def _problem(key: str, value: Any) -> str | None:
    types, told = _TYPES.get(key, ((str,), "text"))
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return f"must be {told}, or null"
    try:
        # These stand in the environment of the hook, where a task's own could not hold more either.
        check = one_line if key in _ON_ONE_LINE else utf8
        check(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError) as error:
        return str(error)
    return None


def _other_event(given: Mapping[str, Any], name: str) -> list[str]:
    told = given.get("hook_event_name")
    if told is None or KINDS.get(told) == KINDS[name]:
        return []
    return [f"it tells of {told}, not of {name}; name that event, or take hook_event_name out"]
