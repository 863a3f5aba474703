"""What all tests share: nobody's home and nobody's key, and a workspace with an imitation of Kimi beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from kimi_hooks.standin.server import Standin
from tests.house import House
from tests.receiver import Receiver

REAL_HOME = Path.home()

# How long an example takes says something of the machine and nothing of the code.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


@pytest.fixture(autouse=True)
def _nobody(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a home of its own and an environment without keys, so that none can use the developer's."""
    for name in ("KIMI_API_KEY", "MOONSHOT_API_KEY", "KIMI_API_URL", "KIMI_MODEL", "KIMI_HOOKS_HOME", "WEBHOOK_URL",
                 "WEBHOOK_SECRET", "OPENCLAW_GATEWAY_URL", "OPENCLAW_HOOKS_TOKEN", "KIMI_TASK_ID",
                 "KIMI_EVENT_ID"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def kimi() -> Iterator[Standin]:
    """Start an imitation of Kimi that stands for the real one: reached by KIMI_API_URL and a key."""
    with Standin(keys=frozenset({"sk-test-key-of-nobody"})) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, kimi: Standin) -> Iterator[House]:
    """Lay out a workspace whose Kimi is the imitation, with quick retries and no hooks."""
    made = House(tmp_path / "ws", kimi)
    yield made
    made.close()


@pytest.fixture
def open_house(kimi: Standin) -> Iterator[House]:
    """Lay a workspace out where other users come to: pytest keeps its own folders shut."""
    parent = Path(tempfile.mkdtemp(prefix="kimi-hooks-test-"))
    parent.chmod(0o755)
    made = House(parent / "ws", kimi)
    yield made
    made.close()
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Start an HTTP server on loopback that answers as it is told and remembers what came."""
    with Receiver() as server:
        yield server
