"""The unit's text: systemd must read back the very paths that were meant, whatever is in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from kimi_hooks import unit
from kimi_hooks.unit import Unit
from tests.house import PATIENCE, PROGRAM
from tests.service.conftest import verify

HOSTILE = [
    "plain", "two  words", "100% %h %%", "$HOME ${HOME} $$", "it's \"quoted\"", "back\\slash\\x41\\", "家/文件夾 é",
    "line\nbreak\ttab", "-dash; # comment", "bytes \udcff", "[x]=y",
]  # fmt: skip
# How systemd shows what cannot be shown.
AS_SHOWN = str.maketrans({"\n": "\\n", "\t": "\\t", "\udcff": "\\377"})
# Nobody's user, without any right: what reads the units can change nothing on this machine.
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--bounding-set=-all")


def text(home: Path, program: Path) -> str:
    return unit.text(Unit(home, program, "/bin:/a b/%i/$x", 30.0), "kimi-hooks.service")


def program_in(folder: Path) -> Path:
    """Put a program into a folder with an odd name."""
    folder.mkdir(parents=True)
    (folder / "kimi-hooks").write_text("#!/bin/sh\n")
    (folder / "kimi-hooks").chmod(0o755)
    return folder / "kimi-hooks"


@pytest.mark.parametrize("name", HOSTILE)
def test_systemd_understands_any_path(tmp_path: Path, name: str) -> None:
    """systemd-analyze finds the program where it is and nothing to complain of."""
    file = tmp_path / "kimi-hooks.service"
    file.write_text(text(tmp_path / name, program_in(tmp_path / name)), "utf-8")
    assert verify(file) == ""


def test_the_check_would_see_a_wrong_path(tmp_path: Path) -> None:
    """A unit whose program is not where it says is complained of: the test above can fail."""
    file = tmp_path / "kimi-hooks.service"
    file.write_text(text(tmp_path, tmp_path / "gone %h"), "utf-8")
    assert "gone %h" in verify(file)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_owner_is_read_back(tmp_path: Path, name: str) -> None:
    """From its unit we know which workspace it is for; a unit of others is nobody's."""
    home = tmp_path / name
    assert unit.home_of(text(home, Path(PROGRAM))) == home
    assert unit.home_of("[Service]\nExecStart=/bin/true\n") is None
    assert unit.home_of("[Unit]\nX-KimiHooksHome=oops\n") is None


@pytest.mark.parametrize("name", HOSTILE)
def test_a_further_name_is_one_that_systemd_takes(tmp_path: Path, name: str) -> None:
    """Plain letters, digits and dashes, not too long, different for each folder."""
    made = unit.further_name(tmp_path / name)
    stem = made.removesuffix(".service")
    assert stem.startswith("kimi-hooks-")
    assert all(char.isascii() and (char.isalnum() or char == "-") for char in stem)
    assert len(unit.further_name(tmp_path / ("x" * 250))) < 100
    assert made != unit.further_name(tmp_path / f"{name}2")


@pytest.mark.parametrize("name", HOSTILE)
def test_systemd_reads_back_what_was_meant(name: str) -> None:
    """The arguments and the PATH that a real systemd has understood, asked to start nothing, are the ones given."""
    with tempfile.TemporaryDirectory() as made:
        base = Path(made)
        home, program = base / name, Path("/bin/true")
        for folder in (base, base / "units", base / "run"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        (base / "units" / "kimi-hooks.service").write_text(text(home, program), "utf-8")
        for target in ("basic.target", "default.target", "shutdown.target"):
            (base / "units" / target).write_text("[Unit]\nDescription=nothing but ours\n")
        dump = understood(base)
    command = next(line for line in dump if line.startswith(b"Command Line: ")).removeprefix(b"Command Line: ")
    # The line is quoted for a shell; `$$` becomes `$` only when systemd starts the command.
    words = subprocess.run([b"bash", b"-c", b"printf '%s\\0' " + command], capture_output=True, check=True).stdout
    asked = [os.fsdecode(word).replace("$$", "$") for word in words.split(b"\0")[:-1]]
    shown = str(home).translate(AS_SHOWN)
    assert asked == [str(program), "--home", shown, "run"]
    assert b"Environment: PATH=/bin:/a b/%i/$x" in dump


def understood(base: Path) -> list[bytes]:
    """Return what a real systemd says of the units, line by line; it starts nothing and runs as nobody."""
    systemd = shutil.which("systemd", path="/usr/lib/systemd:/lib/systemd")
    if not systemd or os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs systemd, and root to become nobody")
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(base), "XDG_RUNTIME_DIR": str(base / "run"),
               "SYSTEMD_UNIT_PATH": str(base / "units"), "SYSTEMD_LOG_TARGET": "console"}  # fmt: skip
    asked = [*AS_NOBODY, systemd, "--user", "--test", "--no-pager", "--unit=kimi-hooks.service"]
    done = subprocess.run(asked, env=environ, capture_output=True, timeout=PATIENCE, check=True)
    return [line.strip() for line in done.stdout.splitlines()]
