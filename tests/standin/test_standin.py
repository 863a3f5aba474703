from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import requests

from kimi_hooks.standin.protocol import LIVE_MODELS
from kimi_hooks.standin.server import Standin
from tests.standin.calling import KEY, chat, get, post


def _events(reply: requests.Response) -> list[Any]:
    lines = [line for line in reply.content.decode().split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def test_the_order_of_a_stream(standin: Standin) -> None:
    """Role, reasoning, an empty reasoning, content, finish with usage in the choice, usage alone, [DONE]."""
    reply = post(standin, chat("hi", stream=True, stream_options={"include_usage": True}))
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    *chunks, finish, usage = _events(reply)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    middle = deltas.index({"reasoning_content": ""})
    assert all(list(delta) == ["reasoning_content"] for delta in deltas[1 : middle + 1])
    assert all(list(delta) == ["content"] for delta in deltas[middle + 1 :])
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"] == finish["choices"][0]["usage"]


def test_the_usage_chunk_comes_only_when_asked_for(standin: Standin) -> None:
    """Without include_usage the last chunk is the one with the finish_reason."""
    assert _events(post(standin, chat("hi", stream=True)))[-1]["choices"][0]["finish_reason"] == "stop"


def test_without_stream(standin: Standin) -> None:
    """A request that does not stream gets one completion with the same words."""
    body = post(standin, chat("hi")).json()
    streamed = _events(post(standin, chat("hi", stream=True)))
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in streamed)
    assert (body["object"], body["created"]) == ("chat.completion", 1000)
    assert body["choices"][0]["message"]["content"] == text
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


def test_it_says_who_it_is(standin: Standin) -> None:
    """The answer names itself an imitation and proves what it received."""
    text = post(standin, chat("ü" * 700)).json()["choices"][0]["message"]["content"]
    assert text.startswith("[stand-in for Kimi] This is a local imitation, not Kimi.")
    assert f"Your prompt had 1,400 bytes (sha256 {hashlib.sha256(('ü' * 700).encode()).hexdigest()})" in text


def test_parts_are_put_together(standin: Standin) -> None:
    """Content that is a list of parts counts by its text."""
    parts = [{"type": "text", "text": "he"}, {"type": "image_url"}, {"type": "text", "text": "llo"}]
    body = {"model": "kimi-k3", "messages": [{"role": "user", "content": parts}]}
    assert '"hello"' in post(standin, body).json()["choices"][0]["message"]["content"]


def test_characters_are_cut_across_writes(standin: Standin) -> None:
    """A chunk of the reply ends inside a character, as on a real network."""
    with requests.Session() as session:
        session.trust_env = False
        url = f"{standin.url}/chat/completions"
        reply = session.post(url, json=chat("世", stream=True), headers=KEY, stream=True, timeout=10)
        pieces = list(reply.raw.read_chunked())
    with pytest.raises(UnicodeDecodeError):
        [piece.decode() for piece in pieces]
    assert b"".join(pieces).decode()


@pytest.mark.parametrize(
    ("headers", "error_type"),
    [
        ({}, "incorrect_api_key_error"),
        ({"Authorization": "Bearer "}, "incorrect_api_key_error"),
        ({"Authorization": "Bearer sk-2"}, "invalid_authentication_error"),
        ({"Authorization": "Basic sk-1"}, "invalid_authentication_error"),
    ],
)
def test_keys(standin: Standin, headers: dict[str, str], error_type: str) -> None:
    """No key and a wrong key are refused with different types, for every path."""
    for reply in (post(standin, chat("hi"), headers), get(standin, "/models", headers)):
        assert (reply.status_code, reply.json()["error"]["type"]) == (401, error_type)


def test_models(standin: Standin) -> None:
    """GET /models lists the live models with what they can do."""
    body = get(standin, "/models").json()
    assert {entry["id"] for entry in body["data"]} == LIVE_MODELS
    assert all(entry["context_length"] >= 262_144 and entry["supports_reasoning"] for entry in body["data"])


def test_other_paths(standin: Standin) -> None:
    """What is not imitated is 404."""
    assert get(standin, "/files").status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": "kimi-k2.5"}, 404, "Not found the model kimi-k2.5 or Permission denied"),
        ({"model": None}, 400, "model is required"),
        ({"messages": []}, 400, "messages must not be empty"),
        ({"messages": None}, 400, "messages must not be empty"),
        ({"messages": ["x"]}, 400, "no valid role"),
        ({"messages": [{"role": "user", "content": ""}]}, 400, "position 0 with role 'user' must not be empty"),
        ({"temperature": 0.3}, 400, "invalid temperature: only 1 is allowed for this model"),
        ({"top_p": 1}, 400, "invalid top_p: only 0.95 is allowed for this model"),
        ({"n": 2}, 400, "invalid n: only 1 is allowed for this model"),
    ],
)
def test_refusals(standin: Standin, change: dict[str, Any], status: int, words: str) -> None:
    """What Kimi refuses is refused in Kimi's words."""
    reply = post(standin, chat("hi") | change)
    assert reply.status_code == status
    assert words in reply.json()["error"]["message"]


def test_fixed_values_and_unknown_fields_are_accepted(standin: Standin) -> None:
    """The one allowed value passes, and unknown fields are ignored."""
    body = chat("hi", temperature=1, top_p=0.95, metadata={"webhook_url": "http://127.0.0.1:9"}, user="me")
    assert post(standin, body).status_code == 200


def test_a_prompt_too_long_for_the_model(standin: Standin) -> None:
    """More tokens than the context holds are refused with both numbers."""
    reply = post(standin, chat("x" * 1_048_580) | {"model": "kimi-k2.6"})
    assert "exceeded model token limit: 262144 (requested: 262145)" in reply.json()["error"]["message"]


def test_any_model_when_told_so() -> None:
    """With known_models None every model is answered."""
    with Standin(known_models=None) as standin:
        assert post(standin, chat("hi") | {"model": "moonshot-v1-8k"}).status_code == 200


def test_a_body_that_is_not_json(standin: Standin) -> None:
    """A body that cannot be read is refused, not a crash."""
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(f"{standin.url}/chat/completions", data=b"{", headers=KEY, timeout=10)
    assert reply.status_code == 400


def test_the_cap_counts_reasoning(standin: Standin) -> None:
    """max_completion_tokens cuts reasoning first, then the text, with finish_reason length."""
    small, middling = (post(standin, chat("hi", max_completion_tokens=cap)).json() for cap in (5, 30))
    assert small["choices"][0]["message"]["content"] == ""
    assert middling["choices"][0]["message"]["content"] != ""
    for body, cap in ((small, 5), (middling, 30)):
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["usage"]["completion_tokens"] <= cap
