"""A machine on which nothing is installed yet: an empty home, an empty folder, few programs, no package index."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from kimi_hooks.defaults import folder
from tests.house import PATIENCE, until

REPOSITORY = folder()
BIN = Path(sysconfig.get_path("scripts"))
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
SOURCES = ("CHANGELOG.md", "LICENSE", "README.md", "config.yaml", "docs", "hooks", "install.sh", "kimi_hooks",
           "pyproject.toml", "requirements.lock", ".gitignore")  # fmt: skip
SHIPPED_HOOKS = 3


def environment(home: Path) -> dict[str, str]:
    """Return what a new user's shell has. pip must find all on this machine."""
    home.mkdir(exist_ok=True)
    quiet = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}
    return {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **quiet}


def attempt(command: list[str | Path], cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the new user's home."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**environment(cwd.parent / "home"), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )


def run(command: list[str | Path], cwd: Path, **environ: str) -> str:
    """Run a command as `attempt` does and return what it says on stdout; it must succeed."""
    done = attempt(command, cwd, **environ)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_of_the_sources(target: Path) -> Path:
    """Copy what a clone holds, without what was made in it."""
    target.mkdir()
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / name)
    return target


def build(sources: Path, target: Path, kind: str) -> Path:
    """Build an sdist or a wheel with the pinned tool, without the network."""
    run([sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", target], sources)
    (made,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


def new_venv(where: Path, *, pip: bool = False) -> Path:
    """Make a virtual environment and return its python."""
    run([sys.executable, "-m", "venv", *([] if pip else ["--without-pip"]), where], where.parent)
    return where / "bin" / "python"


def lend_dependencies(python: Path) -> None:
    """Let the environment see what this one has installed, but for kimi-hooks itself."""
    site_packages = python.parent.parent / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    lent = python.parent.parent / "lent"
    lent.mkdir()
    for path in SITE_PACKAGES.iterdir():
        if "kimi_hooks" not in path.name and path.suffix != ".pth":
            (lent / path.name).symlink_to(path)
    (site_packages / "lent.pth").write_text(f"{lent}\n")


def install(wheel: Path, python: Path) -> Path:
    """Install the wheel as `pip install` does, and return the program."""
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run([*pip, "--no-deps", "--no-index", "--force-reinstall", wheel], python.parent.parent.parent)
    return python.parent / "kimi-hooks"


def works_in(program: Path, workspace: Path, cwd: Path) -> None:
    """Play the first day: version, workspace, a runner, a task for the imitation, its hooks, the end."""
    assert run([program, "--version"], cwd).startswith("kimi-hooks, version ")
    run([program, "init", workspace], cwd)
    call: list[str | Path] = [program, "--home", workspace]
    run([*call, "run", "--detach"], cwd)
    try:
        task_id = run([*call, "dispatch", "--standin", "-p", "hello"], cwd).strip()
        run([*call, "wait", task_id, "--timeout", "60"], cwd)
        assert json.loads((workspace / "results" / f"{task_id}.json").read_text())["status"] == "done"
        assert "This is a local imitation" in run([*call, "show", task_id], cwd)
        until(lambda: len(json.loads(run([*call, "hooks", "runs", "--json"], cwd))) == SHIPPED_HOOKS)
        runs = json.loads(run([*call, "hooks", "runs", "--json"], cwd))
        assert {(one["task_id"], one["outcome"]) for one in runs} == {(task_id, "delivered")}
    finally:
        said = run([*call, "stop"], cwd)
    assert said.startswith("stopped (process ")
