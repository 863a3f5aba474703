"""What Kimi refuses in a chat request is refused, in its words."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from kimi_hooks.standin import schema
from kimi_hooks.standin.server import Standin
from tests.standin.calling import KEY, PIXEL, chat, post, refusal_of

_CALL = {"id": "a:0", "type": "function", "function": {"name": "a", "arguments": "{}"}}
_ASKED = {"role": "user", "content": "hi"}
_OFF = {"type": "disabled"}
_FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {"x": {}}}}


def _seen(url: str) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "?"}]
    return {"messages": [{"role": "user", "content": parts}]}


def _format(inner: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": inner}}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": None}, "Invalid request: model is required"),
        ({"messages": []}, "Invalid request: messages must not be empty"),
        ({"messages": None}, "Invalid request: messages must not be empty"),
        ({"messages": ["x"]}, "the message at position 0 has no valid role"),
        (
            {"messages": [{"role": "user", "content": ""}]},
            "the message at position 0 with role 'user' must not be empty",
        ),
        ({"messages": [{"role": "user"}]}, "the message at position 0 with role 'user' must not be empty"),
        (
            {"messages": [_ASKED, {"role": "assistant", "content": "", "reasoning_content": "r"}, _ASKED]},
            "the message at position 1 with role 'assistant' must not be empty",
        ),
        (
            {"messages": [_ASKED, {"role": "assistant", "content": "", "partial": True}]},
            "the message at position 1 with role 'assistant' must not be empty",
        ),
        ({"messages": [{"role": "user", "content": 5}]}, "content must be a string"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "text content is empty"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "the type of a content part must be"),
        (_seen("https://example.invalid/a.png"), "unsupported image url: https://example.invalid/a.png"),
        (_seen("data:image/svg+xml;base64,PHN2Zz4="), "unsupported image url: data:image/svg+xml"),
        (_seen("data:image/png;base64,!!!"), "the image is not valid base64"),
        (_seen("ms://file-nobody-knows"), "Not found the file ms://file-nobody-knows"),
        ({"temperature": 0.3}, "invalid temperature: only 1 is allowed for this model"),
        ({"temperature": True}, "invalid temperature: only 1 is allowed for this model"),
        ({"top_p": 1}, "invalid top_p: only 0.95 is allowed for this model"),
        ({"n": 2}, "invalid n: only 1 is allowed for this model"),
        ({"presence_penalty": 0.1}, "invalid presence_penalty: only 0 is allowed for this model"),
        ({"frequency_penalty": -1}, "invalid frequency_penalty: only 0 is allowed for this model"),
        ({"stop": list("abcdef")}, "stop array too long. Expected an array with maximum length 5, but got 6"),
        ({"stop": "x" * 33}, "at most 32 bytes"),
        ({"stop": 5}, "at most 32 bytes"),
        ({"tool_choice": "required"}, "tool_choice 'required' is incompatible with thinking enabled"),
        (
            {"messages": [_ASKED, {"role": "assistant", "content": "", "tool_calls": [_CALL]}, _ASKED]},
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1",
        ),
        ({"tools": [{}] * 129}, "tools array too long. Expected an array with maximum length 128, but got 129"),
        (
            {"tools": [{"type": "function", "function": _FUNCTION}]},
            "flavored json schema, details: <At path 'properties.x': type is not defined>",
        ),
        (_format({"type": "string"}), "not a valid moonshot flavored json schema, details: <At path '': the root"),
        (_format(None), "not a valid moonshot flavored json schema"),
        ({"response_format": {"type": "xml"}}, "response_format.type must be"),
        ({"max_completion_tokens": 0}, "invalid max_completion_tokens"),
        ({"max_tokens": "many"}, "invalid max_completion_tokens"),
        ({"thinking": {"type": "perhaps"}}, "invalid thinking"),
        ({"model": "kimi-k2.7-code", "thinking": _OFF}, "invalid thinking: only enabled is allowed for this model"),
        (
            {"model": "kimi-k2.7-code-highspeed", "thinking": _OFF},
            "invalid thinking: only enabled is allowed for this model",
        ),
        ({"model": "kimi-k2.6", "temperature": 0.6}, "invalid temperature: only 1 is allowed for this model"),
        (
            {"model": "kimi-k2.6", "temperature": 1, "thinking": _OFF},
            "invalid temperature: only 0.6 is allowed for this model",
        ),
    ],
)
def test_refusals(standin: Standin, change: dict[str, Any], words: str) -> None:
    """What Kimi refuses is refused in Kimi's words, for good."""
    status, kind, message = refusal_of(post(standin, chat("hi") | change))
    assert (
        (status, kind) == (404, "resource_not_found_error") if "Not found" in words else (400, "invalid_request_error")
    )
    assert words in message


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 1, "top_p": 0.95, "n": 1, "presence_penalty": 0, "frequency_penalty": 0},
        {"temperature": None},
        {"model": "kimi-k2.6", "temperature": 0.6, "thinking": _OFF},
        {"model": "kimi-k2.6", "tool_choice": "required", "thinking": _OFF},
        {"model": "kimi-k2.6", "reasoning_effort": "max"},
        {"reasoning_effort": "no such effort"},
        {"stop": list("vwxyz")},
        {"messages": [_ASKED, {"role": "assistant", "reasoning_content": "r", "tool_calls": [_CALL]}, _ASKED]},
        {"model": "kimi-k2.6", "thinking": _OFF, "messages": [_ASKED, {"role": "assistant", "tool_calls": [_CALL]}]},
        {"messages": [_ASKED, {"role": "assistant", "content": "", "name": "Kim", "partial": True}]},
        _seen(PIXEL),
        _format({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}),
    ],
)
def test_what_kimi_takes_is_taken(standin: Standin, change: dict[str, Any]) -> None:
    """The one allowed value passes, and so does what Kimi silently ignores."""
    assert post(standin, chat("hi") | change).status_code == 200


