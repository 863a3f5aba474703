"""An edit of config.yaml or of a template counts at the next event; a broken one keeps the last good state."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kimi_hooks import atomic, news
from kimi_hooks.clock import Clock
from kimi_hooks.edits import ConfigFile, LastGood
from kimi_hooks.errors import TemplateError
from kimi_hooks.journal import facts
from kimi_hooks.journal.store import Connection
from kimi_hooks.pool import Pool
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome
from kimi_hooks.workspace import Workspace
from tests.house import House, until
from tests.receiver import Receiver

FIRST, SECOND, THIRD = (f"kimi-1700000000-{letter * 8}" for letter in "abc")
TELLER = {"id": "teller", "command": "cat >> told.jsonl"}
LISTEN = {"Notification": [{"hooks": [TELLER]}]}
EDITED = "config.yaml was edited; this counts from now on: "


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "kimi_hooks"):
        yield


class Gate:
    """Keeps the imitation from answering until it is opened."""

    def __init__(self, house: House) -> None:
        self._open = threading.Event()
        house.kimi.latency = 1.0
        house.kimi.sleep = self._wait

    def open(self) -> None:
        self._open.set()

    def _wait(self, _: float) -> None:
        self._open.wait(20)


@pytest.fixture
def gate(house: House) -> Iterator[Gate]:
    """Hold all answers back."""
    made = Gate(house)
    yield made
    made.open()


def told(house: House) -> list[dict[str, Any]]:
    """Return the notifications that the hook has read so far."""
    file = house.home / "told.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def on_done(*commands: str, **keys: Any) -> dict[str, Any]:
    """Return hooks for tasks that are done, besides the one that hears notifications."""
    handlers = [{"id": f"hook-{number}", "command": command, **keys} for number, command in enumerate(commands)]
    return {"TaskCompleted": [{"hooks": handlers}], **LISTEN}


def ask(house: House, task_id: str, **keys: Any) -> None:
    """Have one task answered and its hooks run."""
    house.drop(f"{task_id}.json", {"prompt": "x", "name": task_id[-8:], **keys})
    house.wait(task_id)


def replace_config(house: House, text: str) -> None:
    """Write config.yaml as careful editors do: beside it, then by rename."""
    beside = house.home / "config.yaml.new"
    beside.write_text(text)
    beside.rename(house.workspace.config_file)


def breaks(house: House, text: str = "workspace: 1\nlimts: {}\n") -> None:
    """Break config.yaml and wait until it has been told."""
    before = len(told(house))
    replace_config(house, text)
    until(lambda: len(told(house)) == before + 1)


def write_template(house: House, body: str, name: str = "t.sh.j2") -> Path:
    file = house.workspace.hooks / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    return file


# What an edit changes


def test_a_hook_that_is_added_hears_the_next_event(house: House) -> None:
    """Without a restart, and without waiting for it: the edit was there before the task."""
    with house.running():
        ask(house, FIRST)
        house.configure(on_done("touch was-here"))
        ask(house, SECOND)
        until(lambda: len(house.runs()) == 1)
    assert [run.task_id for run in house.runs()] == [SECOND]


def test_a_hook_that_is_removed_is_not_run_any_more(house: House) -> None:
    """And nobody gives up on it: it is owed nothing."""
    house.configure(on_done("true", "true"))
    with house.running():
        ask(house, FIRST)
        until(lambda: len(house.runs()) == 2)
        house.configure(on_done("true"))
        ask(house, SECOND)
        until(lambda: len(house.runs()) == 3)
    assert [run.hook_id for run in house.runs() if run.task_id == SECOND] == ["hook-0"]
    assert told(house) == []


def test_all_hooks_can_be_switched_off_and_on(house: House) -> None:
    """`disableAllHooks` counts like any other key."""
    house.configure(on_done("true"), disableAllHooks=True)
    with house.running():
        ask(house, FIRST)
        house.configure(on_done("true"))
        ask(house, SECOND)
        until(lambda: len(house.runs()) == 1)
    assert [run.task_id for run in house.runs()] == [SECOND]


def test_an_edit_wakes_a_runner_that_waits(house: House) -> None:
    """A higher limit lets the tasks go that wait for the minute to be over."""
    house.configure(limits={"requests_per_minute": 1})
    for number in range(3):
        house.drop(f"{number}.md", "x")
    with house.running():
        assert house.kimi.wait_for(1)
        house.configure(limits={"requests_per_minute": 3})
        assert house.kimi.wait_for(3)


def test_more_calls_and_fewer(house: House, gate: Gate) -> None:
    """`limits.concurrency` grows for tasks that wait; what runs when it shrinks is finished first."""
    house.configure(limits={"requests_per_minute": 1000, "concurrency": 1})
    for number in range(8):
        house.drop(f"{number}.md", "x")
    with house.running() as running:
        assert house.kimi.wait_for(1)
        house.configure(limits={"requests_per_minute": 1000, "concurrency": 4})
        assert house.kimi.wait_for(4)
        assert running.runner._calls.busy == 4
        house.configure(limits={"requests_per_minute": 1000, "concurrency": 2})
        until(lambda: running.runner._parts.config.limits.concurrency == 2)
        assert len(house.kimi.requests) == running.runner._calls.busy == 4
        gate.open()
        until(lambda: len(house.entries()) == 8 and all(entry.outcome for entry in house.entries()))


def test_a_budget_that_is_raised(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The queue goes on at once, under the new budget; an edit that leaves no room ends no pause and is no news."""
    limits = {"requests_per_minute": 1000, "tokens_per_day": 10}
    house.configure(limits=limits)
    with house.running() as running:
        ask(house, FIRST)
        house.drop(f"{SECOND}.md", "b")
        until(lambda: house.read_journal(facts.paused) == facts.BUDGET)
        house.configure(limits={**limits, "tokens_per_day": 11})
        until(lambda: running.runner._parts.config.limits.tokens_per_day == 11)
        house.configure(limits={**limits, "tokens_per_day": 100_000})
        (entry,) = house.wait(SECOND)
        assert entry.outcome is Outcome.DONE
        assert caplog.text.count("the queue goes on") == 1
        house.configure(limits=limits)
        house.drop(f"{THIRD}.md", "c")
        until(lambda: house.read_journal(facts.paused) == facts.BUDGET)


