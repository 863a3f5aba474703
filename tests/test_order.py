"""News comes in order where order is promised, and what waits holds up nobody else."""

from __future__ import annotations

import json
import textwrap
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from kimi_hooks import config, owing
from kimi_hooks.events import STOP, Moment
from kimi_hooks.journal import moments
from kimi_hooks.journal.store import Journal
from tests.house import House, until

FIRST = "kimi-1700000000-aaaaaaaa"
ONCE = "[ -e {0}.failed ] || {{ touch {0}.failed; exit 1; }}"


def script(house: House, name: str, text: str, **keys: Any) -> dict[str, Any]:
    """Write a hook script; return its handler."""
    path = house.workspace.hooks / f"{name}.sh"
    path.write_text(f"#!/bin/sh\n{textwrap.dedent(text)}")
    path.chmod(0o755)
    return {"id": name, "command": f"hooks/{name}.sh", **keys}


def lines(house: House, name: str) -> list[str]:
    path = house.home / name
    return path.read_text().splitlines() if path.exists() else []


def test_notifications_come_in_the_order_in_which_they_happened(house: House) -> None:
    """Also when the hook fails at the first: the next one is not told before that has arrived."""
    handler = script(house, "teller", f"{ONCE.format('teller')}\ncat >> told")
    house.configure({"Notification": [{"hooks": [handler]}]})
    for verb in ("pause", "resume", "pause", "resume"):
        house.call(verb)
    house.drain()
    told = [json.loads(line)["notification_type"] for line in lines(house, "told")]
    assert told == ["queue_paused", "queue_resumed"] * 2


def test_a_hook_that_gave_up_lets_its_next_news_go(house: House) -> None:
    """Order is no reason to stop for good."""
    handler = script(house, "teller", "cat >> told\ngrep -q resumed told || { echo no >&2; exit 2; }", retries=0)
    house.configure({"Notification": [{"hooks": [handler]}]})
    house.call("pause")
    house.call("resume")
    house.drain()
    assert [run.outcome for run in house.runs()] == ["gave_up", "delivered"]


def test_what_waits_for_its_retry_holds_up_its_own_lane_only(house: House) -> None:
    """Another hook, and the same hook for another task, are told meanwhile; status says what waits behind it."""
    slow = {"first_pause": 3600, "max_pause": 3600}
    fails = script(house, "fails", "exit 1")
    works = script(house, "works", 'echo "$KIMI_EVENT_ID" >> told')
    house.configure({"Notification": [{"hooks": [fails, works]}]}, retry=slow)
    with house.running():
        house.call("pause")
        house.call("resume")
        until(lambda: len(lines(house, "told")) == 2)
        until(lambda: len(house.runs()) == 3)
        status = house.call("status").stdout
        assert ", 1 waiting, 1 waiting behind an earlier one" in status
        assert json.loads(house.call("status", "--json").stdout)["deliveries"]["behind"] == 1
    assert [run.outcome for run in house.runs() if run.hook_id == "fails"] == ["retry"]


def test_a_sequential_group_runs_one_after_the_other(house: House) -> None:
    """The second starts when the first is delivered, its retries included; another group does not wait."""
    first = script(
        house, "first", f"{ONCE.format('first')}\nuntil [ -e other.ran ]; do sleep 0.02; done\necho first >> order"
    )
    second = script(house, "second", "echo second >> order")
    other = script(house, "other", "touch other.ran")
    house.configure({"TaskCompleted": [{"sequential": True, "hooks": [first, second]}, {"hooks": [other]}]})
    house.drop("a.md", "x")
    house.drain()
    assert lines(house, "order") == ["first", "second"]
    of_group = [(run.hook_id, run.outcome) for run in house.runs() if run.hook_id != "other"]
    assert of_group == [("first", "retry"), ("first", "delivered"), ("second", "delivered")]


def test_a_step_that_gave_up_does_not_end_the_group(house: House) -> None:
    """The next one runs."""
    bad = script(house, "bad", "echo no >&2; exit 2")
    good = script(house, "good", "exit 0")
    house.configure({"TaskCompleted": [{"sequential": True, "hooks": [bad, good]}]})
    house.drop("a.md", "x")
    house.drain()
    assert [(run.hook_id, run.outcome) for run in house.runs()] == [("bad", "gave_up"), ("good", "delivered")]


def test_an_async_step_is_not_waited_for(house: House) -> None:
    """It runs beside the group."""
    behind = script(house, "behind", "until [ -e second.ran ]; do sleep 0.02; done", **{"async": True})
    second = script(house, "second", "touch second.ran")
    house.configure({"TaskCompleted": [{"sequential": True, "hooks": [behind, second]}]})
    house.drop("a.md", "x")
    house.drain()
    assert {run.outcome for run in house.runs()} == {"delivered"}


