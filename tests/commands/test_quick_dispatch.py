"""`dispatch` of plain text is quick: config.yaml is checked once for each edit, and no slow library is imported."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kimi_hooks
from kimi_hooks import config_note
from kimi_hooks.workspace import read_basics, read_config
from tests.house import KEY, PATIENCE, PROGRAM, House, until

SLOW = {"pydantic", "pydantic_core", "yaml", "requests", "urllib3", "rich", "jinja2", "watchdog", "sqlite3"}
EVERY_TEXT = ["-n", "it's a name", "-g", "-529", "--channel", "slack", "--thread-id", "14", "--account", "acc",
              "--reply-to", "77", "--model", "m", "--system", "s", "--reasoning-effort", "low", "--thinking", "enabled", "--standin",
              "--json"]  # fmt: skip


def imported(house: House, *arguments: str, stdin: bytes = b"") -> set[str]:
    """Run the real program's dispatch; return the names of all packages that it imported."""
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, "--home", str(house.home), "dispatch", *arguments],
        env=house.environ,
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    found = set(re.findall(rb"^import time:.*\| +([A-Za-z_0-9]+)", finished.stderr, re.MULTILINE))
    assert b"click" in found
    return {name.decode() for name in found}


@pytest.fixture
def noted(house: House) -> House:
    """Give a workspace whose config.yaml was checked and is noted."""
    read_config(house.workspace)
    assert house.workspace.config_note.exists()
    return house


@pytest.mark.parametrize(
    "arguments", [["-p", "x"], ["-f", "prompt.txt"], ["-"], ["-p", "x", *EVERY_TEXT]], ids=["-p", "-f", "-", "options"]
)
def test_plain_text_imports_nothing_slow(noted: House, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """Neither what checks nor what reads YAML, nor what only the runner needs; of the journal nothing without one."""
    monkeypatch.chdir(noted.home)
    Path("prompt.txt").write_text("line\r\n\tline 🐉\n")
    assert imported(noted, *arguments, stdin=b"from stdin\n") & SLOW == set()
    assert len(list(noted.workspace.outbox.iterdir())) == 1


def test_where_a_runner_has_been_only_the_journal_is_looked_at(noted: House) -> None:
    """Whether the queue is paused stands in the journal; --start leaves a runner alone that is at work."""
    noted.start()
    assert imported(noted, "-p", "x", "--start") & SLOW <= {"sqlite3"}


def test_waiting_needs_neither_pydantic_nor_yaml(noted: House) -> None:
    """Only what wakes it comes on top."""
    noted.start()
    assert imported(noted, "-p", "x", "--wait") & SLOW <= {"sqlite3", "watchdog"}


@pytest.mark.parametrize("arguments", [["--priority", "1"], ["--metadata", "a=b"], ["-n", "two\nlines"]])
def test_all_else_is_checked_in_full(noted: House, arguments: list[str]) -> None:
    """This shows also that the measure above can find what is slow."""
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, "--home", str(noted.home), "dispatch", "-p", "x", *arguments],
        env=noted.environ,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert b"pydantic" in finished.stderr


def test_an_edit_is_noticed_at_once(noted: House) -> None:
    """Broken: refused. Mended: accepted. What it says has changed: that counts."""
    assert noted.call("dispatch", "-p", "x").returncode == 0
    sound = noted.workspace.config_file.read_text()
    noted.workspace.config_file.write_text(sound + "limts: {}\n")
    for _ in range(2):
        refused = noted.call("dispatch", "-p", "x")
        assert refused.returncode == 1
        assert "did you mean 'limits'?" in refused.stderr
    noted.workspace.config_file.write_text(sound)
    assert noted.call("dispatch", "-p", "x").returncode == 0
    noted.configure(max_task_bytes=10)
    assert "larger than 10 bytes" in noted.call("dispatch", "-p", "x").stderr
    assert len(list(noted.workspace.outbox.iterdir())) == 2


def test_a_changed_address_and_model_take_effect(noted: House) -> None:
    """What config.yaml says of Kimi is what Kimi is asked; what only our environment says, the runner does not know."""
    noted.environ.pop("KIMI_API_URL")
    noted.configure(kimi={"api_url": noted.kimi.url, "model": "first"})
    assert noted.call("dispatch", "-p", "x").returncode == 0
    noted.configure(kimi={"api_url": f"{noted.kimi.url}/", "model": "second"})
    noted.start()
    assert "not what is set here" not in noted.call("dispatch", "-p", "y").stderr
    other = "http://127.0.0.1:9/v1"
    assert "not what is set here" in noted.call("dispatch", "-p", "z", KIMI_API_URL=other).stderr
    noted.configure(kimi={"api_url": other, "model": "second"})
    until(lambda: other in json.loads(noted.call("status", "--json").stdout)["kimi"])
    assert "not what is set here" not in noted.call("dispatch", "-p", "z").stderr
    assert read_basics(noted.workspace).settings["KIMI_API_URL"] == "http://127.0.0.1:9/v1"
    assert read_basics(noted.workspace).settings["KIMI_MODEL"] == "second"