def test_more_hooks_at_once(house: House) -> None:
    """`limits.hooks` counts for news that waits already."""
    hold = "while [ ! -e go-on ]; do sleep 0.01; done"
    house.configure(on_done(hold, hold), limits={"hooks": 1, "requests_per_minute": 1000})
    with house.running() as running:
        ask(house, FIRST)
        until(lambda: running.runner._hooks.busy == 1)
        house.configure(on_done(hold, hold), limits={"hooks": 2, "requests_per_minute": 1000})
        until(lambda: running.runner._hooks.busy == 2)
        (house.home / "go-on").touch()
        until(lambda: len(house.runs()) == 2)


def test_models_and_prices_count_for_the_next_call(house: House) -> None:
    """The catalogue is made anew of `kimi.models` and `kimi.currency`."""
    ten = {"prices": {"USD": {"hit": 0, "miss": 0, "output": 1_000_000}}}
    with house.running():
        ask(house, FIRST)
        house.configure(kimi={"currency": "USD", "models": {"kimi-k3": ten}})
        ask(house, SECOND)
    first, second = house.result(FIRST), house.result(SECOND)
    assert first["cost"] is None
    assert second["cost"] == {"amount": float(second["tokens"]["completion"]), "currency": "USD"}


def test_the_model_and_what_status_tells_of_it(house: House) -> None:
    """`kimi.model` counts where no environment says another, and `status` tells it."""
    with house.running():
        ask(house, FIRST)
        house.configure(kimi={"model": "kimi-k2.6"})
        ask(house, SECOND)
        until(lambda: "kimi-k2.6" in json.loads(house.call("status", "--json").stdout)["kimi"])
    assert house.kimi.requests[0].body is not None
    assert house.kimi.requests[1].body is not None
    assert [request.body["model"] for request in house.kimi.requests if request.body] == ["kimi-k3", "kimi-k2.6"]


def test_the_way_to_kimi(house: House) -> None:
    """`kimi.stream` and the time-outs count for the next call."""
    with house.running():
        ask(house, FIRST)
        house.configure(kimi={"stream": False, "idle_timeout": 0.2})
        house.kimi.add(Fault("hang"))
        ask(house, SECOND, timeout=1)
    assert [request.body.get("stream", False) for request in house.kimi.requests if request.body][:2] == [True, False]
    assert house.result(SECOND)["outcome"] == "timeout"


