"""From nothing to an answered task, for each way of installing. Nothing is fetched: dependencies are lent."""

from __future__ import annotations

from pathlib import Path

from tests.packaging import machine


def test_a_wheel_in_a_new_environment(installed: Path, empty: Path) -> None:
    """The installed program, not this checkout, plays the first day in an empty folder with an empty home."""
    imported = machine.run([installed.parent / "python", "-c", "import kimi_hooks; print(kimi_hooks.__file__)"], empty)
    assert Path(imported.strip()).is_relative_to(installed.parent.parent)
    machine.works_in(installed, empty / "ws", empty)
    assert {path.name for path in empty.iterdir()} == {"ws"}
    assert [*(empty.parent / "home").iterdir()] == []


def test_install_sh_in_a_fresh_clone(empty: Path) -> None:
    """The script installs the clone with pip and lays out its workspace; outside of it nothing is left behind."""
    clone = machine.copy_of_the_sources(empty / "clone")
    python = machine.new_venv(clone / ".venv", pip=True)
    (clone / ".venv" / ".made-in").write_text(str(clone))
    machine.lend_dependencies(python)
    said = machine.run([clone / "install.sh"], empty)
    assert "Ready." in said
    program = clone / ".venv" / "bin" / "kimi-hooks"
    imported = machine.run([python, "-c", "import kimi_hooks; print(kimi_hooks.__file__)"], empty)
    assert Path(imported.strip()).is_relative_to(clone)
    machine.works_in(program, clone, empty)
    assert [*(empty.parent / "home").iterdir()] == []
