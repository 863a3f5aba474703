"""The shell completes verbs, options and task ids, quickly, and says nothing when something is wrong."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.house import PATIENCE, PROGRAM, House

BASH = """
set -u
source <(kimi-hooks completion bash)
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMPREPLY=()
_kimi_hooks_completion "$1"
printf '%s\\n' "${COMPREPLY[@]:-}"
"""
FISH = "kimi-hooks completion fish | source; complete --do-complete $argv[1]"
ZSH = "autoload -Uz compinit && compinit -u && source <(kimi-hooks completion zsh) && print -r -- $_comps[kimi-hooks]"


def shell(house: House, command: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(PROGRAM).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=house.home,
        env={**os.environ, "PATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def bash(house: House, *words: str, **environ: str) -> list[str]:
    """Return what a real bash offers after these words, the last of them begun; it must be silent."""
    done = shell(house, ["bash", "--norc", "-c", BASH, "bash", "kimi-hooks", *words], **environ)
    assert done.stderr == ""
    return done.stdout.split()


def asked(house: House, name: str, *words: str) -> str:
    """Ask the program as a shell's script does."""
    line = " ".join(["kimi-hooks", *words])
    answer = {"_KIMI_HOOKS_COMPLETE": f"{name}_complete", "COMP_WORDS": line}
    cword = words[-1] if name == "fish" else str(len(words))
    done = shell(house, [PROGRAM], **answer, COMP_CWORD=cword)
    assert done.stderr == ""
    return done.stdout


def test_bash_completes_verbs(house: House) -> None:
    """From their beginning; nothing that is no verb."""
    assert bash(house, "di") == ["dispatch"]
    assert {"status", "stop", "show", "standin", "service"} == set(bash(house, "s"))
    assert bash(house, "service", "un") == ["uninstall"]
    assert bash(house, "oops") == []


def test_bash_completes_options(house: House) -> None:
    """Those of the program and those of a verb."""
    assert bash(house, "--h") == ["--home", "--help"]
    assert bash(house, "dispatch", "--st") == ["--standin", "--start"]


def test_ids_are_those_of_the_workspace(house: House) -> None:
    """Open tasks before ended ones, then the newest; wherever a verb takes an id, and one that stands there not again."""
    house.drop("kimi-1700000001-aaaaaaaa.json", {"prompt": "a", "standin": True})
    house.drop("kimi-1700000002-bbbbbbbb.json", {"prompt": "b", "standin": True})
    house.drain()
    house.drop("kimi-1700000000-cccccccc.json", {"prompt": "c"})
    ids = ["kimi-1700000000-cccccccc", "kimi-1700000002-bbbbbbbb", "kimi-1700000001-aaaaaaaa"]
    assert bash(house, "show", "") == ids
    assert bash(house, "show", "kimi-1700000001") == ids[2:]
    assert bash(house, "wait", ids[0], "kimi-") == ids[1:]
    assert bash(house, "dispatch", "--after", "kimi-") == ids
    assert bash(house, "hooks", "runs", "--task", "kimi-") == ids
    assert bash(house, "ack", "kimi-") == ids[1:]
    house.call("ack", ids[1])
    assert bash(house, "ack", "kimi-") == ids[2:]


def test_hook_ids_are_those_of_the_config(house: House) -> None:
    """Each once, in the order of the file, wherever a verb takes one."""
    done = [{"id": "two", "command": "true"}, {"id": "one", "command": "true"}]
    failed = [{"id": "two", "command": "false"}]
    house.configure({"TaskCompleted": [{"hooks": done}], "TaskFailed": [{"hooks": failed}]})
    assert bash(house, "hooks", "runs", "--hook", "") == ["two", "one"]
    assert bash(house, "hooks", "runs", "--hook", "o") == ["one"]
    assert bash(house, "hooks", "disable", "t") == ["two"]
    assert bash(house, "hooks", "enable", "") == []
    house.call("hooks", "disable", "two")
    assert bash(house, "hooks", "enable", "") == ["two"]
    house.workspace.config_file.write_text("workspace: 1\nhooks: [\n")
    assert bash(house, "hooks", "runs", "--hook", "") == []