def test_how_often_a_task_is_tried(house: House) -> None:
    """`retry.max_attempts` counts for the next call that fails."""
    with house.running():
        house.configure(retry={"max_attempts": 1})
        house.kimi.add(Fault("http", status=500))
        ask(house, FIRST)
    assert (house.result(FIRST)["outcome"], house.result(FIRST)["attempts"]) == ("failed", 1)


def test_how_long_an_empty_file_must_be_still(house: House) -> None:
    """`settle_seconds` counts for files that wait already."""
    house.configure(settle_seconds=600)
    with house.running() as running:
        (house.workspace.outbox / f"{FIRST}.md").touch()
        until(lambda: running.runner._parts.outbox.seconds_to_look() is not None)
        house.configure(settle_seconds=0.01)
        house.wait(FIRST)


def test_where_context_may_lie(house: House, tmp_path: Path) -> None:
    """`context_roots` and the largest sizes count for the next file."""
    (tmp_path / "notes.txt").write_text("notes")
    with house.running():
        ask(house, FIRST, context=[str(tmp_path / "notes.txt")])
        house.configure(context_roots=[str(tmp_path)])
        ask(house, SECOND, context=[str(tmp_path / "notes.txt")])
        house.configure(max_task_bytes=10)
        ask(house, "kimi-1700000000-cccccccc")
    assert [entry.outcome for entry in house.entries()] == ["failed", "done", "failed"]


def test_values_for_templates_and_for_hooks(house: House, receiver: Receiver) -> None:
    """`config` in a template and a name under `env` say what config.yaml says now."""
    write_template(house, 'echo {{ config.max_task_bytes }} "${WEBHOOK_URL:-none}"')
    hooks = on_done("hooks/t.sh.j2", env=["WEBHOOK_URL"])
    house.configure(hooks)
    with house.running():
        ask(house, FIRST)
        until(lambda: len(house.runs()) == 1)
        house.configure(hooks, max_task_bytes=12345, webhook={"url": receiver.url})
        ask(house, SECOND)
        until(lambda: len(house.runs()) == 2)
    assert [run.stdout for run in house.runs()] == ["10485760 none\n", f"12345 {receiver.url}\n"]


def test_the_time_to_leave(house: House, gate: Gate) -> None:
    """`grace_seconds` counts for a stop that is said after the edit."""
    house.configure(grace_seconds=600)
    with house.running() as running:
        house.drop("a.md", "x")
        assert house.kimi.wait_for(1)
        house.configure(grace_seconds=0)
        until(lambda: running.runner._parts.config.grace_seconds == 0)
    gate.open()
    until(lambda: not running.runner.left_work_behind)


# What runs keeps what it began with


def test_a_call_keeps_the_config_that_it_began_with(house: House, gate: Gate) -> None:
    """An answer that comes after the edit costs what it cost when it was asked for; news of it goes to the new hooks."""
    one = {"prices": {"USD": {"hit": 0, "miss": 0, "output": 1_000_000}}}
    two = {"prices": {"USD": {"hit": 0, "miss": 0, "output": 500_000}}}
    house.configure(kimi={"currency": "USD", "models": {"kimi-k3": one}})
    with house.running() as running:
        house.drop(f"{FIRST}.json", {"prompt": "x"})
        assert house.kimi.wait_for(1)
        house.configure(on_done("true"), kimi={"currency": "USD", "models": {"kimi-k3": two}})
        until(lambda: running.runner._parts.config.hooks != {})
        gate.open()
        house.wait(FIRST)
        until(lambda: len(house.runs()) == 1)
    result = house.result(FIRST)
    assert result["cost"]["amount"] == result["tokens"]["completion"]


def test_a_call_of_an_earlier_config_can_be_ended(house: House, gate: Gate) -> None:
    """A time-out ends it although calls go out in another way by now."""
    with house.running():
        house.drop(f"{FIRST}.json", {"prompt": "x", "timeout": 0.5})
        assert house.kimi.wait_for(1)
        house.configure(kimi={"connect_timeout": 1, "idle_timeout": 500})
        house.wait(FIRST)
        gate.open()
    assert house.result(FIRST)["outcome"] == "timeout"


