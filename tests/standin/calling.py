"""What the tests of the imitation share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import requests

from kimi_hooks.standin.server import Standin

KEY = {"Authorization": "Bearer sk-1"}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def post(standin: Standin, body: Any, headers: dict[str, str] = KEY) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(f"{standin.url}/chat/completions", json=body, headers=headers, timeout=10)
    assert reply.headers["X-Kimi-Standin"] == "1"
    assert reply.headers["Msh-Request-Id"].startswith("standin-")
    return reply


def get(standin: Standin, path: str, headers: dict[str, str] = KEY) -> requests.Response:
    return call(standin, "GET", path, headers=headers)


def call(standin: Standin, method: str, path: str, *, headers: dict[str, str] = KEY, **more: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, standin.url + path, headers=headers, **{"timeout": 10, **more})


def received(url: str, body: Any) -> Iterator[bytes]:
    """Yield the chunks of a stream as they were sent."""
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(f"{url}/chat/completions", json=body, headers=KEY, stream=True, timeout=30)
        yield from reply.raw.read_chunked()


def events(reply: requests.Response) -> list[Any]:
    """Return the events of a stream that ends well."""
    lines = [line for line in reply.content.decode().split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def words_of(body: Any) -> str:
    """Return what a completion says."""
    said: str = body["choices"][0]["message"]["content"]
    return said


def refusal_of(reply: requests.Response) -> tuple[int, str, str]:
    """Return the status, the type and the words of a refusal."""
    error = reply.json()["error"]
    return reply.status_code, error["type"], error["message"]


def chat(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "kimi-k3", "messages": [{"role": "user", "content": prompt}], **more}
