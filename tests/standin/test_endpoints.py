"""What there is besides chat and files: models, the balance, counting tokens."""

from __future__ import annotations

import pytest

from kimi_hooks.standin.models import LIVE_MODELS
from kimi_hooks.standin.server import Standin
from tests.standin.calling import PIXEL, call, chat, get, post, refusal_of


def test_the_models(standin: Standin) -> None:
    """The list has the six current models, each with all that Kimi tells of it."""
    body = get(standin, "/models").json()
    assert body["object"] == "list"
    assert [entry["id"] for entry in body["data"]] == sorted(LIVE_MODELS)
    assert len(LIVE_MODELS) == 6
    k3 = next(entry for entry in body["data"] if entry["id"] == "kimi-k3")
    assert k3 == {
        "id": "kimi-k3",
        "object": "model",
        "created": 1000,
        "owned_by": "moonshot",
        "permission": [],
        "root": "kimi-k3",
        "parent": "",
        "context_length": 1_048_576,
        "supports_image_in": True,
        "supports_video_in": True,
        "supports_reasoning": True,
        "supports_dynamic_tools": True,
        "think_efforts": ["low", "high", "max"],
        "reasoning_efforts": ["low", "high", "max"],
        "supports_thinking_type": "only",
    }
    assert get(standin, "/models/kimi-k3").json() == k3


def test_a_model_that_is_not_there(standin: Standin) -> None:
    """One that is retired or was never there is not found, in the same words as in chat."""
    words = "Not found the model moonshot-v1-8k or Permission denied"
    assert refusal_of(get(standin, "/models/moonshot-v1-8k")) == (404, "resource_not_found_error", words)


def test_old_models_are_listed_when_they_are_switched_on(old: Standin) -> None:
    """They stand in the list with their own windows and abilities."""
    data = {entry["id"]: entry for entry in get(old, "/models").json()["data"]}
    assert data["moonshot-v1-8k"]["context_length"] == 8192
    assert not data["moonshot-v1-8k"]["supports_image_in"]
    assert not data["moonshot-v1-8k"]["supports_reasoning"]
    assert data["kimi-k2-thinking"]["supports_reasoning"]


def test_the_balance(standin: Standin) -> None:
    """The balance comes in Kimi's shape, and its parts make the whole."""
    assert get(standin, "/users/me/balance").json() == {
        "code": 0,
        "data": {"available_balance": 49.58894, "voucher_balance": 46.58893, "cash_balance": 3.00001},
        "scode": "0x0",
        "status": True,
    }


@pytest.mark.parametrize(
    "content",
    ["x" * 1000, "世界" * 100, [{"type": "image_url", "image_url": {"url": PIXEL}}, {"type": "text", "text": "?"}]],
)
def test_counting_tokens(standin: Standin, content: object) -> None:
    """What is counted beforehand is what the answer bills as its prompt."""
    body = {"model": "kimi-k3", "messages": [{"role": "user", "content": content}]}
    reply = call(standin, "POST", "/tokenizers/estimate-token-count", json=body).json()
    assert reply == {
        "code": 0,
        "data": {"total_tokens": post(standin, body).json()["usage"]["prompt_tokens"]},
        "scode": "0x0",
        "status": True,
    }


def test_counting_refuses_what_chat_refuses(standin: Standin) -> None:
    """An unknown model and empty messages are refused here too, but not a prompt that is too long."""
    path = "/tokenizers/estimate-token-count"
    assert call(standin, "POST", path, json=chat("x") | {"model": "no"}).status_code == 404
    assert call(standin, "POST", path, json=chat("")).status_code == 400
    long = chat("x" * 1_048_580) | {"model": "kimi-k2.6"}
    assert call(standin, "POST", path, json=long).json()["data"]["total_tokens"] == 262_145
