"""`hooks import`: YAML on standard output, what was left out on standard error, and config.yaml kept whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kimi_hooks import defaults
from kimi_hooks.workspace import read_config
from tests.house import House

SETTINGS = {
    "hooks": {
        "PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "x"}]}],
        "StopFailure": [{"matcher": "rate_limit", "hooks": [{"type": "command", "command": "true", "timeout": 5}]}],
    }
}
YAML = """\
hooks:
  StopFailure:
    - matcher: rate_limit
      hooks:
        - id: 'true'
          type: command
          command: 'true'
          timeout: 5
"""


@pytest.fixture
def settings(tmp_path: Path) -> str:
    """A settings file with one hook that can run here and one that cannot."""
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(SETTINGS))
    return str(file)


def test_it_prints_what_can_be_pasted(house: House, settings: str) -> None:
    """The same every time, and nothing is written."""
    before = house.workspace.config_file.read_bytes()
    finished = house.call("hooks", "import", settings)
    assert (finished.returncode, finished.stdout) == (0, YAML)
    left_out, note = finished.stderr.splitlines()
    assert left_out.startswith("left out: PreToolUse: there are no tool calls here; ")
    assert note.startswith("note: StopFailure: ")
    told = json.loads(house.call("hooks", "import", settings, "--json").stdout)
    assert (told["written"], told["notes"][0]["place"]) == (False, "PreToolUse")
    assert house.workspace.config_file.read_bytes() == before


def test_it_adds_to_the_shipped_config(house: House, settings: str) -> None:
    """With `--write`, link and mode stay; the hook is there and runs, and a second time adds nothing."""
    kept = house.home / "kept.yaml"
    kept.write_bytes((defaults.folder() / "config.yaml").read_bytes())
    kept.chmod(0o600)
    house.workspace.config_file.unlink()
    house.workspace.config_file.symlink_to(kept)
    finished = house.call("hooks", "import", settings, "--write")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(f"added 1 to {house.workspace.config_file}; look them over with: ")
    assert (os.readlink(house.workspace.config_file), kept.stat().st_mode & 0o777) == (str(kept), 0o600)
    after = kept.read_text()
    assert read_config(house.workspace).named_hooks()[-1].hook_id == "true"
    again = house.call("hooks", "import", settings, "--write")
    assert again.stdout == "nothing to add: all of them are in config.yaml already\n"
    assert kept.read_text() == after


def test_it_prints_where_it_cannot_write(house: House, settings: str) -> None:
    """A config of another style stays as it is; the YAML is there to be pasted, and the exit code says no."""
    house.workspace.config_file.write_text("workspace: 1\nhooks: {}\n")
    finished = house.call("hooks", "import", settings, "--write")
    assert (finished.returncode, finished.stdout) == (1, YAML)
    assert "nothing was written; paste what stands above" in finished.stderr
    assert house.workspace.config_file.read_text() == "workspace: 1\nhooks: {}\n"


def test_line_ends_of_windows_stay(house: House, settings: str) -> None:
    """All lines end alike afterwards."""
    house.workspace.config_file.write_bytes(b"workspace: 1\r\n# mine\r\n")
    assert house.call("hooks", "import", settings, "--write").returncode == 0
    data = house.workspace.config_file.read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") > 2
    assert len(read_config(house.workspace).named_hooks()) == 1


def test_all_switched_off_there_is_all_switched_off_here(house: House, tmp_path: Path) -> None:
    """`disableAllHooks` comes along on paper; into a config with other hooks it is not written."""
    file = tmp_path / "off.json"
    file.write_text(json.dumps({**SETTINGS, "disableAllHooks": True}))
    printed = house.call("hooks", "import", str(file))
    assert printed.stdout == f"disableAllHooks: true\n{YAML}"
    assert "note: disableAllHooks: is on there" in printed.stderr
    written = house.call("hooks", "import", str(file), "--write")
    assert "disableAllHooks" not in house.workspace.config_file.read_text()
    assert "left out: disableAllHooks: it would switch off your other hooks" in written.stderr + written.stdout


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"hooks": {"PreToolUse": []}}', "there is nothing in it that could run here; see above\n"),
        ('{"hooks": {}}', "there is nothing in it that could run here\n"),
        ('{"hooks"', "line 1, column 9: "),
    ],
)
def test_nothing_to_import_is_told(house: House, tmp_path: Path, text: str, problem: str) -> None:
    """Exit code 1 and one line, no YAML."""
    file = tmp_path / "settings.json"
    file.write_text(text)
    finished = house.call("hooks", "import", str(file))
    assert (finished.returncode, finished.stdout) == (1, "")
    assert problem in finished.stderr
    assert house.call("hooks", "import", str(tmp_path / "none.json")).returncode == 1
