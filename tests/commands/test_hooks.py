"""`hooks list`, `hooks check`, `hooks runs`: what is configured, whether it is sound, what has run."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from kimi_hooks.clock import parse_iso
from tests.house import House

SEEN = {
    "Stop": [
        {
            "sequential": True,
            "hooks": [
                {"id": "guard", "command": "true", "onFailure": "block", "if": "usage.total_tokens > 5"},
                {"id": "idle", "command": "true", "async": True, "enabled": False},
            ],
        },
        {"matcher": "\u202e.*", "hooks": [{"id": "chat", "type": "http", "url": "https://example.com/token"}]},
    ],
    "TaskFailed": [{"matcher": "a|b", "hooks": [{"id": "x", "command": "true", "retries": 1}]}],
}
LISTED = """\
Stop (a gate)
  guard  *         true                 60 s, blocks on failure, one after the other, if usage.total_tokens > 5
  idle   *         true                 OFF: enabled: false, 600 s, 5 retries, async, one after the other
  chat   \\u202e.*  https://example.com  60 s, http
TaskFailed
  x  a|b  true  OFF: somebody said hooks disable, 600 s, 1 retry
"""


def test_hooks_list(house: House) -> None:
    """Every hook in the order of the file, with all that decides whether and how it runs; no address in full."""
    house.configure(SEEN)
    house.call("hooks", "disable", "x")
    rows = {row["id"]: row for row in json.loads(house.call("hooks", "list", "--json").stdout)}
    assert list(rows) == ["guard", "idle", "chat", "x"]
    keys = ("event", "matcher", "command", "timeout", "gate", "enabled", "async", "sequential", "if", "onFailure")
    assert [rows["guard"][key] for key in keys] == [
        "Stop", "*", "true", 60.0, True, True, False, True, "usage.total_tokens > 5", "block",
    ]  # fmt: skip
    assert [rows["idle"][key] for key in keys[4:7]] == [False, False, True]
    assert rows["x"]["off"]["why"] == "person"
    assert rows["chat"]["off"] is None
    assert house.call("hooks", "list").stdout == LISTED


def test_an_empty_list_says_so(house: House) -> None:
    """Nothing is configured, or nothing runs."""
    assert house.call("hooks", "list").stdout == "no hooks are configured\n"
    house.configure(SEEN, disableAllHooks=True)
    assert house.call("hooks", "list").stdout.startswith("disableAllHooks is on: none of them runs\nStop (a gate)\n")
    assert house.call("hooks", "check").stdout == "nothing to check: disableAllHooks is on\n"
    assert {row["enabled"] for row in json.loads(house.call("hooks", "list", "--json").stdout)} == {False}


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("hooks/missing.sh", "no such file"),
        ("hooks/not-executable.sh", "run bit"),
        ("hooks/bad.sh.j2", "bad.sh.j2:2"),
        ("hooks/missing.sh.j2", "missing.sh.j2"),
        ("hooks/no-interpreter.sh", "interpreter"),
    ],
)
def test_hooks_check_finds_what_would_not_run(house: House, command: str, problem: str) -> None:
    """Exit code 1 and the place, before a task has to find out."""
    (house.workspace.hooks / "not-executable.sh").write_text("#!/bin/sh\n")
    (house.workspace.hooks / "no-interpreter.sh").write_text("#!/nowhere/sh\n")
    (house.workspace.hooks / "no-interpreter.sh").chmod(0o755)
    (house.workspace.hooks / "bad.sh.j2").write_text('#!/bin/sh\necho "{{ task_name }}"\n')
    house.configure({"TaskCompleted": [{"hooks": [{"id": "x", "command": command}]}]})
    finished = house.call("hooks", "check")
    assert finished.returncode == 1
    assert problem in finished.stdout


@pytest.mark.parametrize(
    ("condition", "problem"), [("staus", "did you mean 'status'?"), ("task_description", "not known yet")]
)
def test_hooks_check_finds_a_condition_that_cannot_be_asked(house: House, condition: str, problem: str) -> None:
    """Before an event comes; a runner that starts says it too."""
    house.configure({"TaskCompleted": [{"hooks": [{"id": "x", "command": "true", "if": condition}]}]})
    finished = house.call("hooks", "check")
    assert finished.returncode == 1
    assert f"x: if: {condition}: " in finished.stdout
    assert problem in finished.stdout
    assert problem in house.call("run", "--detach").stderr
    house.call("stop")


@pytest.mark.parametrize(
    ("hooks", "keys", "told"),
    [
        ({}, {}, "no hooks are configured"),
        ({"Stop": [{"hooks": [{"command": "true"}]}]}, {"disableAllHooks": True}, "disableAllHooks is on"),
        ({"Stop": [{"hooks": [{"command": "true", "enabled": False}]}]}, {}, "no hook is enabled"),
    ],
)
def test_hooks_check_without_hooks_says_so(house: House, hooks: Any, keys: Any, told: str) -> None:
    """Silence would leave one guessing."""
    house.configure(hooks, **keys)
    finished = house.call("hooks", "check")
    assert (finished.returncode, finished.stdout.count("\n")) == (0, 1)
    assert told in finished.stdout
    assert house.call("hooks", "check", "--json").stdout.strip() == "[]"


def test_hooks_check_passes_the_shipped_workspace(house: House) -> None:
    """What `init` lays out is sound."""
    house.workspace.config_file.unlink()
    house.call("init", str(house.home))
    finished = house.call("hooks", "check")
    assert finished.returncode == 0, finished.stdout
    assert "notify-agi" in finished.stdout


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("report.txt.j2", "{{ nmae }}", "report.txt.j2:1: the name nmae is unknown; did you mean 'name'?"),
        ("report.en.txt.j2", "a\n{{ error.kind }}", "report.en.txt.j2:2: "),
        (
            "report.zh-TW.txt.j2",
            "{% if failure %}x{% endif %}",
            "zh-TW.txt.j2: it leaves the report of this task empty",
        ),
        (
            "report.txt.j2",
            "{% if lang == 'en' %}x{% endif %}",
            "report.txt.j2: it leaves the report of this task empty",
        ),
        (
            "report.txt.j2",
            "{% if outcome == 'done' %}x{% endif %}",
            "report.txt.j2: it leaves the report of this task empty",
        ),
        ("report.fr.txt.j2", "x", "no report is made from it; call it report.txt.j2, report.en.txt.j2 or report.zh-TW"),
    ],
)
def test_hooks_check_finds_a_report_that_would_fail(house: House, name: str, text: str, problem: str) -> None:
    """Of a task that is done or has failed, in each language that the template is for; exit code 1."""
    (house.workspace.hooks / name).write_text(text)
    finished = house.call("hooks", "check", "--json")
    assert finished.returncode == 1
    (found,) = json.loads(finished.stdout)
    assert (found["level"], found["event"], found["hook_id"]) == ("error", "report", name)
    assert problem in found["message"]


def test_hooks_check_passes_reports_that_can_be_made(house: House) -> None:
    """What tasks will carry nobody knows, so a value of theirs is no mistake."""
    (house.workspace.hooks / "report.txt.j2").write_text(
        "{{ metadata.ticket.id }} {{ name }} {{ metadata.n|thousands }}"
    )
    (house.workspace.hooks / "report.en.txt.j2").write_text("{{ name }}")
    finished = house.call("hooks", "check")
    assert finished.returncode == 0, finished.stdout
    files = (house.workspace.hooks / "report.en.txt.j2", house.workspace.hooks / "report.txt.j2")
    assert finished.stdout == "".join(f"ok    report {file.name}: {file}\n" for file in files)


def test_hooks_runs_is_the_record(house: House) -> None:
    """Every run with its outcome and both outputs, newest first; for one task or one hook."""
    house.hook("#!/bin/sh\necho out\necho err >&2\nexit 1\n", retries=1)
    house.drop("a.md", "a")
    house.drain()
    runs = json.loads(house.call("hooks", "runs", "--json").stdout)
    assert [run["outcome"] for run in runs] == ["gave_up", "retry"]
    assert list(runs[0]) == ["hook_id", "event", "event_id", "task_id", "attempt", "outcome", "exit_code",
                             "duration_ms", "stdout", "stderr", "ended_at", "http_status", "reason", "run"]  # fmt: skip
    assert (runs[0]["stdout"], runs[0]["stderr"], runs[0]["exit_code"]) == ("out\n", "err\n", 1)
    assert runs[0]["ended_at"].endswith("Z")
    assert parse_iso(house.result()["completed_at"]) <= parse_iso(runs[0]["ended_at"]) <= time.time()
    assert len(json.loads(house.call("hooks", "runs", "--json", "--task", house.entry().id).stdout)) == 2
    newest = house.call("hooks", "runs").stdout.splitlines()[0]
    assert newest.startswith(f"   2  {runs[0]['ended_at']}  {house.entry().id}  TaskCompleted  my-hook ")
    assert newest.endswith(" ms  err")


def test_the_record_can_be_narrowed(house: House) -> None:
    """By event, under any of its names, and to what went wrong."""
    bad, good = {"id": "bad", "command": "false", "retries": 0}, {"id": "good", "command": "true"}
    house.configure({"TaskCompleted": [{"hooks": [bad, good]}], "Notification": [{"hooks": [{**good}]}]})
    house.drop("a.md", "a")
    house.drain()

    def hooks(*words: str) -> list[tuple[str, str]]:
        runs = json.loads(house.call("hooks", "runs", "--json", *words).stdout)
        return sorted((run["hook_id"], run["event"]) for run in runs)

    assert hooks() == [("bad", "TaskCompleted"), ("good", "Notification"), ("good", "TaskCompleted")]
    assert hooks("--event", "TaskCompleted") == [("bad", "TaskCompleted"), ("good", "TaskCompleted")]
    assert hooks("--event", "Stop") == []
    assert hooks("--failed") == [("bad", "TaskCompleted")]
    assert house.call("hooks", "runs", "--event", "TaskComplete").returncode == 2


def test_a_line_that_was_cut_is_marked(house: House) -> None:
    """A long word of a hook's ends in a mark, one that just fits does not."""
    house.hook('#!/bin/sh\nprintf "%0$(cat length)d" 0\n')
    for length, end in ((300, "000"), (301, "0 ...")):
        (house.home / "length").write_text(str(length))
        house.drop("a.md", "a")
        house.drain()
        line = house.call("hooks", "runs", "--limit", "1").stdout.rstrip("\n")
        assert line.endswith(end)
        assert line.count("0" * 300) == 1
        assert "0" * 301 not in line


