"""Where the workspace is and where each setting comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from kimi_hooks import settings
from kimi_hooks.config import Config, parse
from kimi_hooks.workspace import Workspace, find
from tests.conftest import REAL_HOME


def read(home: Path, environ: dict[str, str], config: Config | None = None) -> settings.Settings:
    return settings.read(Workspace(home / "ws"), (config or Config()).basics.settings, environ, home)


def test_the_order_of_the_places(tmp_path: Path) -> None:
    """The environment, .env.kimi here, the agent's .env.kimi, config.yaml, the default."""
    ours, agents = tmp_path / "ws", tmp_path / ".openclaw" / "workspace"
    config = parse("workspace: 1\nkimi: {model: from-config}\n", "c")
    assert read(tmp_path, {}).get("KIMI_MODEL") == "kimi-k3"
    assert read(tmp_path, {}, config).get("KIMI_MODEL") == "from-config"
    agents.mkdir(parents=True)
    (agents / ".env.kimi").write_text("KIMI_MODEL=from-agent\n")
    assert read(tmp_path, {}, config).get("KIMI_MODEL") == "from-agent"
    ours.mkdir()
    (ours / ".env.kimi").write_text("KIMI_MODEL='from-ours'\n")
    assert read(tmp_path, {}, config).get("KIMI_MODEL") == "from-ours"
    found = read(tmp_path, {"KIMI_MODEL": "from-environment"}, config)
    assert found.get("KIMI_MODEL") == "from-environment"
    assert found.origins["KIMI_MODEL"] == "environment"


def test_the_key_has_two_names(tmp_path: Path) -> None:
    """MOONSHOT_API_KEY will do; an empty KIMI_API_KEY counts as none; a line end is no part of a key."""
    assert read(tmp_path, {"KIMI_API_KEY": "", "MOONSHOT_API_KEY": "sk-moon\n"}).get("KIMI_API_KEY") == "sk-moon"
    assert read(tmp_path, {}).get("KIMI_API_KEY") is None


def test_a_secret_is_taken_as_it_is_written(tmp_path: Path) -> None:
    """A dollar sign in a secrets file stands for itself."""
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / ".env.kimi").write_text("WEBHOOK_SECRET=a${HOME}b$c\n")
    assert read(tmp_path, {"HOME": "/x"}).get("WEBHOOK_SECRET") == "a${HOME}b$c"


def test_secrets_are_known_as_such(tmp_path: Path) -> None:
    """What must be masked in the log: keys and tokens, not the model."""
    found = read(tmp_path, {"KIMI_API_KEY": "sk-1", "OPENCLAW_HOOKS_TOKEN": "tok", "KIMI_MODEL": "m"})
    assert set(found.secrets) == {"sk-1", "tok"}


@pytest.mark.parametrize(
    "text", ["workspace: 1\n", "# x\nworkspace: 1  # mark\nbroken: [\n", "a: 1\r\nworkspace: 1\r\n"]
)
def test_a_marked_parent_folder_is_the_workspace(tmp_path: Path, text: str) -> None:
    """Found from anywhere inside, even when the rest of the file is broken."""
    (tmp_path / "config.yaml").write_bytes(text.encode())
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find(None, {}, tmp_path / "a" / "b").home == tmp_path


@pytest.mark.parametrize("text", ["other: 1\n", "  workspace: 1\n", "workspace: 10\n", "#workspace: 1\n"])
def test_another_projects_config_is_not_a_workspace(tmp_path: Path, text: str) -> None:
    """Many projects have a config.yaml; only the mark makes it ours."""
    (tmp_path / "config.yaml").write_text(text)
    assert find(None, {}, tmp_path).home == Path.home() / ".openclaw/workspace/kimi-dispatch"


def test_what_is_said_outright_comes_first(tmp_path: Path) -> None:
    """--home before KIMI_HOOKS_HOME before the parents."""
    (tmp_path / "config.yaml").write_text("workspace: 1\n")
    environ = {"KIMI_HOOKS_HOME": str(tmp_path / "env")}
    assert find(str(tmp_path / "option"), environ, tmp_path).home == tmp_path / "option"
    assert find(None, environ, tmp_path).home == tmp_path / "env"


def test_tests_never_see_the_developers_home() -> None:
    """The guard of this test suite holds."""
    assert Path.home() != REAL_HOME
    assert "pytest" in str(Path.home())