def test_the_note_is_ours_alone_and_holds_no_secret(house: House) -> None:
    """Mode 0600; nothing of the environment, of .env.kimi or of the hooks stands in it."""
    house.workspace.secrets_file.write_text("WEBHOOK_SECRET=whsec_hidden\nOPENCLAW_HOOKS_TOKEN=tok_hidden\n")
    house.configure({"TaskCompleted": [{"hooks": [{"command": "curl --header sesame"}]}]})
    assert house.call("dispatch", "-p", "the prompt").returncode == 0
    note = house.workspace.config_note
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    for secret in (KEY, "whsec_hidden", "tok_hidden", "sesame", "the prompt"):
        assert secret not in note.read_text()


def test_a_look_from_a_folder_without_spool_makes_none(house: House, tmp_path: Path) -> None:
    """A config that is only checked leaves nothing behind."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.yaml").write_text("workspace: 1\n")
    assert house.call("--home", str(tmp_path / "bare"), "hooks", "list").returncode == 0
    assert [path.name for path in (tmp_path / "bare").iterdir()] == ["config.yaml"]


def changed(change: Callable[[Any], object]) -> Callable[[Path], object]:
    """Return what changes a sound note about the config.yaml that lies there."""

    def make(note: Path) -> None:
        said = json.loads(note.read_text())
        change(said)
        note.write_text(json.dumps(said))

    return make


def replaced(put: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return what puts something else in the note's place; the sound note lies beside it as `other`."""

    def make(note: Path) -> None:
        note.rename(note.with_name("other"))
        put(note)

    return make


FOREIGN: dict[str, Callable[[Path], object]] = {
    "another version": changed(lambda said: said["of"].update(version="0.0.9")),
    "other bytes": changed(lambda said: said["of"].update(sha256="0" * 64)),
    "no list of roots": changed(lambda said: said["basics"].update(context_roots="/")),
    "no text for a root": changed(lambda said: said["basics"].update(context_roots=[1])),
    "a size in words": changed(lambda said: said["basics"].update(max_task_bytes="many")),
    "true is no size": changed(lambda said: said["basics"].update(max_task_bytes=True)),
    "no size of context": changed(lambda said: said["basics"].pop("max_context_bytes")),
    "context of no size": changed(lambda said: said["basics"].update(max_context_bytes=0)),
    "no size": changed(lambda said: said["basics"].update(max_task_bytes=0)),
    "no calls a minute": changed(lambda said: said["basics"].update(requests_per_minute=0)),
    "a number for a model": changed(lambda said: said["basics"]["settings"].update(KIMI_MODEL=1)),
    "a key too many": changed(lambda said: said["basics"]["settings"].update(KIMI_API_KEY="x")),
    "a key too few": changed(lambda said: said["basics"]["settings"].pop("KIMI_MODEL")),
    "a list": lambda note: note.write_text("[1]"),
    "garbage": lambda note: note.write_bytes(b"\xff\0{"),
    "nothing in it": lambda note: note.write_bytes(b""),
    "too deep": lambda note: note.write_text("[" * 100_000),
    "half of it": lambda note: note.write_bytes(note.read_bytes()[:-9]),
    "readable by others": lambda note: note.chmod(0o644),
    "a link": replaced(lambda note: note.symlink_to("other")),
    "a folder": replaced(Path.mkdir),
    "a pipe": replaced(lambda note: os.mkfifo(note, 0o600)),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_a_note_that_is_not_ours_is_not_believed(noted: House, make: Callable[[Path], object]) -> None:
    """Whatever lies in its place, config.yaml is checked in full and the task is dispatched."""
    make(noted.workspace.config_note)
    assert config_note.read(noted.workspace.config_note, noted.workspace.config_file.read_bytes()) is None
    finished = noted.call("dispatch", "-p", "x")
    assert finished.returncode == 0, finished.stderr
    assert len(list(noted.workspace.outbox.iterdir())) == 1
    noted.workspace.config_file.write_text("workspace: 1\nlimts: {}\n")
    assert noted.call("dispatch", "-p", "x").returncode == 1


def test_a_note_of_an_older_program_is_made_anew(noted: House) -> None:
    """After an upgrade config.yaml is checked by the new program, once."""
    note = noted.workspace.config_note
    FOREIGN["another version"](note)
    assert noted.call("dispatch", "-p", "x").returncode == 0
    assert json.loads(note.read_text())["of"]["version"] == kimi_hooks.__version__


def test_where_the_note_cannot_be_left_dispatch_works(noted: House) -> None:
    """A note is a convenience; what stands in its way is passed over, and stays."""
    note = noted.workspace.config_note
    FOREIGN["a folder"](note)
    assert noted.call("dispatch", "-p", "x").returncode == 0
    assert note.is_dir()
    assert list(noted.workspace.spool.glob(".tmp-*")) == []


@pytest.mark.parametrize("keys", [{}, {"kimi": {"api_url": "http://x", "model": "m"}, "context_roots": ["~/a", "b"]}])
def test_the_note_says_what_the_config_says(house: House, keys: dict[str, Any]) -> None:
    """What is read back is what was checked."""
    house.configure(webhook={"url": "https://example.test"}, **keys)
    checked = read_config(house.workspace).basics
    data = house.workspace.config_file.read_bytes()
    assert config_note.read(house.workspace.config_note, data) == checked == read_basics(house.workspace)
