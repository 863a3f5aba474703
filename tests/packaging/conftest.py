"""The wheel and a program installed from it, made once for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging import machine


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources."""
    base = tmp_path_factory.mktemp("wheel")
    return machine.build(machine.copy_of_the_sources(base / "sources"), base / "dist", "wheel")


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own and return the program."""
    python = machine.new_venv(tmp_path_factory.mktemp("installed") / "venv")
    program = machine.install(wheel, python)
    machine.lend_dependencies(python)
    return program


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Return an empty folder beside an empty home."""
    folder = tmp_path / "empty folder"
    folder.mkdir()
    return folder
