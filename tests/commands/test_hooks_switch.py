"""`hooks disable` and `hooks enable`: one hook off without an edit, and on again."""

from __future__ import annotations

import json

from tests.house import House


def test_a_hook_that_is_off_is_not_run(house: House) -> None:
    """At once and under every event, also by a runner that is at work; `list`, `status` and the log tell."""
    house.hook("#!/bin/sh\ntrue\n")
    house.start()
    off = house.call("hooks", "disable", "my-hook")
    assert off.returncode == 0
    assert off.stdout.startswith("my-hook is off; switch it on with: ")
    assert off.stdout.endswith(f" --home {house.home} hooks enable my-hook\n")
    first = house.call("dispatch", "-p", "x").stdout.strip()
    house.wait(first)
    assert house.runs() == []
    assert "OFF: somebody said hooks disable" in house.call("hooks", "list").stdout
    assert "\nhooks off: my-hook; see: " in house.call("status").stdout
    assert json.loads(house.call("status", "--json").stdout)["hooks_off"] == ["my-hook"]
    assert "hook my-hook is switched off: somebody said hooks disable" in house.log
    assert house.call("hooks", "enable", "my-hook").stdout == "my-hook is on\n"
    second = house.call("dispatch", "-p", "y").stdout.strip()
    house.wait(second)
    house.call("stop")
    assert [run.task_id for run in house.runs()] == [second]
    assert "hooks off" not in house.call("status").stdout


def test_what_is_so_already_is_said(house: House) -> None:
    """And is no failure."""
    house.hook("#!/bin/sh\ntrue\n")
    assert house.call("hooks", "enable", "my-hook").stdout == "my-hook was not off\n"
    house.call("hooks", "disable", "my-hook")
    again = house.call("hooks", "disable", "my-hook")
    assert (again.returncode, again.stdout) == (0, "my-hook was off already: somebody said hooks disable\n")


def test_an_unknown_hook_is_refused_with_the_nearest(house: House) -> None:
    """One that is off may be switched on though config.yaml no longer has it."""
    house.hook("#!/bin/sh\ntrue\n")
    refused = house.call("hooks", "disable", "my-hok")
    assert refused.returncode == 1
    assert refused.stderr == "kimi-hooks: my-hok: no such hook in config.yaml; did you mean 'my-hook'?\n"
    house.call("hooks", "disable", "my-hook")
    house.configure()
    assert house.call("hooks", "enable", "other").returncode == 1
    assert house.call("hooks", "enable", "my-hook").stdout == "my-hook is on\n"


def test_what_the_config_keeps_off_is_mended_there(house: House) -> None:
    """The verb says where, and does not say that the hook is on."""
    house.hook("#!/bin/sh\ntrue\n", enabled=False)
    refused = house.call("hooks", "enable", "my-hook")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"kimi-hooks: {house.workspace.config_file}: hooks: TaskCompleted: my-hook: `enabled: false` stands there, and"
        " keeps it off; take that out\n"
    )