def test_unknown_fields_are_ignored_and_nobody_is_called(standin: Standin) -> None:
    """metadata, store, user and addresses of webhooks change nothing, and no address in them hears anything."""
    with Standin() as elsewhere:
        known = post(standin, chat("hi")).json()
        extra = {
            "metadata": {"webhook_url": elsewhere.url},
            "callback_url": elsewhere.url,
            "store": True,
            "user": "me",
            "seed": 3,
        }
        body = post(standin, chat("hi") | extra).json()
        assert elsewhere.requests == ()
    assert body["choices"] == known["choices"]


@pytest.mark.parametrize("model", ["kimi-k2.5", "moonshot-v1-8k", "kimi-k2-thinking", "kimi-latest", "no-such-model"])
def test_retired_and_unknown_models(standin: Standin, model: str) -> None:
    """They are not found, in the words that Kimi has for both."""
    words = f"Not found the model {model} or Permission denied"
    assert refusal_of(post(standin, chat("hi") | {"model": model})) == (404, "resource_not_found_error", words)


@pytest.mark.parametrize(
    ("model", "change", "words"),
    [
        ("moonshot-v1-8k", {"temperature": 0.3, "top_p": 0.5, "n": 5, "presence_penalty": -2}, None),
        ("moonshot-v1-8k", {"temperature": 1.1}, "invalid temperature"),
        ("moonshot-v1-8k", {"temperature": -0.1}, "invalid temperature"),
        ("moonshot-v1-8k", {"n": 6}, "invalid n"),
        ("moonshot-v1-8k", {"n": 2, "temperature": 0}, "invalid n"),
        ("moonshot-v1-8k", {"n": 1.5}, "invalid n"),
        ("moonshot-v1-8k", {"frequency_penalty": 2.5}, "invalid frequency_penalty"),
        ("moonshot-v1-8k", {"tool_choice": "required"}, None),
        ("moonshot-v1-8k", _seen(PIXEL), "Image input not supported for model moonshot-v1-8k"),
        ("moonshot-v1-8k-vision-preview", _seen(PIXEL), None),
        ("kimi-k2-0905-preview", {"temperature": 0.6}, None),
        ("kimi-k2-thinking", {"temperature": 0.2}, None),
        ("kimi-k2-thinking", {"tool_choice": "required"}, "incompatible with thinking"),
        ("kimi-k2.5", {"temperature": 0.2}, "only 1 is allowed"),
    ],
)
def test_old_models_by_their_own_rules(old: Standin, model: str, change: dict[str, Any], words: str | None) -> None:
    """A retired model that is switched on takes the values that it took."""
    reply = post(old, chat("hi") | {"model": model} | change)
    assert (reply.status_code, words or "") == (400 if words else 200, words or "")
    assert (words or "") in reply.text


@pytest.mark.parametrize(
    ("prompt", "cap", "requested"),
    [(1_048_580, None, 262_145), (1_048_576, None, None), (1_000_000, 12_145, 262_145), (1_000_000, 12_144, None)],
)
def test_a_prompt_too_long_for_the_model(standin: Standin, prompt: int, cap: int | None, requested: int | None) -> None:
    """Prompt and cap together must fit into the context; the refusal tells both numbers."""
    body = chat("x" * prompt) | {"model": "kimi-k2.6"} | ({"max_completion_tokens": cap} if cap else {})
    reply = post(standin, body)
    if requested is None:
        assert reply.status_code == 200
    else:
        words = f"Invalid request: Your request exceeded model token limit: 262144 (requested: {requested})"
        assert refusal_of(reply) == (400, "invalid_request_error", words)


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b"", b"[" * 100_000])
def test_a_body_that_is_no_json_object(standin: Standin, raw: bytes) -> None:
    """A body that cannot be read is refused, not a crash."""
    for path in ("chat/completions", "tokenizers/estimate-token-count"):
        with requests.Session() as session:
            session.trust_env = False
            reply = session.post(f"{standin.url}/{path}", data=raw, headers=KEY, timeout=10)
        assert refusal_of(reply)[2] == "Invalid request: the body is not a JSON object"


@pytest.mark.parametrize(
    ("inner", "details"),
    [
        ({"type": "object"}, None),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}, None),
        ({"type": "object", "properties": {"a": {"enum": ["x"]}, "b": {"type": ["string", "null"]}}}, None),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "At path 'properties.a': unknown type 'text'"),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": 5}}},
            "At path 'properties.a.items': schema must be an object",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "anyOf": [{"type": "string"}]}}},
            "At path 'properties.a.anyOf': type should be defined in anyOf items instead of the parent schema",
        ),
        ({"type": "object", "$defs": {"a": {"anyOf": [{}]}}}, "At path '$defs.a.anyOf.0': type is not defined"),
    ],
)
def test_schemas(inner: Any, details: str | None) -> None:
    """A schema that Kimi's flavour does not have is refused with the place of its first mistake."""
    assert schema.mistake(inner) == details


def test_a_schema_without_end() -> None:
    """A schema that goes very deep is refused, not a crash."""
    inner: dict[str, Any] = {"type": "object"}
    for _ in range(5000):
        inner = {"type": "object", "properties": {"a": inner}}
    assert schema.mistake(inner) == "At path '': schema is nested too deeply"
