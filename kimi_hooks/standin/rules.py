"""What Kimi checks in a chat request before it answers, in Kimi's order and words where they are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kimi_hooks.standin import contents, messages, models, schema
from kimi_hooks.standin.refusals import Refusal, invalid, no_model, usual

_MOST_STOPS, _STOP_BYTES, _MOST_TOOLS, _MOST_CHOICES = 5, 32, 128, 5
_RANGES = {"temperature": (0, 1), "top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
_ALMOST_ZERO = 0.001

NOT_JSON = invalid("the body is not a JSON object")

Check = Callable[[dict[str, Any]], Refusal | None]


def mistake(body: dict[str, Any] | None, known: frozenset[str] | None, has_file: contents.HasFile) -> Refusal | None:
    """Find the first thing in a chat request that Kimi would refuse."""
    if body is None:
        return NOT_JSON
    return model_mistake(body, known) or contents.mistake(body, has_file) or _first(body)


def model_mistake(body: dict[str, Any], known: frozenset[str] | None) -> Refusal | None:
    """Refuse a request without a model, or for one that is not known; `known` None takes any."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        return invalid("model is required")
    return None if known is None or model in known else no_model(model)


def _first(body: dict[str, Any]) -> Refusal | None:
    checks: tuple[Check, ...] = (_thinking, _sampling, _tools, _stops, _cap, _shape, _length)
    return next((refusal for check in checks if (refusal := check(body))), None)


def _thinking(body: dict[str, Any]) -> Refusal | None:
    asked = body.get("thinking")
    if asked is None:
        return None
    if not isinstance(asked, dict) or asked.get("type") not in ("enabled", "disabled"):
        return usual(400, message="invalid thinking: type must be enabled or disabled")
    if asked["type"] == "disabled" and models.find(body["model"]).family.thinking == "only":
        return usual(400, message="invalid thinking: only enabled is allowed for this model")
    return None


def _sampling(body: dict[str, Any]) -> Refusal | None:
    given = {name: body[name] for name in (*_RANGES, "n") if body.get(name) is not None}
    fixed = models.fixed(body)
    for name, value in given.items():
        if fixed and not (_is_number(value) and value == fixed[name]):
            return usual(400, message=f"invalid {name}: only {fixed[name]:g} is allowed for this model")
        if not fixed and (refusal := _out_of_range(name, value, body)):
            return refusal
    return None


def _out_of_range(name: str, value: Any, body: dict[str, Any]) -> Refusal | None:
    low, high = (1, _most_choices(body.get("temperature"))) if name == "n" else _RANGES[name]
    whole = name != "n" or isinstance(value, int)
    if _is_number(value) and whole and low <= value <= high:
        return None
    return usual(400, message=f"invalid {name}: must be between {low} and {high} for this model")


def _most_choices(temperature: Any) -> int:
    return 1 if _is_number(temperature) and temperature < _ALMOST_ZERO else _MOST_CHOICES


def _tools(body: dict[str, Any]) -> Refusal | None:
    thinks, tools = models.thinks(body), body.get("tools")
    if thinks and body.get("tool_choice") == "required":
        return usual(400, message="tool_choice 'required' is incompatible with thinking enabled")
    for at, message in enumerate(body["messages"]):
        if thinks and message.get("tool_calls") and not message.get("reasoning_content"):
            words = "thinking is enabled but reasoning_content is missing in assistant tool call message at index"
            return usual(400, message=f"{words} {at}")
    if isinstance(tools, list) and len(tools) > _MOST_TOOLS:
        return _too_many("tools", len(tools), _MOST_TOOLS)
    return _parameters(tools if isinstance(tools, list) else [])


def _parameters(tools: list[Any]) -> Refusal | None:
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        parameters = function.get("parameters") if isinstance(function, dict) else None
        if parameters is not None and (details := schema.mistake(parameters)):
            return _no_schema("tools.function.parameters", details)
    return None


def _stops(body: dict[str, Any]) -> Refusal | None:
    stops = stops_of(body)
    if len(stops) > _MOST_STOPS:
        return _too_many("stop", len(stops), _MOST_STOPS)
    if any(not isinstance(stop, str) or len(stop.encode("utf-8", "replace")) > _STOP_BYTES for stop in stops):
        return invalid(f"stop must be a string of at most {_STOP_BYTES} bytes, or an array of such strings")
    return None


def stops_of(body: Mapping[str, Any]) -> list[Any]:
    """Return the words at which the answer shall stop."""
    given = body.get("stop")
    return given if isinstance(given, list) else [] if given is None else [given]


def _cap(body: dict[str, Any]) -> Refusal | None:
    given = messages.asked_cap(body)
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given > 0):
        return None
    return usual(400, message="invalid max_completion_tokens: must be a whole number above 0")


def _shape(body: dict[str, Any]) -> Refusal | None:
    asked = body.get("response_format")
    if asked is None:
        return None
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        return invalid("response_format.type must be text, json_object or json_schema")
    if kind != "json_schema":
        return None
    inner = asked.get("json_schema")
    details = schema.mistake(inner.get("schema") if isinstance(inner, dict) else None)
    return _no_schema("response_format.json_schema.schema", details) if details else None


def _length(body: dict[str, Any]) -> Refusal | None:
    limit, prompt = models.find(body["model"]).context, messages.prompt_tokens(body)
    # What the request wants to be told counts as well; a cap that it does not name gives way.
    asked = prompt + (messages.asked_cap(body) or 0)
    if asked <= limit:
        return None
    return invalid(f"Your request exceeded model token limit: {limit} (requested: {asked})")


def _no_schema(where: str, details: str) -> Refusal:
    return invalid(f"{where} is not a valid moonshot flavored json schema, details: <{details}>")


def _too_many(what: str, number: int, most: int) -> Refusal:
    words = f"{what} array too long. Expected an array with maximum length {most}, but got {number}"
    return usual(400, message=words)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
