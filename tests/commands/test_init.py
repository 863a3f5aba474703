"""`init` lays out a workspace and changes nothing that exists."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

from kimi_hooks.defaults import folder, hook_files
from kimi_hooks.layout import differences, differing, lay_out
from kimi_hooks.workspace import Workspace, read_config
from tests.house import PROGRAM


def init(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [PROGRAM, "init", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_it_makes_all_that_is_missing(tmp_path: Path) -> None:
    """Config, secrets, hooks, outbox, results, spool: and says so."""
    workspace = Workspace(tmp_path / "new")
    told = lay_out(workspace)
    assert all(line.startswith("made") for line in told)
    assert read_config(workspace).workspace == 1
    assert {path.name for path in workspace.hooks.iterdir()} == {path.name for path in hook_files()}
    assert all(folder.is_dir() for folder in workspace.working_folders())
    assert (workspace.home / ".gitignore").read_text().startswith("/.env.kimi")


def test_secrets_are_for_the_owner_alone(tmp_path: Path) -> None:
    """Mode 0600, a webhook secret of its own each time; the spool is closed to others too."""
    one, two = Workspace(tmp_path / "one"), Workspace(tmp_path / "two")
    lay_out(one)
    lay_out(two)
    assert stat.S_IMODE(one.secrets_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(one.spool.stat().st_mode) == 0o700
    assert "WEBHOOK_SECRET=whsec_" in one.secrets_file.read_text()
    assert one.secrets_file.read_text() != two.secrets_file.read_text()


def test_it_changes_nothing_that_exists(tmp_path: Path) -> None:
    """Edited files, modes and contents stay; the second run makes nothing."""
    workspace = Workspace(tmp_path)
    lay_out(workspace)
    for path in [workspace.config_file, workspace.secrets_file, *workspace.hooks.iterdir()]:
        path.write_text("mine")
        path.chmod(0o640)
    told = lay_out(workspace)
    assert all(line.startswith("kept") for line in told)
    assert workspace.config_file.read_text() == workspace.secrets_file.read_text() == "mine"
    assert stat.S_IMODE(workspace.secrets_file.stat().st_mode) == 0o640


def test_only_hooks_that_differ_are_told(tmp_path: Path) -> None:
    """Fresh ones, missing ones and the user's own are not; an edited one is, and the diff leads to the shipped one."""
    workspace = Workspace(tmp_path)
    lay_out(workspace)
    first, *others = sorted(workspace.hooks.iterdir())
    (workspace.hooks / "mine.sh").write_text("mine")
    for other in others:
        other.unlink()
    assert differing(workspace) == []
    assert differences(workspace) == ""
    first.write_bytes(b"mine\xff\n")
    assert differing(workspace) == [first]
    assert differences(workspace).startswith(f"--- {first}\n+++ {hook_files()[0]}\n@@ ")


def test_what_is_kept_takes_one_line(tmp_path: Path) -> None:
    """A fresh workspace ends with the next step; the second time there is one line; what comes anew is named."""
    fresh = init(tmp_path / "new").stdout.splitlines()
    assert [line.startswith("made  ") for line in fresh] == [True] * (len(fresh) - 1) + [False]
    assert fresh[-1].startswith(f"next  put KIMI_API_KEY=sk-... into {tmp_path / 'new' / '.env.kimi'}, then: ")
    assert fresh[-1].endswith(f"{PROGRAM} --home {tmp_path / 'new'} run --detach")
    assert init(tmp_path / "new").stdout == f"kept everything ({len(fresh) - 1})\n"
    shutil.rmtree(tmp_path / "new" / "outbox")
    again = init(tmp_path / "new").stdout
    assert again == f"made  {tmp_path / 'new' / 'outbox'}\nkept everything else ({len(fresh) - 2})\n"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """One line that says so; the file stays as it is."""
    (tmp_path / "file").write_text("mine")
    refused = init(tmp_path / "file")
    assert refused.returncode == 1
    told = f"kimi-hooks: {tmp_path / 'file'} is a file, not a folder; name a folder, or a place where one can be made\n"
    assert refused.stderr == told
    assert (tmp_path / "file").read_text() == "mine"


def test_the_clone_itself_has_no_shipped_files_to_differ_from(tmp_path: Path) -> None:
    """`init --diff` says where the difference is told instead; elsewhere it shows it."""
    own = subprocess.run(
        [PROGRAM, "--home", str(folder()), "init", "--diff"], capture_output=True, text=True, check=False
    )
    assert (own.returncode, own.stdout) == (0, "")
    assert own.stderr == "kimi-hooks: this workspace is the clone itself: see `git diff`\n"
    init(tmp_path)
    (tmp_path / "config.yaml").write_text("workspace: 1\n")
    other = init(tmp_path, "--diff")
    assert (other.returncode, other.stderr) == (0, "")
    assert other.stdout.startswith(f"--- {tmp_path}/config.yaml\n")


def test_a_config_that_no_verb_would_find_is_told(tmp_path: Path) -> None:
    """The line `workspace: 1` must stand by itself; with it, there is nothing to say."""
    config = tmp_path / "config.yaml"
    config.write_text("{workspace: 1}\n")
    told = init(tmp_path)
    assert told.returncode == 0
    assert f"{config}: it lacks the line `workspace: 1`" in told.stderr
    assert config.read_text() == "{workspace: 1}\n"
    config.write_text("workspace: 1\n")
    assert "workspace: 1" not in init(tmp_path).stderr