def test_a_hook_keeps_the_config_that_it_began_with(house: House) -> None:
    """One that is removed while it runs is recorded as it ended, and tried again by nobody."""
    house.configure(on_done("while [ ! -e go-on ]; do sleep 0.01; done"))
    with house.running() as running:
        ask(house, FIRST)
        until(lambda: running.runner._hooks.busy == 1)
        house.configure(LISTEN)
        until(lambda: "TaskCompleted" not in running.runner._parts.config.hooks)
        (house.home / "go-on").touch()
        until(lambda: len(house.runs()) == 1)
    assert [run.outcome for run in house.runs()] == ["delivered"]


def test_parts_that_are_fixed_do_not_change(house: House) -> None:
    """Neither config nor settings; the others follow, and so does what says who is told."""
    parts = house.parts()
    fixed = parts.fixed()
    replace_config(house, "workspace: 1\nwebhook: {url: https://example.org/x}\n")
    parts.live.renew()
    parts.settings.renew()
    assert fixed.settings.current.get("WEBHOOK_URL") is None
    assert parts.settings.current.get("WEBHOOK_URL") == "https://example.org/x"
    assert fixed.config.webhook.url is None
    assert fixed.newest_config is parts.config
    assert fixed.is_outdated()
    assert not parts.is_outdated()
    anew = fixed.fixed()
    assert (anew.config, anew.settings.current) == (parts.config, parts.settings.current)
    parts.journal.close()


# What the log says


