from __future__ import annotations

import json
from typing import Any

import pytest

from kimi_hooks.kimi.body import Request, build_body, encode
from kimi_hooks.kimi.failure import CallFailedError
from kimi_hooks.kimi.model import Model
from tests.kimi.asking import KNOWN, request_of

_BASE = {"stream": True, "stream_options": {"include_usage": True}}


def test_only_documented_fields() -> None:
    """A plain request holds the model, the messages and the wish to stream with usage, nothing else."""
    body, warnings = build_body(request_of("hi"))
    assert body == {"model": "kimi-k3", "messages": [{"role": "user", "content": "hi"}], **_BASE}
    assert warnings == ()


def test_max_tokens_goes_by_its_present_name() -> None:
    """max_tokens is deprecated; max_completion_tokens is what is sent."""
    body, _ = build_body(request_of("hi", max_tokens=48))
    assert body["max_completion_tokens"] == 48
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    ("model", "wanted", "sent"),
    [
        ("kimi-k3", 1_048_000, 1_048_000),
        ("kimi-k3", 1_048_577, 1_048_576),
        ("kimi-k2.6", 10**9, 262_144),
        ("kimi-thinking-preview", 10**9, 10**9),
        ("new", 10**9, 10**9),
    ],
)
def test_a_cap_above_the_largest_is_lowered(model: str, wanted: int, sent: int) -> None:
    """The person is told, and what is not known is not judged."""
    body, warnings = build_body(request_of("hi", model, max_tokens=wanted))
    assert body["max_completion_tokens"] == sent
    assert len(warnings) == (0 if sent == wanted else 1)
    assert all(f"max_tokens {wanted}" in warning and str(sent) in warning for warning in warnings)


def test_a_model_may_take_less_than_its_window() -> None:
    """The largest answer is a bound of its own."""
    request = Request("m", [{"role": "user", "content": "hi"}], max_tokens=99, known=Model("m", 1000, None, 50))
    body, warnings = build_body(request)
    assert body["max_completion_tokens"] == 50
    assert "50, the most that m takes" in warnings[0]


@pytest.mark.parametrize(
    ("model", "value", "thinking", "sent"),
    [
        ("kimi-k3", 1.0, None, True),
        ("kimi-k3", 1, None, True),
        ("kimi-k3", 0.3, None, False),
        ("kimi-k2.6", 0.6, None, False),
        ("kimi-k2.6", 0.6, "enabled", False),
        ("kimi-k2.6", 0.6, "disabled", True),
        ("kimi-k2.6", 1.0, "disabled", False),
        ("kimi-k2.7-code", 0.6, "disabled", False),
        ("moonshot-v1-8k", 0.3, None, True),
        ("new", 0.3, None, True),
    ],
)
def test_temperature(model: str, value: float, thinking: str | None, sent: bool) -> None:
    """A temperature that the model would refuse is left out and the person is told; unknown models get it."""
    body, warnings = build_body(request_of("hi", model, temperature=value, thinking=thinking))
    warnings = tuple(warning for warning in warnings if "temperature" in warning)
    assert ("temperature" in body) is sent
    assert len(warnings) == (0 if sent else 1)
    assert all(model in warning for warning in warnings)


@pytest.mark.parametrize(
    ("model", "effort", "sent", "warned"),
    [
        ("kimi-k3", "low", True, False),
        ("kimi-k3.1-pro", "max", True, False),
        ("kimi-k3", "medium", True, True),
        ("kimi-k2.6", "low", False, True),
        ("new", "low", True, False),
    ],
)
def test_reasoning_effort(model: str, effort: str, sent: bool, warned: bool) -> None:
    """The effort goes only to models that take it; a word they may not know is told."""
    body, warnings = build_body(request_of("hi", model, reasoning_effort=effort))
    assert ("reasoning_effort" in body) is sent
    assert bool(warnings) is warned


@pytest.mark.parametrize(
    ("model", "word", "sent", "warned"),
    [
        ("kimi-k3", "enabled", None, False),
        ("kimi-k3", "disabled", None, True),
        ("kimi-k3.1-pro-highspeed", "disabled", None, True),
        ("kimi-k2.6", "enabled", {"type": "enabled"}, False),
        ("kimi-k2.6", "disabled", {"type": "disabled"}, False),
        ("kimi-k2.7-code", "enabled", {"type": "enabled"}, False),
        ("kimi-k2.7-code-highspeed", "disabled", None, True),
        ("moonshot-v1-8k", "enabled", None, True),
        ("moonshot-v1-8k", "disabled", None, False),
        ("new", "disabled", {"type": "disabled"}, False),
    ],
)
def test_thinking(model: str, word: str, sent: dict[str, str] | None, warned: bool) -> None:
    """Each family takes its own words; one that changes nothing is passed over, one that cannot be had is told."""
    body, warnings = build_body(request_of("hi", model, thinking=word))
    assert body.get("thinking") == sent
    assert len(warnings) == int(warned)
    assert all(f"thinking {word}" in warning and model in warning for warning in warnings)


@pytest.mark.parametrize(
    ("model", "word", "sent"),
    [
        ("kimi-k2.6", None, {"type": "enabled", "keep": "all"}),
        ("kimi-k2.6", "enabled", {"type": "enabled", "keep": "all"}),
        ("kimi-k2.6", "disabled", {"type": "disabled"}),
        ("kimi-k2.7-code", None, None),
        ("kimi-k3", None, None),
    ],
)
def test_what_was_thought_before_is_kept(model: str, word: str | None, sent: dict[str, str] | None) -> None:
    """kimi-k2.6 forgets its earlier reasoning unless it is told to keep it."""
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "half", "reasoning_content": "hm", "partial": True},
    ]
    body, _ = build_body(Request(model, messages, thinking=word, known=KNOWN.find(model)))
    assert body.get("thinking") == sent


def test_the_body_is_utf8() -> None:
    """Text travels as UTF-8, not as escapes."""
    assert "世界".encode() in encode(build_body(request_of("世界"))[0])


@pytest.mark.parametrize("request_", [request_of("\udc80"), request_of("a", temperature=float("nan"), model="new")])
def test_what_json_cannot_carry_is_refused(request_: Request) -> None:
    """Half characters and NaN end as an error of the task, not as a traceback."""
    with pytest.raises(CallFailedError) as caught:
        encode(build_body(request_)[0])
    assert (caught.value.failure.kind, caught.value.failure.action) == ("invalid_request", "never")


def test_building_does_not_touch_the_request() -> None:
    """The messages of the body are copies."""
    messages = ({"role": "user", "content": "a"},)
    body, _ = build_body(Request("kimi-k3", messages))
    body["messages"][0]["content"] = "b"
    assert json.dumps(messages) == '[{"role": "user", "content": "a"}]'
