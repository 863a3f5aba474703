"""What the tests of the imitation share."""

from __future__ import annotations

from typing import Any

import requests

from kimi_hooks.standin.server import Standin

KEY = {"Authorization": "Bearer sk-1"}


def post(standin: Standin, body: Any, headers: dict[str, str] = KEY) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(f"{standin.url}/chat/completions", json=body, headers=headers, timeout=10)
    assert reply.headers["X-Kimi-Standin"] == "1"
    assert reply.headers["Msh-Request-Id"].startswith("standin-")
    return reply


def get(standin: Standin, path: str, headers: dict[str, str] = KEY) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(standin.url + path, headers=headers, timeout=10)


def chat(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "kimi-k3", "messages": [{"role": "user", "content": prompt}], **more}