def test_an_edit_is_told_by_its_keys(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """One line with the names of the keys and none of the values; the hooks are looked at as at the start."""
    with house.running():
        house.configure(on_done("hooks/missing.sh"), settle_seconds=0.04321, kimi={"idle_timeout": 98765})
        ask(house, FIRST)
    (line,) = [message for message in caplog.messages if "edited" in message]
    assert line == f"{EDITED}kimi.idle_timeout, settle_seconds, hooks.Notification, hooks.TaskCompleted"
    assert any("hook hook-0 is not in order" in message and "missing.sh" in message for message in caplog.messages)


def test_an_edit_that_says_the_same_is_no_news(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Neither another time of change, nor a comment, nor another order of keys."""
    with house.running():
        text = house.workspace.config_file.read_text()
        replace_config(house, text)
        ask(house, FIRST)
        replace_config(house, f"# mine\n{text}")
        ask(house, SECOND)
    assert not any("edited" in message for message in caplog.messages)


# Broken edits


def test_a_broken_edit_keeps_the_last_good_config(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The hooks go on; the log and a notification tell all mistakes with their places, once."""
    house.configure(on_done("true"))
    good = house.workspace.config_file.read_text()
    with house.running():
        breaks(house, "workspace: 1\nlimts: {}\nsettle_seconds: -1\n")
        ask(house, FIRST)
        until(lambda: len(house.runs()) == 2)
        house.workspace.config_file.touch()
        ask(house, SECOND)
        until(lambda: len(house.runs()) == 3)
        replace_config(house, good)
        ask(house, "kimi-1700000000-cccccccc")
        until(lambda: len(house.runs()) == 4)
    (line,) = [message for message in caplog.messages if "limts" in message]
    (news,) = told(house)
    assert news["notification_type"] == "config_broken"
    assert news["title"] == "An edit cannot be used"
    assert news["detail"] == {"file": str(house.workspace.config_file)}
    for mistake in ("limts", "did you mean 'limits'?", "settle_seconds", "until"):
        assert mistake in line
        assert mistake in news["message"]
    assert news["message"].isprintable()
    assert f"{house.workspace.config_file} is in order again" in caplog.messages


def test_each_broken_content_is_told_once(house: House) -> None:
    """Another mistake is news; the same one again is news once it has been mended in between."""
    house.configure(LISTEN)
    good = house.workspace.config_file.read_text()
    with house.running() as running:
        breaks(house, "workspace: 1\nlimts: {}\n")
        breaks(house, "workspace: 1\nkimy: {}\n")
        replace_config(house, good)
        until(lambda: running.runner._parts.live.broken is None)
        breaks(house, "workspace: 1\nkimy: {}\n")
    assert len(told(house)) == 3


def test_a_config_that_is_gone_is_a_broken_edit(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The last good one counts; put back, it is no news that it says the same."""
    house.configure(on_done("true"))
    text = house.workspace.config_file.read_text()
    with house.running():
        house.workspace.config_file.unlink()
        ask(house, FIRST)
        until(lambda: len(house.runs()) == 2)
        assert "config.yaml: it is gone; put it back" in house.call("status").stdout
        house.workspace.config_file.write_text(text)
        ask(house, SECOND)
        until(lambda: len(house.runs()) == 3)
    (news,) = told(house)
    assert f"{house.workspace.config_file}: it is gone; put it back" in news["message"]
    assert not any("edited" in message for message in caplog.messages)


def test_a_config_that_is_gone_is_told_without_another_reason_to_wake(house: House) -> None:
    """That it goes wakes the runner."""
    house.configure(LISTEN)
    with house.running():
        house.workspace.config_file.unlink()
        until(lambda: len(told(house)) == 1)


def test_an_editor_that_deletes_and_writes_is_not_complained_of(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """What it leaves for a moment is no state of the file."""
    house.configure(LISTEN, settle_seconds=600)
    with house.running():
        house.workspace.config_file.unlink()
        ask(house, FIRST)
        house.workspace.config_file.write_text("")
        ask(house, SECOND)
        house.configure(LISTEN, settle_seconds=0.01, max_task_bytes=1000)
        ask(house, "kimi-1700000000-cccccccc")
    assert [message for message in caplog.messages if "edited" in message] == [
        f"{EDITED}max_task_bytes, settle_seconds"
    ]
    assert told(house) == []
    assert not any("is gone" in message or "expected keys" in message for message in caplog.messages)


def test_half_a_file_is_never_taken(house: House) -> None:
    """Not even where the half is in order: whoever holds it open for writing is not done."""
    house.configure(on_done("true"))
    whole = house.workspace.config_file.read_text()
    with house.running():
        with house.workspace.config_file.open("w") as file:
            file.write("workspace: 1\n")
            file.flush()
            ask(house, FIRST)
            until(lambda: len(house.runs()) == 1)
            file.write(whole.replace("workspace: 1\n", "").replace("'true'", "echo two"))
        ask(house, SECOND)
        until(lambda: len(house.runs()) == 2)
    assert [run.outcome for run in house.runs()] == ["delivered", "delivered"]


def test_a_restart_with_a_broken_config_is_refused(house: House) -> None:
    """As ever: there is no good state that a new runner knows."""
    house.configure(LISTEN)
    with house.running():
        breaks(house)
    finished = house.call("run", "--drain")
    assert finished.returncode == 1
    assert "limts" in finished.stderr
    assert len(told(house)) == 1


def test_status_tells_of_the_broken_config(house: House) -> None:
    """Beside the mistake stands that the runner goes on; without a runner nobody does."""
    house.configure(LISTEN)
    with house.running():
        breaks(house)
        shown = house.call("status").stdout
        assert "did you mean 'limits'?" in shown
        assert "until that is mended, the runner goes on with what was there before" in shown
        assert "limts" in json.loads(house.call("status", "--json").stdout)["config_error"]
    assert "goes on with" not in house.call("status").stdout


def test_verbs_in_hooks_go_on_with_the_last_good_config(house: House, receiver: Receiver) -> None:
    """So the news of the broken file reaches those who are told by the shipped hooks."""
    send = {"id": "send", "command": "kimi-hooks webhook send", "retries": 0}
    house.configure({"Notification": [{"hooks": [send, TELLER]}]}, webhook={"url": receiver.url})
    with house.running():
        breaks(house)
        until(lambda: len(house.runs()) == 2)
    assert {run.outcome for run in house.runs()} == {"delivered"}
    assert house.call("webhook", "send").returncode == 1


GOES_ON = "until it is mended, the last good config.yaml counts, here and for the runner"


def test_a_broken_config_locks_nobody_out_while_a_runner_is_at_work(house: House, receiver: Receiver) -> None:
    """Verbs that only use it go on as the runner does and say so in one line; without a runner they refuse."""
    house.configure(on_done("true"), webhook={"url": receiver.url}, report={"lang": "zh-TW"})
    verbs = ["dispatch -p x", "dispatch -p x --model kimi-latest", "dispatch -p x --start", "pause", "resume",
             "hooks disable hook-0", "hooks enable hook-0", "hooks replay --since 1h", "hooks runs --hook hook-0 --event TaskFailed",
             "report", "webhook send", "ack --all"]  # fmt: skip
    with house.running():
        ask(house, FIRST)
        replace_config(house, "workspace: 1\nlimts: {}\n")
        for verb in verbs:
            called = house.call(*verb.split())
            assert called.returncode == 0, (verb, called.stderr)
            assert [GOES_ON in line and "limts" in line for line in called.stderr.splitlines()].count(True) == 1, verb
        told = house.call("wake")
        assert "OPENCLAW_HOOKS_TOKEN is not set" in told.stderr.splitlines()[1]
    for verb in verbs:
        called = house.call(*verb.split())
        assert "limts" in called.stderr, verb
        assert GOES_ON not in called.stderr
        assert called.returncode == (0 if verb == "report" else 1)


def test_verbs_that_show_the_config_refuse_a_broken_one(house: House) -> None:
    """They would show what does not stand there."""
    house.configure(on_done("true"))
    with house.running():
        breaks(house)
        for verb in ("hooks list", "hooks check", "hooks test TaskCompleted", "hooks explain TaskCompleted", "models"):
            called = house.call(*verb.split())
            assert (called.returncode, GOES_ON in called.stderr) == (1, False), verb
            assert "did you mean 'limits'?" in called.stderr


def test_a_config_that_is_gone_locks_nobody_out_while_a_runner_is_at_work(house: House) -> None:
    """It is told as gone; verbs that do not ask what it says are silent about it."""
    house.configure(on_done("true"))
    with house.running():
        ask(house, FIRST)
        house.workspace.config_file.unlink()
        called = house.call("dispatch", "-p", "x")
        assert (called.returncode, called.stderr.splitlines()) == (
            0, [f"kimi-hooks: {house.workspace.config_file}: it is gone; put it back; {GOES_ON}"])  # fmt: skip
        for verb in (f"show {FIRST}", f"wait {FIRST}", "cost", "hooks runs"):
            called = house.call(*verb.split())
            assert (called.returncode, "config.yaml" in called.stderr) == (0, False), verb
    for verb in (f"show {FIRST}", f"wait {FIRST}", "cost", "hooks runs", "dispatch -p x"):
        assert "is not a workspace" in house.call(*verb.split()).stderr


def test_a_runner_without_a_key_is_not_stopped_for_one_that_could_not_start(house: House) -> None:
    """`dispatch --start` would replace it, and cannot while config.yaml is broken: it stays, and the task waits."""
    runner = house.start(KIMI_API_KEY="")
    replace_config(house, "workspace: 1\nlimts: {}\n")
    called = house.call("dispatch", "-p", "x", "--start")
    assert called.returncode == 1
    assert called.stdout.startswith("kimi-")
    assert "limts" in called.stderr
    assert runner.poll() is None


# Templates


def templates(house: House) -> list[str]:
    """Return what `status` says of broken templates."""
    return [each["message"] for each in json.loads(house.call("status", "--json").stdout)["broken_templates"]]


def test_a_broken_template_keeps_its_last_good_state(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Told once, with file and line, in the log, in `status` and to hooks; the next good state counts again."""
    file = write_template(house, "echo one {{ task_name }}")
    house.configure(on_done("hooks/t.sh.j2"))
    with house.running():
        write_template(house, "\necho '{{ task_name }}'")
        ask(house, FIRST)
        until(lambda: len(told(house)) == 1)
        file.touch()
        ask(house, SECOND)
        until(lambda: len(house.runs()) == 3)
        (message,) = templates(house)
        assert f"template   {message}" in house.call("status").stdout
        assert "the runner goes on with what was there before" in house.call("status").stdout
        write_template(house, "echo two {{ task_name }}")
        assert templates(house) == []
        ask(house, "kimi-1700000000-cccccccc")
        until(lambda: len(house.runs()) == 4)
        until(lambda: f"{file} is in order again" in caplog.messages)
    of_tasks = [run for run in house.runs() if run.task_id]
    assert [run.stdout for run in of_tasks] == ["one aaaaaaaa\n", "one bbbbbbbb\n", "two cccccccc\n"]
    assert message.startswith(f"{file}:3: ")
    assert sum(f"{file}:3: " in line for line in caplog.messages) == 1
    (news,) = told(house)
    assert (news["notification_type"], news["detail"]) == ("config_broken", {"file": str(file)})
    assert f"{file}:3: " in news["message"]


def test_a_template_that_never_was_in_order_fails_its_run(house: House) -> None:
    """There is nothing to go back to, also after a restart: what was broken then is not."""
    write_template(house, "echo one")
    house.configure(on_done("hooks/t.sh.j2", retries=0))
    with house.running():
        write_template(house, "echo '{{ task_name }}'")
        ask(house, FIRST)
        until(lambda: len(told(house)) == 1)
    with house.running():
        assert templates(house) == []
        ask(house, SECOND)
        until(lambda: len(told(house)) == 2)
    assert [(run.task_id, run.outcome) for run in house.runs() if run.task_id] == [
        (FIRST, "delivered"), (SECOND, "gave_up")
    ]  # fmt: skip
    assert [news["notification_type"] for news in told(house)] == ["config_broken", "hook_gave_up"]


def test_a_template_that_is_mended_at_once_is_not_complained_of(house: House) -> None:
    """Half of what an editor writes is used by nobody, and told to nobody."""
    write_template(house, "echo one")
    hooks = on_done("hooks/t.sh.j2")
    house.configure(hooks, settle_seconds=600)
    with house.running() as running:
        write_template(house, "echo '{{ task_name }}'")
        ask(house, FIRST)
        until(lambda: len(house.runs()) == 1)
        until(lambda: running.runner._reloading.seconds_to_look() is not None)
        write_template(house, "echo two")
        ask(house, SECOND)
        until(lambda: len(house.runs()) == 2)
        until(lambda: running.runner._reloading.seconds_to_look() is None)
    assert [run.stdout for run in house.runs()] == ["one\n", "two\n"]
    assert told(house) == []


def test_half_a_template_is_not_run(house: House) -> None:
    """While somebody holds it open for writing, its last good state counts."""
    file = write_template(house, "echo one")
    house.configure(on_done("hooks/t.sh.j2"))
    with house.running():
        with file.open("w") as opened:
            opened.write("#!/bin/sh\necho half")
            opened.flush()
            ask(house, FIRST)
            until(lambda: len(house.runs()) == 1)
        ask(house, SECOND)
        until(lambda: len(house.runs()) == 2)
    assert [run.stdout for run in house.runs()] == ["one\n", "half\n"]


def test_a_template_that_no_hook_uses_any_more_is_forgotten(house: House) -> None:
    """Its mistake is nobody's concern once config.yaml names another."""
    write_template(house, "echo one")
    house.configure(on_done("hooks/t.sh.j2"))
    with house.running():
        write_template(house, "echo '{{ task_name }}'")
        ask(house, FIRST)
        until(lambda: len(templates(house)) == 1)
        house.configure(on_done("true"))
        until(lambda: templates(house) == [])


# The parts that do it


def tick(seconds: float = 0.0) -> Clock:
    return Clock(monotonic=lambda: seconds)


def bare(tmp_path: Path, text: str = "workspace: 1\n") -> Workspace:
    (tmp_path / "config.yaml").write_text(text)
    return Workspace(tmp_path)


def test_where_no_lease_is_to_be_had_an_edit_must_be_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As files in the outbox: nobody can tell whether it is whole."""
    monkeypatch.setattr(atomic, "held_open", lambda _: None)
    now = [0.0]
    file = ConfigFile(bare(tmp_path), Clock(monotonic=lambda: now[0]))
    bare(tmp_path, "workspace: 1\nmax_task_bytes: 5\n")
    file.look()
    assert file.config.max_task_bytes != 5
    assert file.is_outdated()
    assert file.seconds_to_look() == 0.5
    now[0] = 0.5
    file.look()
    assert file.config.max_task_bytes == 5
    assert not file.is_outdated()
    assert file.seconds_to_look() is None


def test_each_new_state_must_be_still_anew(tmp_path: Path) -> None:
    """A broken file that goes on changing is being written."""
    now = [0.0]
    file = ConfigFile(bare(tmp_path), Clock(monotonic=lambda: now[0]))
    for text in ("wor", "works", "worksp"):
        bare(tmp_path, text)
        now[0] += 0.4
        file.look()
        assert file.broken is None
    now[0] += 0.5
    file.look()
    assert file.broken is not None
    assert "config.yaml" in file.broken.message


def test_a_link_is_followed(tmp_path: Path) -> None:
    """Where config.yaml is a link into a folder of dotfiles, an edit there counts at the next look."""
    (tmp_path / "real").mkdir()
    real = bare(tmp_path / "real").config_file
    (tmp_path / "config.yaml").symlink_to(real)
    now = [0.0]
    file = ConfigFile(Workspace(tmp_path), Clock(monotonic=lambda: now[0]))
    real.write_text("workspace: 1\nmax_task_bytes: 5\n")
    file.look()
    now[0] = 1.0
    file.look()
    assert file.config.max_task_bytes == 5


def test_a_look_at_an_unchanged_file_is_one_call_to_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is paid for at every turn of the runner."""
    stamp, asked = atomic.stamp, []

    def count(path: Path | str) -> Any:
        asked.append(path)
        return stamp(path)

    file = ConfigFile(bare(tmp_path), tick())
    monkeypatch.setattr(atomic, "stamp", count)
    file.look()
    assert len(asked) == 1


def test_the_last_good_state_of_a_file(tmp_path: Path) -> None:
    """It is loaded once for each state, also for one that cannot be used."""
    loaded: list[str] = []

    def load(path: Path, _: object) -> str:
        loaded.append(path.read_text())
        if "bad" in loaded[-1]:
            raise TemplateError(f"{path}:1: bad")
        return loaded[-1]

    file, kept = tmp_path / "x", LastGood(load)
    file.write_text("bad")
    with pytest.raises(TemplateError):
        kept.get(file)
    for text, expected in (("good", "good"), ("bad one", "good"), ("another", "another")):
        file.write_text(text)
        assert [kept.get(file), kept.get(file)] == [expected, expected]
        assert bool(kept.broken()) == ("bad" in text)
    assert loaded == ["bad", "good", "bad one", "another"]


def _at_work(pool: Pool, count: int) -> tuple[Callable[[], None], threading.Semaphore]:
    """Submit so many pieces of work; return what lets them end, and what is released as each begins."""
    begun, end = threading.Semaphore(0), threading.Event()

    def work() -> None:
        begun.release()
        end.wait(20)

    for _ in range(count):
        pool.submit(work)
    return end.set, begun


def test_a_pool_grows_and_shrinks() -> None:
    """No more at once than the newest size; threads that are too many end, and those that are left do the work."""
    done = threading.Semaphore(0)
    pool = Pool("test", 2, done.release)
    for size in (5, 1, 3):
        pool.resize(size)
        assert pool.free == size
        finish, begun = _at_work(pool, size)
        assert all(begun.acquire(timeout=20) for _ in range(size))
        assert pool.free == 0
        finish()
        assert all(done.acquire(timeout=20) for _ in range(size))
    finish, begun = _at_work(pool, 3)
    assert all(begun.acquire(timeout=20) for _ in range(3))
    pool.resize(1)
    assert (pool.free, pool.busy) == (0, 3)
    finish()
    assert all(done.acquire(timeout=20) for _ in range(3))
    assert pool.free == 1


def test_news_for_a_hook_that_a_verb_knows_first_is_not_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verb has read an edit that the runner holds for unfinished: the news waits until it has read it, too."""
    monkeypatch.setattr(news, "AGAIN_SECONDS", 0.02)
    house.configure(LISTEN)
    text = house.workspace.config_file.read_text()
    house.configure()
    with house.running():
        with house.workspace.config_file.open("w") as file:
            file.write(text)
            file.flush()
            house.call("pause")
            owed = house.read_journal(lambda db: [dict(row) for row in db.execute("SELECT * FROM deliveries")])
            assert len(owed) == 1
            until(lambda: house.read_journal(_crashes) > 1)
        until(lambda: len(told(house)) == 1)
    assert [run.outcome for run in house.runs()] == ["delivered"]


def _crashes(db: Connection) -> int:
    """Return how often the only delivery was begun and put back."""
    return int(db.execute("SELECT crashes FROM deliveries").fetchone()[0])
