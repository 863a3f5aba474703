from __future__ import annotations

import json

import pytest

from kimi_hooks.kimi.body import Request, build_body, encode
from kimi_hooks.kimi.failure import CallFailedError
from tests.kimi.asking import request_of

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
    ("model", "value", "sent"),
    [
        ("kimi-k3", 1.0, True),
        ("kimi-k3", 1, True),
        ("kimi-k3", 0.3, False),
        ("kimi-k2.6", 0.6, False),
        ("new", 0.3, True),
    ],
)
def test_temperature(model: str, value: float, sent: bool) -> None:
    """A temperature that the model would refuse is left out and the person is told; unknown models get it."""
    body, warnings = build_body(request_of("hi", model, temperature=value))
    assert ("temperature" in body) is sent
    assert len(warnings) == (0 if sent else 1)
    assert all("temperature" in warning and model in warning for warning in warnings)


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
