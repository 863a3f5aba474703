"""The official client for Python works against the imitation as it does against Kimi."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from kimi_hooks.standin.server import Standin


def _client(standin: Standin, key: str = "sk-1") -> openai.OpenAI:
    http = openai.DefaultHttpxClient(trust_env=False)
    return openai.OpenAI(base_url=standin.url, api_key=key, max_retries=0, http_client=http)


@pytest.fixture
def client(standin: Standin) -> Iterator[openai.OpenAI]:
    with _client(standin) as made:
        yield made


def _ask(client: openai.OpenAI, prompt: str, **more: Any) -> Any:
    return client.chat.completions.create(model="kimi-k3", messages=[{"role": "user", "content": prompt}], **more)


def test_a_whole_answer(client: openai.OpenAI) -> None:
    """A completion has its text, its reasoning, its end and its usage where the client looks for them."""
    answer = _ask(client, "你好")
    assert "這是本機的模擬" in answer.choices[0].message.content
    assert "我是模擬" in answer.choices[0].message.reasoning_content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert answer.usage.prompt_tokens_details.cached_tokens == 0


def test_a_stream(client: openai.OpenAI) -> None:
    """The chunks of a stream put together are the whole answer; the last one has the usage."""
    with _ask(client, "你好", stream=True, stream_options={"include_usage": True}) as stream:
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    whole = _ask(client, "你好")
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


def test_models(client: openai.OpenAI) -> None:
    """The list and a single model can be read."""
    assert "kimi-k3" in {model.id for model in client.models.list()}
    assert client.models.retrieve("kimi-k2.6").owned_by == "moonshot"


def test_files(client: openai.OpenAI) -> None:
    """A file is uploaded, listed, read and deleted."""
    purpose: Any = "file-extract"
    made = client.files.create(file=("notes.txt", b"hello"), purpose=purpose)
    assert [file.id for file in client.files.list()] == [made.id]
    assert json.loads(client.files.content(made.id).text)["content"].endswith("\n\nhello")
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("status=400 type=content_filter", openai.BadRequestError),
        ("status=429 type=engine_overloaded_error", openai.RateLimitError),
        ("status=500", openai.InternalServerError),
        ("status=504 html", openai.InternalServerError),
        ("reset", openai.APIConnectionError),
    ],
)
def test_failures(client: openai.OpenAI, line: str, error: type[Exception]) -> None:
    """Each failure is raised as what it is."""
    with pytest.raises(error):
        _ask(client, f"standin: {line}")


def test_a_wrong_key_and_a_retired_model(standin: Standin, client: openai.OpenAI) -> None:
    """A wrong key is an AuthenticationError, a retired model a NotFoundError; both with Kimi's words and ids."""
    with (
        _client(standin, "sk-2") as stranger,
        pytest.raises(openai.AuthenticationError, match="Invalid Authentication") as caught,
    ):
        _ask(stranger, "hi")
    assert caught.value.type == "invalid_authentication_error"
    with pytest.raises(
        openai.NotFoundError, match="Not found the model moonshot-v1-8k or Permission denied"
    ) as missing:
        client.chat.completions.create(model="moonshot-v1-8k", messages=[{"role": "user", "content": "hi"}])
    assert missing.value.response.headers["Msh-Request-Id"] == "standin-000002"


def test_an_error_in_a_stream(client: openai.OpenAI) -> None:
    """An error object in the middle of a stream is raised, not passed over."""
    with (
        pytest.raises(openai.APIError, match="told to fail"),
        _ask(client, "standin: stream-error", stream=True) as stream,
    ):
        list(stream)
