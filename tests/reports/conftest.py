"""All reports here are read in Taipei."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _in_taipei(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Eight hours before UTC, whatever zone this machine is in and whether it knows the names of zones."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "CST-8")
        time.tzset()
        yield
    time.tzset()
