"""`kimi-hooks service`: which unit is written, what systemd is asked, what a person is told."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from kimi_hooks import lock, service
from kimi_hooks.errors import ServiceError
from tests.house import PROGRAM, House
from tests.service.conftest import Systemd, verify


def other(house: House, folder: Path) -> House:
    """A second workspace of the same user."""
    folder.mkdir(parents=True)
    return House(folder, house.kimi)


def test_install_writes_enables_and_starts(house: House, systemd: Systemd) -> None:
    """One sound unit for this workspace; then systemd reads it, enables it and starts it."""
    done = systemd.call(house, "install")
    assert done.returncode == 0, done.stderr
    assert systemd.units == ["kimi-hooks.service"]
    assert systemd.calls == ["daemon-reload", "enable --now kimi-hooks.service"]
    text = systemd.unit().read_text()
    assert f'ExecStart="{PROGRAM}" "--home" "{house.home}" "run"\n' in text
    assert verify(systemd.unit()) == ""
    assert str(systemd.unit()) in done.stdout
    assert "loginctl enable-linger" in done.stderr


def test_the_unit_gives_calls_and_hooks_their_time(house: House, systemd: Systemd) -> None:
    """TERM for the runner alone, and more time than the grace time of config.yaml."""
    house.configure(grace_seconds=99.5)
    text = systemd.call(house, "show").stdout
    assert "KillMode=mixed\n" in text
    assert "TimeoutStopSec=130\n" in text


def test_a_runner_that_cannot_start_is_given_up(house: House, systemd: Systemd) -> None:
    """It comes back after a failure, but not for ever, and not when it was ended on purpose."""
    lines = systemd.call(house, "show").stdout.splitlines()
    assert "Restart=on-failure" in lines
    assert {"StartLimitIntervalSec=300", "StartLimitBurst=5", "RestartSec=10"} <= set(lines)
    assert "SuccessExitStatus=130 131 143" in lines


def test_no_secret_stands_in_the_unit(house: House, systemd: Systemd) -> None:
    """What is set in the shell is not copied; its names are told, never its values."""
    done = systemd.call(house, "install", KIMI_API_KEY="sk-in-the-shell", HTTPS_PROXY="http://me:pw-in-the-shell@p")
    assert "in-the-shell" not in systemd.unit().read_text() + done.stdout + done.stderr
    assert "KIMI_API_KEY, HTTPS_PROXY" in done.stderr
    assert str(house.workspace.secrets_file) in done.stderr


def test_hooks_find_the_programs_of_the_shell(house: House, systemd: Systemd) -> None:
    """The unit has the PATH of the shell that installed it."""
    text = systemd.call(house, "show").stdout
    assert f'Environment="PATH={systemd.environ()["PATH"]}"\n' in text


def test_show_changes_nothing(house: House, systemd: Systemd) -> None:
    """It prints what install would write; no file, no question to systemd."""
    shown = systemd.call(house, "show").stdout
    assert systemd.units == []
    assert systemd.calls == []
    systemd.call(house, "install")
    assert systemd.unit().read_text() == shown


def test_a_second_workspace_gets_a_unit_of_its_own(house: House, systemd: Systemd, tmp_path: Path) -> None:
    """Named after its folder and its path, so that two folders of one name differ; the first stays untouched."""
    systemd.call(house, "install")
    first = systemd.unit().read_text()
    second, third = other(house, tmp_path / "a" / "My Shop"), other(house, tmp_path / "b" / "My Shop")
    for one in (second, third, second):
        assert systemd.call(one, "install").returncode == 0
    assert len(systemd.units) == 3
    assert all(name.startswith("kimi-hooks-my-shop-") for name in systemd.units if name != "kimi-hooks.service")
    assert systemd.unit().read_text() == first
    assert systemd.status(third)["unit"] != systemd.status(second)["unit"]


def test_somebody_elses_unit_is_never_touched(house: House, systemd: Systemd) -> None:
    """A kimi-hooks.service that we did not write is neither overwritten nor removed."""
    systemd.unit().parent.mkdir(parents=True)
    systemd.unit().write_text("[Service]\nExecStart=/bin/true\n")
    systemd.call(house, "install")
    assert len(systemd.units) == 2
    systemd.call(house, "uninstall")
    assert systemd.units == ["kimi-hooks.service"]
    assert systemd.unit().read_text() == "[Service]\nExecStart=/bin/true\n"
    again = systemd.call(house, "uninstall")
    assert again.returncode == 0
    assert "no service" in again.stdout
    assert systemd.units == ["kimi-hooks.service"]


def test_uninstall_stops_disables_and_removes(house: House, systemd: Systemd) -> None:
    """In this order; nothing is left, the workspace is not touched."""
    systemd.call(house, "install")
    done = systemd.call(house, "uninstall")
    assert done.returncode == 0, done.stderr
    assert systemd.calls[2:] == ["disable --now kimi-hooks.service", "daemon-reload"]
    assert systemd.units == []
    assert house.workspace.config_file.exists()


def test_without_a_bus_the_unit_is_written_and_the_rest_is_told(house: House, systemd: Systemd) -> None:
    """Exit code 1, the reason, and exactly what to type; uninstall removes it all the same."""
    systemd.breaks()
    done = systemd.call(house, "install")
    assert done.returncode == 1
    assert "No medium found" in done.stderr
    assert "systemctl --user daemon-reload && systemctl --user enable --now kimi-hooks.service" in done.stderr
    assert done.stderr.count("\n") == 1
    assert systemd.units == ["kimi-hooks.service"]
    assert systemd.status(house)["active"] is None
    assert "not known" in systemd.call(house, "status").stdout
    assert systemd.call(house, "uninstall").returncode == 1
    assert systemd.units == []


def test_without_a_bus_the_way_around_it_is_told(house: House, systemd: Systemd) -> None:
    """What the service would not see of this shell, and how a runner is had without systemd."""
    systemd.breaks()
    done = systemd.call(house, "install", KIMI_API_KEY="sk-in-the-shell", HTTPS_PROXY="http://p")
    unseen, failure = done.stderr.splitlines()
    assert "(KIMI_API_KEY, HTTPS_PROXY)" in unseen
    assert str(house.workspace.secrets_file) in unseen
    assert failure.endswith(f"; without systemd: {PROGRAM} --home {house.home} run --detach")


def test_without_systemctl(house: House, systemd: Systemd, tmp_path: Path) -> None:
    """As without a bus: written, and told."""
    (tmp_path / "nothing").mkdir()
    done = systemd.call(house, "install", PATH=str(tmp_path / "nothing"))
    assert done.returncode == 1
    assert "systemctl cannot be run" in done.stderr
    assert systemd.units == ["kimi-hooks.service"]


def test_a_runner_started_by_hand_is_told_and_left_alone(house: House, systemd: Systemd) -> None:
    """The service is enabled, not started; the message says how to change over."""
    runner = house.start()
    done = systemd.call(house, "install")
    assert done.returncode == 0
    assert systemd.calls[-1] == "enable kimi-hooks.service"
    assert f"process {runner.pid}" in done.stderr
    assert "stop && systemctl --user start kimi-hooks.service" in done.stderr
    holder = lock.holder(house.workspace.lock_file)
    assert holder is not None
    assert holder.pid == runner.pid


def test_the_services_own_runner_is_not_taken_for_another(house: House, systemd: Systemd) -> None:
    """Installed again while it is at work: it says how to restart it."""
    runner = house.start()
    systemd.shows("active", runner.pid)
    done = systemd.call(house, "install")
    assert systemd.calls[-1] == "enable --now kimi-hooks.service"
    assert "by hand" not in done.stderr
    assert "systemctl --user restart kimi-hooks.service" in done.stderr


def test_status_tells_what_is_installed_enabled_and_active(house: House, systemd: Systemd) -> None:
    """Exit code 0 either way; `--json` has the same facts."""
    assert "not installed" in systemd.call(house, "status").stdout
    assert systemd.status(house)["installed"] is False
    systemd.call(house, "install")
    systemd.shows("active", 4711)
    told = systemd.status(house)
    assert (told["installed"], told["enabled"], told["active"], told["pid"]) == (True, True, True, 4711)
    assert told["unit"] == "kimi-hooks.service"
    assert told["file"] == str(systemd.unit())
    assert "process 4711" in systemd.call(house, "status").stdout
    systemd.shows("failed", enabled="disabled")
    told = systemd.status(house)
    assert (told["enabled"], told["active"], told["state"]) == (False, False, "failed")
    failed = systemd.call(house, "status")
    assert failed.returncode == 0
    assert "journalctl --user -u kimi-hooks.service" in failed.stdout


@pytest.mark.parametrize("said", ["", "relative/config"])
def test_units_lie_where_systemd_looks(
    house: House, systemd: Systemd, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under ~/.config when XDG_CONFIG_HOME is not an absolute path."""
    systemd.call(house, "install", XDG_CONFIG_HOME=said)
    assert (Path.home() / ".config" / "systemd" / "user" / "kimi-hooks.service").exists()


