"""`report`: which task, which language, which zone, and what it does when there is nothing to tell."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from kimi_hooks.config import Language
from kimi_hooks.reports.language import of_environment
from kimi_hooks.standin.faults import Fault
from tests.house import House

FIRST, SECOND = "kimi-1700000000-aaaaaaaa", "kimi-1700000000-bbbbbbbb"


@pytest.fixture(autouse=True)
def _without_a_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever language this machine speaks, and whichever task's hook runs the tests."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "KIMI_TASK_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def two(house: House) -> House:
    """Two tasks that have ended, one after the other."""
    for task_id in (FIRST, SECOND):
        house.drop(f"{task_id}.json", {"prompt": "x", "name": f"name of {task_id[-8:]}"})
        house.drain()
    return house


def test_report_a_task(two: House) -> None:
    """The text on stdout, with the full path of the result file, and nothing else."""
    finished = two.call("report", FIRST, "--lang", "en")
    assert finished.returncode == 0
    assert finished.stderr == ""
    assert finished.stdout.startswith(f"Done: name of aaaaaaaa\nTask: {FIRST}\n")
    assert f": {two.workspace.result_file(FIRST)}\n" in finished.stdout
    assert finished.stdout.endswith(f"\nAnswer:\n{two.result(FIRST)['output']}\n")


def test_report_without_an_id(two: House) -> None:
    """The task in KIMI_TASK_ID, as in a hook; else, or when that is empty, the newest ended one."""
    assert f"Task: {SECOND}\n" in two.call("report", KIMI_TASK_ID="").stdout
    assert f"Task: {FIRST}\n" in two.call("report", KIMI_TASK_ID=FIRST).stdout
    assert f"Task: {SECOND}\n" in two.call("report", SECOND, KIMI_TASK_ID=FIRST).stdout


def test_report_as_json(two: House) -> None:
    """The text, and the pieces that it is made of, without the whole answer."""
    told = json.loads(two.call("report", FIRST, "--json", "--lang", "zh-TW").stdout)
    assert (told["task_id"], told["outcome"], told["lang"]) == (FIRST, "done", "zh-TW")
    assert told["text"] == two.call("report", FIRST, "--lang", "zh-TW").stdout.rstrip("\n")
    assert told["result_file"] == str(two.workspace.result_file(FIRST))
    assert "output" not in told


@pytest.mark.parametrize(("zone", "offset"), [("CST-8", "+08:00"), ("NST3:30", "-03:30"), ("UTC0", "+00:00")])
def test_the_time_is_local(two: House, zone: str, offset: str) -> None:
    """TZ is respected, and the offset stands beside the time."""
    assert f" UTC{offset}, after " in two.call("report", FIRST, TZ=zone).stdout


def test_the_option_the_config_then_the_environment(two: House) -> None:
    """What is said last counts most."""
    chinese, english = "已完成\n", "Done: "
    assert chinese in two.call("report", LC_ALL="zh_TW.UTF-8").stdout
    assert english in two.call("report", "--lang", "en", LC_ALL="zh_TW.UTF-8").stdout
    two.configure(report={"lang": "zh-TW"})
    assert chinese in two.call("report", LC_ALL="C").stdout
    assert english in two.call("report", "--lang", "en", LC_ALL="C").stdout


@pytest.mark.parametrize(
    ("environ", "lang"),
    [
        ({}, "en"),
        ({"LANG": "zh_TW.UTF-8"}, "zh-TW"),
        ({"LANG": "zh"}, "zh-TW"),
        ({"LANG": "zh_CN.UTF-8"}, "zh-TW"),
        ({"LANG": "zha"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_TW.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW.UTF-8"}, "zh-TW"),
        ({"LC_ALL": "C", "LC_MESSAGES": "zh_TW.UTF-8", "LANG": "zh_TW.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_HK.UTF-8"}, "zh-TW"),
    ],
)
def test_the_first_locale_variable_that_is_set_decides(environ: dict[str, str], lang: Language) -> None:
    """LC_ALL, LC_MESSAGES, LANG, empty ones passed over."""
    assert of_environment(environ) == lang


def test_the_text_is_utf_8_wherever_it_is_made(two: House) -> None:
    """A daemon without a proper locale still sends Chinese."""
    finished = two.call("report", "--lang", "zh-TW", PYTHONIOENCODING="ascii", LC_ALL="POSIX")
    assert finished.returncode == 0
    assert finished.stdout.startswith("任務「")


def test_an_unknown_language_is_wrong_usage(two: House) -> None:
    """With those that there are."""
    finished = two.call("report", FIRST, "--lang", "fr")
    assert finished.returncode == 2
    assert "zh-TW" in finished.stderr


def test_a_broken_config_keeps_nobody_from_reading(two: House) -> None:
    """It is told, and the environment says the language."""
    two.workspace.config_file.write_text("workspace: 1\nreport: {lang: fr}\n")
    finished = two.call("report", LC_ALL="zh_TW.UTF-8")
    assert finished.returncode == 0
    assert "report.lang" in finished.stderr
    assert "已完成" in finished.stdout


def test_a_task_that_has_not_ended(house: House) -> None:
    """One line with its state and what to do, exit code 1; before and after its file is taken."""
    task_id = house.call("dispatch", "-p", "x", "--not-before", "2999-01-01").stdout.strip()
    for state in ("dropped", "available"):
        finished = house.call("report", task_id)
        assert finished.returncode == 1
        assert finished.stdout == ""
        assert finished.stderr.startswith(f"kimi-hooks: {task_id} has not ended (it is {state}); wait for it first: ")
        assert finished.stderr.count("\n") == 1
        house.drain()


@pytest.mark.parametrize("task_id", ["kimi-1-nothing0", "../../etc/passwd", "*", "", "--", "kimi-1-aaaaaaaa\n"])
def test_an_unknown_id_is_told_as_by_show(two: House, task_id: str) -> None:
    """The same words; an empty one is no way of asking for the newest."""
    ids = ["--", task_id] if task_id == "--" else [task_id]
    finished = two.call("report", *ids)
    assert finished.returncode == 1
    assert finished.stderr == two.call("show", *ids).stderr
    assert "no such task" in finished.stderr


def test_only_what_it_needs_is_loaded() -> None:
    """A hook runs it for every task: it must not pay for calls to Kimi, for tables or for the script templates."""
    code = "import sys, kimi_hooks.commands.report; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "kimi_hooks.reports.render" in loaded
    assert {"requests", "rich", "kimi_hooks.hooks", "kimi_hooks.kimi", "kimi_hooks.standin"}.isdisjoint(loaded)


def test_nothing_has_ended_yet(house: House) -> None:
    """There is no newest one."""
    finished = house.call("report")
    assert finished.returncode == 1
    assert "no task has ended yet" in finished.stderr


@pytest.mark.parametrize("content", [None, "{", '{"task_id": "another"}'])
def test_a_result_that_has_gone(two: House, content: str | None) -> None:
    """The file is named, and that the task has ended all the same."""
    file = two.workspace.result_file(FIRST)
    file.unlink() if content is None else file.write_text(content)
    finished = two.call("report", FIRST)
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"kimi-hooks: {file}: the task has ended, but ")


def test_a_broken_template_is_one_line(two: House) -> None:
    """File, line, remedy; exit code 1; no traceback."""
    (two.workspace.hooks / "report.txt.j2").write_text("a\n{{ task_nmae }}\n")
    finished = two.call("report", FIRST)
    assert finished.returncode == 1
    assert "report.txt.j2:2: the name task_nmae is unknown; did you mean 'task_name'?" in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_a_real_failure_is_reported(house: House) -> None:
    """From the call to the text: kind in words, message, remedy, what had arrived."""
    house.kimi.add(Fault("http", status=400, type="content_filter"))
    house.drop("a.md", "a")
    house.drain()
    text = house.call("report", "--lang", "en").stdout
    assert text.startswith("Failed: a\n")
    assert "What went wrong: Kimi's filter stopped the prompt or the answer.\nMessage: Kimi at 127.0.0.1 " in text
    assert text.endswith("\nNothing had arrived.\n")


def test_the_imitation_is_told_first(house: House) -> None:
    """Nobody takes it for Kimi's answer, in either language."""
    house.drop("a.json", {"prompt": "x", "name": "a", "standin": True})
    house.drain()
    assert house.call("report", "--lang", "en").stdout.startswith("NOT FROM KIMI: ")
    assert house.call("report", "--lang", "zh-TW").stdout.startswith("【這不是 Kimi 的回答】")


def test_a_hook_reports_its_own_task(house: House) -> None:
    """Without an id and without a path, by what the runner gives it."""
    house.hook("#!/bin/sh\nprintf '%s' \"$(kimi-hooks report --lang en)\"\n")
    house.drop("a.md", "a")
    house.drain()
    (run,) = house.runs()
    assert run.stdout.startswith(f"Done: a\nTask: {house.entry().id}\n")
