"""`hooks explain`: why each hook did or did not run, by the config as it is now and by what is on record."""

from __future__ import annotations

import json
import re

from kimi_hooks.journal.store import Journal
from tests.house import House

PAGER = {"id": "pager", "command": "true"}
CHAT = {"id": "chat", "command": "true"}


def explained(house: House, *words: str, stdin: bytes = b"") -> list[str]:
    done = house.call("hooks", "explain", *words, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_each_hook_is_told_with_its_runs(house: House) -> None:
    """Those that ran with their record, those that did not with the reason, and the events where others stand."""
    handlers = [
        {"id": "good", "command": "true"},
        {"id": "bad", "command": "exit 3", "retries": 1},
        {"id": "dear", "command": "true", "if": "usage.total_tokens > 100000"},
        {"id": "unsure", "command": "true", "if": "metadata.ticket == 'x'"},
    ]
    groups = [{"hooks": handlers}, {"matcher": "Report", "hooks": [{"id": "named", "command": "true"}]}]
    house.configure({"TaskCompleted": groups, "TaskFailed": [{"hooks": [PAGER, CHAT]}]})
    house.drop("report.md", "x")
    house.drain()
    task = house.entry().id
    lines = explained(house, "TaskCompleted", "--task", task)
    assert lines[0] == f"TaskCompleted of {task} (report), which is done"
    assert lines[1] == "  good    runs"
    assert re.fullmatch(r" {10}run \d+ delivered at \S+Z, try 1, exit 0", lines[2])
    assert lines[3] == "  bad     runs"
    assert re.fullmatch(r" {10}run \d+ gave_up at \S+Z, try 2, exit 3", lines[4])
    assert re.fullmatch(r" {10}run \d+ retry at \S+Z, try 1, exit 3", lines[5])
    assert lines[6].startswith(
        "  dear    does not run: if: usage.total_tokens > 100000 is false: usage.total_tokens = "
    )
    assert lines[7] == "  unsure  runs"
    assert lines[8].startswith("          its `if` cannot be told, so it runs: ")
    assert lines[10] == (
        "  named   does not run: matcher: 'Report' is a list of exact names, and the task's name 'report' is not in it;"
        " upper and lower case matter"
    )
    assert lines[11] == "under other events: pager (TaskFailed), chat (TaskFailed)"
    assert len(lines) == 12


def test_the_record_and_the_config_may_differ(house: House) -> None:
    """A hook that came later has no run; one that is gone is told all the same."""
    house.hook("#!/bin/sh\ntrue\n", id="old")
    house.drop("a.md", "x")
    house.drain()
    house.hook("#!/bin/sh\ntrue\n", id="new")
    lines = explained(house, "TaskCompleted", "--task", house.entry().id)
    assert lines[1] == "  new  runs by config.yaml as it is now; no run is on record"
    assert lines[2].startswith("  old  no longer in config.yaml; run 1 delivered at ")


def test_news_that_is_still_owed_is_told(house: House) -> None:
    """With the time of its next run."""
    house.hook("#!/bin/sh\nexit 1\n")
    house.drop("a.md", "x")
    house.drain()
    journal = Journal(house.workspace.journal_file)
    journal.write(lambda db: db.execute("UPDATE deliveries SET state = 'waiting', due_at = 4102444800"))
    journal.close()
    lines = explained(house, "TaskCompleted", "--task", house.entry().id)
    assert lines[1:3] == ["  my-hook  runs", "           owed: its next run is due at 2100-01-01T00:00:00Z"]


def test_an_event_that_did_not_happen_is_told(house: House) -> None:
    """The task ended otherwise, or has not ended; that is an answer, and no failure."""
    house.drop("a.json", {"prompt": "x\nstandin: status=400 type=content_filter", "name": "a"})
    house.drop("b.json", {"prompt": "x", "name": "b", "not_before": "2999-01-01T00:00:00Z"})
    house.start()
    house.wait(next(entry.id for entry in house.entries() if entry.name == "a"))
    ids = {entry.name: entry.id for entry in house.entries()}
    told = explained(house, "TaskCompleted", "--task", ids["a"])[1]
    assert told == f"there was none: {ids['a']} ended failed: TaskFailed, not TaskCompleted; ask about TaskFailed"
    told = explained(house, "Stop", "--task", ids["b"])[1]
    assert told == f"there was none: {ids['b']} has not ended (it is available), so there was no Stop yet; wait for it"
    assert explained(house, "Stop", "--task", ids["a"])[1].endswith("without an answer, so there was no Stop")


def test_a_fixture_is_explained_without_a_record(house: House) -> None:
    """As for `hooks test`; without either the event is made up."""
    house.configure({"TaskFailed": [{"matcher": "timeout", "hooks": [{"id": "x", "command": "true"}]}]})
    given = json.dumps({"error": {"kind": "timeout"}}).encode()
    assert explained(house, "StopFailure", "--fixture", "-", stdin=given) == [
        "StopFailure as the fixture describes it",
        "  x  runs",
    ]
    assert "the kind of error 'server_error' is not in it" in explained(house, "TaskFailed")[1]
    assert explained(house, "Stop")[1] == "no hook stands under it in config.yaml"


def test_scripts_are_told_the_same(house: House) -> None:
    """As JSON, null where there is nothing to say."""
    house.hook("#!/bin/sh\ntrue\n")
    house.drop("a.md", "x")
    house.drain()
    told = json.loads(house.call("hooks", "explain", "TaskCompleted", "--task", house.entry().id, "--json").stdout)
    (row,) = told["hooks"]
    assert (row["hook_id"], row["why_not"], row["owed"], told["absence"]) == ("my-hook", None, None, None)
    assert [(run["run"], run["outcome"]) for run in row["runs"]] == [(1, "delivered")]
