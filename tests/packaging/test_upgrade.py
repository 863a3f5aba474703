"""A newer program over an older workspace: what is the user's stays byte for byte, what is missing is added."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from kimi_hooks.defaults import hook_files
from tests.packaging import machine
from tests.packaging.machine import REPOSITORY

OLD = Path(__file__).parent / "workspace-1"
ENDED, WAITING, DROPPED = "kimi-1795355134-endedold", "kimi-1795355135-waitsold", "kimi-1795355136-dropped0"
EDITED, MISSING = "notify-agi.sh.j2", "webhook-handler.sh.j2"
CONFIG = """\
# my own remarks
workspace: 1
limits: {requests_per_minute: 60}
hooks:
  TaskCompleted:
    - hooks: [{id: mine, command: hooks/mine.sh}]
"""
MINE = {
    "config.yaml": (CONFIG, 0o640),
    ".env.kimi": ("WEBHOOK_SECRET=whsec_old\n", 0o600),
    ".gitignore": ("# mine\n", 0o644),
    "hooks/mine.sh": ('#!/bin/sh\necho "$KIMI_TASK_ID" >>told\n', 0o750),
    f"hooks/{EDITED}": ("#!/bin/sh\n# mine: {{ task_id }}\n", 0o700),
    "notes/about.md": ("not the program's at all\n", 0o604),
}
DROPPED_TASK = {"prompt": "Dropped while nobody looked.", "name": "dropped", "standin": True}


@pytest.fixture
def old(empty: Path) -> Path:
    """Lay a workspace of the first version out by hand, used and edited, with tasks that wait."""
    home = empty / "old workspace"
    for name, (content, mode) in MINE.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
        (home / name).chmod(mode)
    shutil.copytree(OLD / "results", home / "results")
    (home / "outbox").mkdir()
    (home / "outbox" / f"{DROPPED}.json").write_text(json.dumps(DROPPED_TASK))
    (home / "spool").mkdir(mode=0o700)
    with closing(sqlite3.connect(home / "spool" / "journal.db")) as db:
        db.executescript((OLD / "journal.sql").read_text())
    return home


def users_files(home: Path) -> dict[str, tuple[bytes, int, int]]:
    """Everything but the runner's own, with modes and times."""
    files = (path for path in home.rglob("*") if path.is_file() and "spool" not in path.parts)
    return {
        str(path.relative_to(home)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns)
        for path in files
    }


def test_init_changes_nothing_and_adds_what_is_missing(installed: Path, old: Path) -> None:
    """Config, secrets, own and edited hooks, results and waiting tasks stay as they are; only new files come."""
    before = users_files(old)
    machine.run([installed, "init", old], old.parent)
    after = users_files(old)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {f"hooks/{MISSING}", "hooks/notify-group.sh.j2"}
    shipped = {path.name: path for path in hook_files()}[MISSING]
    assert (old / "hooks" / MISSING).read_bytes() == shipped.read_bytes()
    assert (old / "hooks" / MISSING).stat().st_mode & stat.S_IXUSR


def test_a_hook_that_is_not_the_shipped_one_is_told(installed: Path, old: Path) -> None:
    """One line names it and the command that shows the shipped version; that command changes nothing."""
    said = machine.run([installed, "init", old], old.parent)
    (line,) = (line for line in said.splitlines() if "differs" in line)
    assert str(old / "hooks" / EDITED) in line
    assert "init --diff" in line
    before = users_files(old)
    diff = machine.run([installed, "--home", old, "init", "--diff"], old.parent)
    assert users_files(old) == before
    assert "\n-# mine: {{ task_id }}\n" in diff
    assert "\n+# Wakes the OpenClaw agent" in diff
    assert "-# my own remarks\n" in diff


def test_waiting_tasks_run_and_old_results_are_read(installed: Path, old: Path) -> None:
    """A task in the old journal and one in the outbox are answered and told to the user's hook; the old one is shown."""
    machine.run([installed, "init", old], old.parent)
    call: list[str | Path] = [installed, "--home", old]
    machine.run([*call, "run", "--drain"], old.parent)
    results = {path.stem: json.loads(path.read_text()) for path in (old / "results").glob("kimi-*.json")}
    assert {name: result["outcome"] for name, result in results.items()} == dict.fromkeys(
        (ENDED, WAITING, DROPPED), "done"
    )
    assert sorted((old / "told").read_text().split()) == [WAITING, DROPPED]
    assert json.loads(machine.run([*call, "show", ENDED, "--json"], old.parent)) == results[ENDED]
    machine.run([*call, "ack", ENDED], old.parent)
    assert json.loads((old / "results" / f"{ENDED}.json").read_text())["status"] == "acknowledged"
    assert "nobody was woken" in machine.run([*call, "hooks", "runs", "--task", ENDED], old.parent)


def test_install_sh_again_keeps_an_edited_clone(empty: Path, old: Path) -> None:
    """The script over a clone that is a workspace keeps the user's config, hooks and secrets."""
    for name in ("install.sh", "requirements.lock", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(REPOSITORY / name, old / name)
    (old / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "kimi-hooks"):
        (old / ".venv" / "bin" / name).write_text(f'#!/bin/sh\nexec "{machine.BIN / name}" "$@"\n')
        (old / ".venv" / "bin" / name).chmod(0o755)
    (old / ".venv" / ".made-in").write_text(str(old))
    shutil.copy(old / "requirements.lock", old / ".venv" / ".installed.lock")
    before = users_files(old)
    machine.run([old / "install.sh"], empty)
    after = users_files(old)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("verb", [["status"], ["run", "--drain"], ["ack", "--all"], ["wait", ENDED]])
def test_a_journal_of_a_newer_version_is_refused(installed: Path, old: Path, verb: list[str]) -> None:
    """One line names the file, why, and what to do; the journal is not touched."""
    journal = old / "spool" / "journal.db"
    with closing(sqlite3.connect(journal)) as db:
        db.execute("PRAGMA user_version = 999")
    before = journal.read_bytes()
    done = machine.attempt([installed, "--home", old, *verb], old.parent)
    assert done.returncode == 1
    assert str(journal) in done.stderr
    assert "newer kimi-hooks" in done.stderr
    assert "upgrade" in done.stderr
    assert done.stderr.count("\n") <= 2
    assert journal.read_bytes() == before
    assert sorted(path.name for path in journal.parent.glob("journal*")) == ["journal.db"]