def test_runs_of_a_hook_that_is_not_there(house: House) -> None:
    """One line with the hooks that there are; one that has not run, or is no longer configured, is no mistake."""
    house.hook("#!/bin/sh\n", id="old-one")
    house.drop("a.md", "a")
    house.drain()
    handlers = [{"id": "one", "command": "true"}, {"id": "two", "command": "true"}]
    house.configure({"TaskFailed": [{"hooks": handlers}]})
    refused = house.call("hooks", "runs", "--hook", "nohook", "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "kimi-hooks: nohook: no such hook in config.yaml; there are: one, two\n"
    assert house.call("hooks", "runs", "--hook", "two").stdout == "no such run is on record yet\n"
    assert "old-one" in house.call("hooks", "runs", "--hook", "old-one").stdout
    house.configure()
    assert house.call("hooks", "runs", "--hook", "x").stderr.endswith("no such hook in config.yaml; there are none\n")


def test_runs_of_a_task_that_is_not_there(house: House) -> None:
    """The same error as the other verbs have; a task without runs is no mistake."""
    task_id = house.call("dispatch", "-p", "x").stdout.strip()
    refused = house.call("hooks", "runs", "--task", "nope")
    assert refused.returncode == 1
    assert refused.stderr == house.call("show", "nope").stderr
    assert json.loads(house.call("hooks", "runs", "--task", task_id, "--json").stdout) == []


def test_tags_outside_a_template_are_found(house: House) -> None:
    """They would be passed on as they stand."""
    house.configure({"TaskCompleted": [{"hooks": [{"id": "x", "command": "echo {{ task_name }}"}]}]})
    finished = house.call("hooks", "check")
    assert finished.returncode == 1
    assert ".sh.j2" in finished.stdout
    started = house.call("run", "--detach")
    house.call("stop")
    assert "not in order" in started.stderr
