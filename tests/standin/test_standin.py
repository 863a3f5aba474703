from __future__ import annotations

import hashlib
import json
import socket
import threading
from typing import Any

import pytest
import requests

from kimi_hooks.standin.models import LIVE_MODELS
from kimi_hooks.standin.server import Standin
from tests.standin.calling import KEY, PIXEL, chat, events, get, post, received, words_of


def test_the_order_of_a_stream(standin: Standin) -> None:
    """Role, reasoning, an empty reasoning, content, finish with usage in the choice, usage alone, [DONE]."""
    reply = post(standin, chat("hi", stream=True, stream_options={"include_usage": True}))
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    *chunks, finish, usage = events(reply)
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
    assert events(post(standin, chat("hi", stream=True)))[-1]["choices"][0]["finish_reason"] == "stop"


def test_without_stream(standin: Standin) -> None:
    """A request that does not stream gets one completion with the same words."""
    body = post(standin, chat("hi")).json()
    streamed = events(post(standin, chat("hi", stream=True)))
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
    parts = [
        {"type": "text", "text": "he"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "text", "text": "llo"},
    ]
    body = {"model": "kimi-k3", "messages": [{"role": "user", "content": parts}]}
    assert '"hello"' in post(standin, body).json()["choices"][0]["message"]["content"]


def test_characters_are_cut_across_writes(standin: Standin) -> None:
    """A chunk of the reply ends inside a character, as on a real network."""
    pieces = list(received(standin.url, chat("世", stream=True)))
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


def test_who_answers_is_in_every_reply(standin: Standin) -> None:
    """Replies of every kind carry the imitation's mark and two ids that are different each time."""
    replies = [post(standin, chat("hi")), post(standin, {}), get(standin, "/models"), get(standin, "/models", {})]
    for name in ("Msh-Request-Id", "X-Msh-Trace-Id"):
        assert len({reply.headers[name] for reply in replies}) == 4
    assert {reply.headers["X-Kimi-Standin"] for reply in replies} == {"1"}


def test_no_header_before_the_answer_is_finished() -> None:
    """A request that does not stream gets not one byte while the answer is being made."""
    making, go_on = threading.Event(), threading.Event()

    def sleep(_: float) -> None:
        making.set()
        go_on.wait(10)

    body = json.dumps(chat("hi")).encode()
    with Standin(latency=1.0, sleep=sleep) as standin:
        host, port = standin._address()
        with socket.create_connection((host, port)) as connection:
            head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: %d\r\n\r\n"
            connection.sendall(head % len(body) + body)
            assert making.wait(10)
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)
            connection.setblocking(True)
            go_on.set()
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_models(standin: Standin) -> None:
    """GET /models lists the live models with what they can do."""
    body = get(standin, "/models").json()
    assert {entry["id"] for entry in body["data"]} == LIVE_MODELS
    assert all(entry["context_length"] >= 262_144 and entry["supports_reasoning"] for entry in body["data"])


def test_other_paths(standin: Standin) -> None:
    """What is not imitated is 404, and so is what lies beside /v1."""
    for path in ("/batches", "/../v2/models", "/models/kimi-k3/more"):
        assert get(standin, path).json()["error"]["type"] == "resource_not_found_error"


def test_any_model_when_told_so() -> None:
    """With known_models None every model is answered."""
    with Standin(known_models=None) as standin:
        assert post(standin, chat("hi") | {"model": "moonshot-v1-8k"}).status_code == 200
        assert post(standin, chat("hi") | {"model": "kimi-of-tomorrow"}).status_code == 200


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


@pytest.mark.parametrize(
    ("model", "more", "thinks"),
    [
        ("kimi-k3", {}, True),
        ("kimi-k3", {"thinking": {"type": "disabled"}}, False),
        ("kimi-k2.6", {}, True),
        ("kimi-k2.6", {"thinking": {"type": "enabled", "keep": "all"}}, True),
        ("kimi-k2.6", {"thinking": {"type": "disabled"}}, False),
        ("kimi-k2.7-code", {}, True),
        ("kimi-k2-thinking", {"thinking": {"type": "disabled"}}, True),
        ("moonshot-v1-8k", {}, False),
    ],
)
def test_thinking(old: Standin, model: str, more: dict[str, Any], thinks: bool) -> None:
    """Each family thinks or not as it does at Kimi; without thinking there is no trace of reasoning."""
    body = chat("hi", **more) | {"model": model}
    whole = post(old, body).json()
    streamed = events(post(old, body | {"stream": True}))
    assert ("reasoning_content" in whole["choices"][0]["message"]) == thinks
    assert any("reasoning_content" in event["choices"][0]["delta"] for event in streamed) == thinks
    assert (whole["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0) == thinks


@pytest.mark.parametrize(("model", "tokens"), [("kimi-k3", 131_072), ("kimi-k2.6", 32_768), ("moonshot-v1-8k", 1024)])
def test_the_cap_that_holds_when_none_is_named(old: Standin, model: str, tokens: int) -> None:
    """A long answer is cut at the model's own cap, with its beginning and finish_reason length."""
    body = post(old, chat("standin: size=2MB") | {"model": model}).json()
    assert body["usage"]["completion_tokens"] == tokens
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["choices"][0]["message"]["content"].startswith("000000000001 said by the local imitation of Kimi")


def test_max_tokens_is_the_older_name_of_the_cap(standin: Standin) -> None:
    """Both names cut in the same way; the newer one wins."""
    for more in ({"max_tokens": 20}, {"max_completion_tokens": 20, "max_tokens": 900}):
        assert post(standin, chat("hi", **more)).json()["usage"]["completion_tokens"] == 20


def test_stop_words(standin: Standin) -> None:
    """The answer ends before the first word at which it shall stop, and says that it stopped."""
    body = post(standin, chat("standin: text=one two three", stop=["three", " two"])).json()
    assert (words_of(body), body["choices"][0]["finish_reason"]) == ("one", "stop")
    assert words_of(post(standin, chat("standin: text=one two three", stop="three")).json()) == "one two "


def test_json_when_asked_for(standin: Standin) -> None:
    """With response_format the answer is an object in JSON, which still says who is speaking."""
    for shape in (
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    ):
        answer = json.loads(words_of(post(standin, chat("hi", response_format=shape)).json()))
        assert answer["standin"].startswith("[stand-in for Kimi]")


def test_several_choices_of_old_models(old: Standin) -> None:
    """An old model gives as many choices as n says, and counts them all."""
    body = chat("standin: text=abc", n=3, temperature=0.5) | {"model": "moonshot-v1-8k"}
    whole = post(old, body).json()
    streamed = events(post(old, body | {"stream": True}))
    assert [choice["message"]["content"] for choice in whole["choices"]] == ["abc"] * 3
    assert {event["choices"][0]["index"] for event in streamed} == {0, 1, 2}
    assert whole["usage"]["completion_tokens"] == 3


def test_images_are_counted(standin: Standin) -> None:
    """The answer tells how many images came, and each counts 1,024 tokens whatever its size."""
    parts = [{"type": "image_url", "image_url": {"url": PIXEL}}, {"type": "text", "text": "what is it?"}]
    body = post(standin, {"model": "kimi-k3", "messages": [{"role": "user", "content": parts}]}).json()
    assert "There was 1 image." in words_of(body)
    assert body["usage"]["prompt_tokens"] == 1024 + 3
    two = post(standin, {"model": "kimi-k3", "messages": [{"role": "user", "content": [parts[0], *parts]}]}).json()
    assert "There were 2 images." in words_of(two)