def test_events_runs_and_fixtures_are_completed(house: House) -> None:
    """The names of events, the numbers of runs, the newest first, and files."""
    house.hook("#!/bin/sh\ntrue\n")
    house.drop("a.md", "a")
    house.drop("b.md", "b")
    house.drain()
    assert bash(house, "hooks", "test", "Task") == ["TaskCreated", "TaskCompleted", "TaskFailed"]
    assert bash(house, "hooks", "explain", "Sto") == ["Stop", "StopFailure"]
    assert bash(house, "hooks", "runs", "--event", "Sto") == ["Stop", "StopFailure"]
    assert bash(house, "hooks", "replay", "") == ["2", "1"]
    assert asked(house, "fish", "hooks", "test", "Stop", "--fixture", "f").startswith("file,")


def test_ids_follow_the_workspace_that_is_named(house: House, tmp_path: Path) -> None:
    """`--home DIR` and KIMI_HOOKS_HOME count as for every verb."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    house.drop("kimi-1700000001-aaaaaaaa.json", {"prompt": "a"})
    assert bash(house, "--home", str(elsewhere), "show", "k") == []
    assert bash(house, "--home", str(house.home), "show", "k") == ["kimi-1700000001-aaaaaaaa"]
    assert bash(house, "show", "k", KIMI_HOOKS_HOME=str(elsewhere)) == []


@pytest.mark.parametrize("content", [b"", b"no database at all", None])
def test_a_broken_workspace_is_passed_over_in_silence(house: House, content: bytes | None) -> None:
    """Whatever the journal is, nothing is printed into somebody's line, and nothing is made or changed."""
    house.workspace.journal_file.unlink(missing_ok=True)
    if content is not None:
        house.workspace.journal_file.write_bytes(content)
    else:
        house.workspace.journal_file.mkdir()
    before = sorted(house.workspace.spool.iterdir())
    assert bash(house, "ack", "k") == []
    assert bash(house, "--home", "~nobody-at-all", "show", "k") == []
    assert sorted(house.workspace.spool.iterdir()) == before


def test_completing_does_not_wait_for_a_writer(house: House) -> None:
    """While another process holds the journal, what can be known without it is offered at once."""
    house.drop("kimi-1700000001-aaaaaaaa.json", {"prompt": "a", "standin": True})
    house.drain()
    with closing(sqlite3.connect(house.workspace.journal_file, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        assert bash(house, "show", "k") == ["kimi-1700000001-aaaaaaaa"]


def test_zsh_and_fish_are_answered(house: House) -> None:
    """In the form that each shell's script reads: type, value and help."""
    assert asked(house, "zsh", "di").splitlines()[:2] == ["plain", "dispatch"]
    assert asked(house, "fish", "di").startswith("plain,dispatch\tDrop a task into")
    assert asked(house, "fish", "init", "x").startswith("dir,")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_is_for_the_program(house: House, name: str) -> None:
    """It names the program and asks it by the variable that it listens to."""
    done = house.call("completion", name)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "_KIMI_HOOKS_COMPLETE" in done.stdout
    assert "kimi-hooks" in done.stdout


def test_another_shell_is_wrong_usage(house: House) -> None:
    """Exit code 2, with the shells that there are."""
    done = house.call("completion", "tcsh")
    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_a_real_fish(house: House) -> None:
    """The script loads, and completes a verb."""
    done = shell(house, ["fish", "--no-config", "-c", FISH, "kimi-hooks di"])
    assert done.stdout.startswith("dispatch\t")


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_a_real_zsh(house: House) -> None:
    """The script loads, and zsh knows whom to ask for this program."""
    done = shell(house, ["zsh", "-f", "-c", ZSH])
    assert done.stdout.strip() == "_kimi_hooks_completion"
