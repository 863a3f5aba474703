"""A running imitation with one key and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kimi_hooks.clock import Clock
from kimi_hooks.standin import models
from kimi_hooks.standin.server import Standin


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin(keys=frozenset({"sk-1"}), clock=Clock(now=lambda: 1000.0)) as running:
        yield running


@pytest.fixture
def old() -> Iterator[Standin]:
    """An imitation that knows the retired models too."""
    with Standin(known_models=models.LIVE_MODELS | models.OLD_MODELS) as running:
        yield running