def test_a_group_goes_on_where_it_was_after_sigkill(house: House) -> None:
    """The step that ran runs again, before what is behind it; nothing of it is lost and nothing runs twice unseen."""
    first = script(house, "first", "echo first >> order\n[ -e go ] || exec sleep 60")
    second = script(house, "second", "echo second >> order")
    house.configure({"TaskCompleted": [{"sequential": True, "hooks": [first, second]}]})
    house.drop("a.md", "x")
    child = house.start()
    until(lambda: lines(house, "order") == ["first"])
    child.kill()
    child.wait()
    assert json.loads(house.call("status", "--json").stdout)["deliveries"] == {"behind": 1, "running": 1}
    (house.home / "go").touch()
    house.drain()
    assert lines(house, "order") == ["first", "first", "second"]
    assert [(run.hook_id, run.attempt) for run in house.runs()] == [("first", 2), ("second", 1)]


def test_a_hundred_groups_at_once(house: House) -> None:
    """Each step of each task runs once, after the one before it."""
    steps = [script(house, name, f'echo "$KIMI_TASK_ID {name}" >> order') for name in ("a", "b", "c")]
    house.configure({"TaskCompleted": [{"sequential": True, "hooks": steps}]})
    for number in range(100):
        house.drop(f"{number}.md", "x")
    house.drain()
    seen: dict[str, list[str]] = {}
    for line in lines(house, "order"):
        task, name = line.split()
        seen.setdefault(task, []).append(name)
    assert len(seen) == 100
    assert set(map(tuple, seen.values())) == {("a", "b", "c")}


def test_a_hundred_ends_make_a_hundred_runs_for_each_hook_and_event(house: House) -> None:
    """Two hooks under two events, half of the tasks failing: each is told once of each."""
    handlers = [script(house, name, "exit 0") for name in ("one", "two")]
    events = ("TaskCompleted", "TaskFailed")
    house.configure({event: [{"hooks": [dict(handler) for handler in handlers]}] for event in events})
    for number in range(100):
        house.drop(f"{number}.md", "x" if number % 2 else "---\nno such key: 1\n---\nx")
    house.drain()
    runs = house.runs()
    assert len(runs) == len({(run.event_id, run.hook_id) for run in runs}) == 200
    assert {run.outcome for run in runs} == {"delivered"}
    assert [len([run for run in runs if run.event == event]) for event in events] == [100, 100]


def test_a_hook_that_hangs_leaves_places_for_others(house: House) -> None:
    """However many tasks it is owed; and the runner sleeps meanwhile."""
    hangs = script(house, "hangs", "exec sleep 60")
    works = script(house, "works", "exit 0")
    house.configure({"TaskCompleted": [{"hooks": [hangs, works]}]},
                    limits={"hooks": 4, "requests_per_minute": 10_000}, grace_seconds=0)  # fmt: skip
    for number in range(20):
        house.drop(f"{number}.md", "x")
    with house.running() as running:
        until(lambda: len(house.runs()) == 20)
        until(lambda: running.runner._seconds_to_next() is None)
    assert {(run.hook_id, run.outcome) for run in house.runs()} == {("works", "delivered")}


@pytest.fixture
def stopped(house: House) -> House:
    """Owe an async hook the news that Kimi has answered, as the gate does, and nothing that tells of it but that."""
    tells = script(house, "tells", "cat >> told", **{"async": True})
    house.configure({"Stop": [{"hooks": [tells]}], "TaskCompleted": [{"hooks": [{**tells, "async": False}]}]})
    moment = Moment(STOP, f"{FIRST}-Stop-1", {"task_id": FIRST, "task_name": "a", "output": "the answer"}, FIRST)
    parsed = config.parse(house.workspace.config_file.read_text(), "config.yaml")
    with closing(Journal(house.workspace.journal_file)) as journal:
        journal.write(lambda db: owing.owe(db, parsed, moment, 1.0))
    return house


def test_an_async_hook_under_a_gate_is_news(stopped: House) -> None:
    """It reads what the gate was asked, in order with what the same hook hears of the task otherwise."""
    stopped.drop(f"{FIRST}.md", "x")
    stopped.drain()
    told = [json.loads(line) for line in lines(stopped, "told")]
    assert [(each["hook_event_name"], each["event_id"]) for each in told] == [
        ("Stop", f"{FIRST}-Stop-1"), ("TaskCompleted", f"{FIRST}-TaskCompleted")
    ]  # fmt: skip
    assert told[0]["output"] == "the answer"


def test_what_async_hooks_were_told_is_forgotten_after_a_week(stopped: House) -> None:
    """At a start; until then it can be delivered again."""
    find = partial(moments.get, event_id=f"{FIRST}-Stop-1")
    stopped.drain()
    stopped.drain()
    assert stopped.read_journal(find) is not None
    with closing(Journal(stopped.workspace.journal_file)) as journal:
        journal.write(lambda db: db.execute("UPDATE deliveries SET due_at = due_at - 8 * 24 * 3600"))
    stopped.drain()
    assert stopped.read_journal(find) is None