def test_a_folder_that_is_no_workspace_is_refused(house: House, systemd: Systemd) -> None:
    """Nothing is written for it."""
    house.workspace.config_file.unlink()
    done = systemd.call(house, "install")
    assert done.returncode == 1
    assert "is not a workspace" in done.stderr
    assert systemd.units == []


def test_macos_is_refused_with_the_command_to_run(house: House) -> None:
    """One line: launchd is not covered, and what an agent of it should run."""
    with pytest.raises(ServiceError) as refused:
        service.refuse_elsewhere(house.workspace, "/opt/kimi hooks/bin/kimi-hooks", "darwin")
    assert "launchd" in str(refused.value)
    assert f"'/opt/kimi hooks/bin/kimi-hooks' --home {house.home} run" in str(refused.value)


def test_install_sh_service(house: House, systemd: Systemd, tmp_path: Path) -> None:
    """The script hands over to `service install` for the workspace that it has laid out."""
    clone = tmp_path / "clone"
    (clone / ".venv" / "bin").mkdir(parents=True)
    for name in ("install.sh", "requirements.lock"):
        shutil.copy(Path(__file__).parent.parent.parent / name, clone / name)
    shutil.copy(clone / "requirements.lock", clone / ".venv" / ".installed.lock")
    (clone / ".venv" / ".made-in").write_text(str(clone))
    (clone / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (clone / ".venv" / "bin" / "kimi-hooks").symlink_to(PROGRAM)
    done = systemd.run([str(clone / "install.sh"), "--service", "--home", str(tmp_path / "new")])
    assert done.returncode == 0, done.stderr
    assert f'"--home" "{tmp_path / "new"}" "run"' in systemd.unit().read_text()
    assert done.stdout.index("written and enabled: ") < done.stdout.index("\nReady. ")
    assert systemd.calls == ["daemon-reload", "enable --now kimi-hooks.service"]
