"""install.sh and run-kimi.sh on machines that lack something, and with odd arguments. Nothing is installed here."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from kimi_hooks.defaults import folder
from tests.house import PATIENCE

REPOSITORY = folder()
BIN = Path(sysconfig.get_path("scripts"))
SCRIPTS = ("install.sh", "run-kimi.sh", "scripts/dispatch-kimi.sh")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy what the scripts need into a folder with a space in its name."""
    clone = tmp_path / "my clone"
    (clone / "scripts").mkdir(parents=True)
    for name in (*SCRIPTS, "requirements.lock", "config.yaml"):
        shutil.copy(REPOSITORY / name, clone / name)
    shutil.copytree(REPOSITORY / "hooks", clone / "hooks")
    return clone


@pytest.fixture
def installed(clone: Path) -> Path:
    """Give the clone a `.venv` that runs this checkout's program, as if install.sh had been there."""
    bin_folder = clone / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    for name in ("python", "kimi-hooks"):
        (bin_folder / name).write_text(f'#!/bin/sh\nexec "{BIN / name}" "$@"\n')
        (bin_folder / name).chmod(0o755)
    (clone / ".venv" / ".made-in").write_text(str(clone))
    shutil.copy(clone / "requirements.lock", clone / ".venv" / ".installed.lock")
    return clone


def call(script: Path, *arguments: str, path: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *arguments],
        env={**os.environ, **({"PATH": path} if path else {}), **environ},
        cwd=script.parent.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def fake_python(tmp_path: Path, body: str) -> str:
    """Return a PATH on which python3 and its like are only this script."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "dirname", "uname", "env", "cat", "cmp", "sed", "rm"):
        (tools / name).symlink_to(shutil.which(name) or "/bin/false")
    if body:
        (tools / "python3").write_text(f"#!/bin/sh\n{body}\n")
        (tools / "python3").chmod(0o755)
    return str(tools)


def test_no_python(clone: Path, tmp_path: Path) -> None:
    """One line that names the package."""
    finished = call(clone / "install.sh", path=fake_python(tmp_path, ""))
    assert finished.returncode == 1
    assert "apt install python3" in finished.stderr
    assert not (clone / ".venv").exists()


def test_an_old_python(clone: Path, tmp_path: Path) -> None:
    """Its version, what is needed, and how to get it."""
    finished = call(
        clone / "install.sh", path=fake_python(tmp_path, 'case $1 in --version) echo "Python 3.8.2";; *) exit 1;; esac')
    )
    assert finished.returncode == 1
    assert "Python 3.8.2 is too old" in finished.stderr
    assert "3.11" in finished.stderr


def test_no_venv_module(clone: Path, tmp_path: Path) -> None:
    """Debian keeps it in a package of its own, which is named with the version."""
    body = f'case "$*" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"'
    finished = call(clone / "install.sh", path=fake_python(tmp_path, body))
    assert finished.returncode == 1
    assert f"apt install python3.{sys.version_info.minor}-venv" in finished.stderr


def test_windows_is_refused_in_one_line(clone: Path, tmp_path: Path) -> None:
    """With what to do instead."""
    path = fake_python(tmp_path, "")
    (Path(path) / "uname").unlink()
    (Path(path) / "uname").write_text("#!/bin/sh\necho MINGW64_NT-10.0\n")
    (Path(path) / "uname").chmod(0o755)
    finished = call(clone / "install.sh", path=path)
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert "WSL" in finished.stderr


@pytest.mark.parametrize("arguments", [["--what"], ["--home"]])
def test_install_refuses_what_it_does_not_know(clone: Path, arguments: list[str]) -> None:
    """Before anything is touched."""
    finished = call(clone / "install.sh", *arguments)
    assert finished.returncode == 1
    assert "--home" in finished.stderr
    assert not (clone / ".venv").exists()


def test_install_again_changes_nothing(installed: Path) -> None:
    """With all in place it only says so; edited files stay; the network is not asked."""
    (installed / "config.yaml").write_text("workspace: 1\n# mine\n")
    first = call(installed / "install.sh", PIP_NO_INDEX="1")
    assert first.returncode == 0, first.stderr
    before = state_of(installed)
    assert call(installed / "install.sh", PIP_NO_INDEX="1").returncode == 0
    assert state_of(installed) == before
    assert "mine" in (installed / "config.yaml").read_text()


def test_install_home_lays_the_workspace_out_elsewhere(installed: Path, tmp_path: Path) -> None:
    """The clone itself gets no workspace files then."""
    finished = call(installed / "install.sh", "--home", str(tmp_path / "elsewhere"))
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "elsewhere" / ".env.kimi").exists()
    assert not (installed / ".env.kimi").exists()


def test_quick_start(installed: Path) -> None:
    """One command without a key: id, answer, where it lies, loudly marked as an imitation; a runner stays behind."""
    try:
        finished = call(installed / "run-kimi.sh", "--standin", 'it\'s $(a) "prompt"\n-x', "a name", "-5298003529")
        assert finished.returncode == 0, finished.stderr
        task_id = finished.stdout.splitlines()[0]
        assert "not by Kimi" in finished.stderr
        assert f"results/{task_id}.json" in finished.stderr
        result = (installed / "results" / f"{task_id}.json").read_text()
        assert '"task_name": "a name"' in result
        assert '"group": "-5298003529"' in result
        assert '"standin": true' in result
        waiting = call(installed / "scripts" / "dispatch-kimi.sh", "-p", "-dash", "--standin", "--wait")
        assert waiting.returncode == 0, waiting.stderr
        assert "background" not in waiting.stderr
    finally:
        call(installed / ".venv" / "bin" / "kimi-hooks", "--home", str(installed), "stop")


def test_without_a_key_one_message_says_both_ways(installed: Path) -> None:
    """How to set the key and how to try without; no runner is started for it."""
    call(installed / "install.sh")
    finished = call(installed / "run-kimi.sh", "hello")
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert "KIMI_API_KEY" in finished.stderr
    assert "--standin" in finished.stderr
    assert not (installed / "spool" / "lock").exists()


@pytest.mark.parametrize("arguments", [[], [" "], ["--what", "x"], ["a", "b", "c", "d"], ["a", "--wait"]])
def test_wrong_usage_shows_the_usage(installed: Path, arguments: list[str]) -> None:
    """Exit code 2."""
    finished = call(installed / "run-kimi.sh", *arguments)
    assert finished.returncode == 2
    assert "PROMPT [NAME] [GROUP]" in finished.stderr


def test_the_scripts_can_be_run() -> None:
    """The run bits are there, in the repository and for the shipped hooks."""
    for path in [*(REPOSITORY / name for name in SCRIPTS), *(REPOSITORY / "hooks").iterdir()]:
        assert path.stat().st_mode & stat.S_IXUSR, path


def state_of(home: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in home.rglob("*") if path.is_file() and "spool" not in path.parts)
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
