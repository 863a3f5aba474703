"""An imitation of the API, and a client with real time, for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kimi_hooks.clock import Clock
from kimi_hooks.kimi.client import Client, Endpoint
from kimi_hooks.standin.server import Standin


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin(keys=frozenset({"sk-right"})) as running:
        yield running


@pytest.fixture
def endpoint(standin: Standin) -> Endpoint:
    return Endpoint(standin.url, "sk-right", standin=True)


@pytest.fixture
def client() -> Client:
    return Client(clock=Clock())
