"""What the tests of trouble share: a workspace that another user can reach."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimi_hooks.standin.server import Standin
from tests.house import House


@pytest.fixture
def open_house(kimi: Standin) -> Iterator[House]:
    """Lay a workspace out where other users come to: pytest keeps its own folders shut."""
    parent = Path(tempfile.mkdtemp(prefix="kimi-hooks-test-"))
    made = House(parent / "ws", kimi)
    yield made
    made.close()
    shutil.rmtree(parent, ignore_errors=True)
