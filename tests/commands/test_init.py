"""`init` lays out a workspace and changes nothing that exists."""

from __future__ import annotations

import stat
from pathlib import Path

from kimi_hooks.defaults import hook_files
from kimi_hooks.layout import differences, differing, lay_out
from kimi_hooks.workspace import Workspace, read_config


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
