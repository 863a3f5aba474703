"""One server for all tests here, and as many fresh workspaces as a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from kimi_hooks.standin.server import Standin
from tests.crash.crashing import Server
from tests.house import KEY, House


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[[], House]]:
    """Return a function that lays out one more workspace, each with its own Kimi."""
    with ExitStack() as opened:
        numbers = count(1)

        def make() -> House:
            house = House(tmp_path / f"ws{next(numbers)}", opened.enter_context(Standin(keys=frozenset({KEY}))))
            opened.callback(house.close)
            house.environ = {name: house.environ[name] for name in ("KIMI_API_KEY", "KIMI_API_URL", "HOME", "PATH")}
            return house

        yield make
