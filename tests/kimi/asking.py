"""What the tests of the client share."""

from __future__ import annotations

from typing import Any

import pytest

from kimi_hooks.kimi import catalogue
from kimi_hooks.kimi.client import Answer, CallFailedError, Client, Endpoint, Request

KNOWN = catalogue.make()


def request_of(prompt: str, model: str = "kimi-k3", **options: Any) -> Request:
    return Request(model, [{"role": "user", "content": prompt}], known=KNOWN.find(model), **options)


def ask(client: Client, endpoint: Endpoint, prompt: str = "hello", **options: Any) -> Answer:
    return client.ask("call-1", endpoint, request_of(prompt, **options), deadline=None)


def failed(client: Client, endpoint: Endpoint, prompt: str = "hello", **options: Any) -> CallFailedError:
    with pytest.raises(CallFailedError) as caught:
        ask(client, endpoint, prompt, **options)
    return caught.value
