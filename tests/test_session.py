"""Hooks are told that a runner is at work and that it stops."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from kimi_hooks.clock import parse_iso
from kimi_hooks.events import FIELDS
from kimi_hooks.session import Session
from tests.house import House, until

TELL = "#!/bin/sh\ncat >> told\n"
BOTH = ("SessionStart", "SessionEnd")


def listen(house: House, text: str = TELL, *, keys: dict[str, Any] | None = None, **config: Any) -> None:
    """Configure one hook for both ends of a runner's life."""
    path = house.workspace.hooks / "tell.sh"
    path.write_text(text)
    path.chmod(0o755)
    handler = {"id": "teller", "command": "hooks/tell.sh", **(keys or {})}
    house.configure({event: [{"hooks": [dict(handler)]}] for event in BOTH}, **config)


def told(house: House) -> list[dict[str, Any]]:
    path = house.home / "told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def names(house: House) -> list[str]:
    return [each["hook_event_name"] for each in told(house)]


def test_a_drained_runner_tells_both_ends(house: House) -> None:
    """Before it returns; both carry the id of the run, and what is no task's is null."""
    listen(house)
    house.drop("a.md", "x")
    house.drain()
    start, end = told(house)
    assert set(start) == set(end) == FIELDS
    assert (start["source"], start["reason"], end["source"], end["reason"]) == ("startup", None, None, "drained")
    assert re.fullmatch(r"run-[0-9]{10}-[a-z0-9]{8}", start["session_id"])
    assert start["session_id"] == end["session_id"]
    assert [each["event_id"] for each in (start, end)] == [f"{start['session_id']}-{name}" for name in BOTH]
    assert parse_iso(start["timestamp"]) <= parse_iso(end["timestamp"])
    assert (start["task_id"], start["result_file"], start["cwd"]) == (None, None, str(house.home))
    assert [(run.event, run.task_id, run.outcome) for run in house.runs()] == [
        (name, None, "delivered") for name in BOTH
    ]


def test_each_run_has_an_id_of_its_own(house: House) -> None:
    """So that a hook can tell one from the next."""
    listen(house)
    house.drain()
    house.drain()
    assert len({each["session_id"] for each in told(house)}) == 2


def test_a_stopped_runner_tells_its_end_before_it_leaves(house: House) -> None:
    """By signal or by verb: the hook has run when the process is gone."""
    listen(house)
    child = house.start()
    child.terminate()
    assert child.wait(20) == 0
    assert names(house) == list(BOTH)
    assert told(house)[1]["reason"] == "stopped"


@pytest.mark.parametrize(
    ("matcher", "expected"), [("stopped", []), ("drained|stopped", ["SessionEnd"]), ("", ["SessionEnd"])]
)
def test_the_matcher_looks_at_the_reason(house: House, matcher: str, expected: list[str]) -> None:
    """As it looks at the source of a start."""
    listen(house)
    handler = {"id": "teller", "command": "hooks/tell.sh"}
    house.configure({
        "SessionStart": [{"matcher": "resume", "hooks": [dict(handler)]}],
        "SessionEnd": [{"matcher": matcher, "hooks": [handler]}],
    })  # fmt: skip
    house.drain()
    assert names(house) == expected


def test_a_start_hook_that_hangs_holds_up_no_task(house: House) -> None:
    """The task is answered and told meanwhile."""
    listen(house, '#!/bin/sh\n[ "$KIMI_EVENT" = TaskCompleted ] || exec sleep 60\n')
    handler = {"id": "teller", "command": "hooks/tell.sh"}
    events = ("SessionStart", "TaskCompleted")
    house.configure({event: [{"hooks": [dict(handler)]}] for event in events}, grace_seconds=0)
    with house.running():
        house.drop("kimi-1700000000-aaaaaaaa.md", "x")
        house.wait("kimi-1700000000-aaaaaaaa")
        until(lambda: [run.event for run in house.runs()] == ["TaskCompleted"])


def test_what_does_not_end_within_the_grace_is_told_at_the_next_start(house: House) -> None:
    """The same event again, before the new start is told."""
    listen(house, "#!/bin/sh\n[ -e go ] || { touch began; exec sleep 60; }\ncat >> told\n", grace_seconds=1)
    (house.home / "go").touch()
    child = house.start()
    until(lambda: names(house) == ["SessionStart"])
    (house.home / "go").unlink()
    child.terminate()
    assert child.wait(20) == 0
    assert (house.home / "began").exists()
    (house.home / "go").touch()
    house.drain()
    first, last, *new = told(house)
    assert (last["hook_event_name"], last["reason"], last["attempt"]) == ("SessionEnd", "stopped", 2)
    assert last["session_id"] == first["session_id"]
    assert [each["hook_event_name"] for each in new] == list(BOTH)


def test_without_a_grace_the_next_start_tells_it(house: House) -> None:
    """Nothing is begun only to be cut."""
    listen(house, grace_seconds=0)
    with house.running():
        until(lambda: len(house.runs()) == 1)
    assert names(house) == ["SessionStart"]
    house.drain()
    assert [(each["hook_event_name"], each["attempt"]) for each in told(house)[1:]] == [
        ("SessionEnd", 1), ("SessionStart", 1), ("SessionEnd", 1)
    ]  # fmt: skip


def test_an_end_hook_that_fails_does_not_hold_up_the_stop(house: House) -> None:
    """It has one try before the runner leaves, and the others at the next start."""
    listen(house, '#!/bin/sh\n[ "$KIMI_EVENT" != SessionEnd ] || [ -e go ]\n',
           retry={"first_pause": 3600, "max_pause": 3600}, grace_seconds=600)  # fmt: skip
    with house.running():
        until(lambda: len(house.runs()) == 1)
    assert [(run.event, run.outcome) for run in house.runs()] == [
        ("SessionStart", "delivered"),
        ("SessionEnd", "retry"),
    ]
    (house.home / "go").touch()
    house.make_deliveries_due()
    house.drain()
    assert [(run.event, run.attempt) for run in house.runs()[2:]] == [
        ("SessionEnd", 2), ("SessionStart", 1), ("SessionEnd", 1)
    ]  # fmt: skip


def test_a_drain_lets_end_hooks_have_their_retries(house: House) -> None:
    """Nothing is left behind: it ends when all are told, or have given up."""
    listen(house, '#!/bin/sh\n[ "$KIMI_EVENT" != SessionEnd ]\n', keys={"retries": 2})
    house.drain()
    assert [(run.event, run.outcome) for run in house.runs()] == [
        ("SessionStart", "delivered"), ("SessionEnd", "retry"), ("SessionEnd", "retry"), ("SessionEnd", "gave_up")
    ]  # fmt: skip


def test_a_sequential_group_at_the_end(house: House) -> None:
    """All of it runs within the grace, one after the other, though there is one place only."""
    listen(house)
    steps = [{"id": name, "command": f"echo {name} >> order"} for name in ("a", "b", "c")]
    house.configure({"SessionEnd": [{"sequential": True, "hooks": steps}]},
                    limits={"hooks": 1, "requests_per_minute": 10_000})  # fmt: skip
    with house.running():
        pass
    assert (house.home / "order").read_text().split() == ["a", "b", "c"]


def test_other_news_waits_for_the_next_start(house: House) -> None:
    """A runner that stops begins nothing but the end."""
    listen(house, '#!/bin/sh\necho "$KIMI_EVENT" >> order\n[ "$KIMI_EVENT" != TaskCompleted ] || [ -e go ]\n')
    handler = {"id": "teller", "command": "hooks/tell.sh"}
    house.configure({event: [{"hooks": [dict(handler)]}] for event in ("TaskCompleted", "SessionEnd")},
                    retry={"first_pause": 1, "max_pause": 1})  # fmt: skip
    house.drop("a.md", "x")
    with house.running():
        until(lambda: len(house.runs()) == 1)
    assert [run.event for run in house.runs()] == ["TaskCompleted", "SessionEnd"]


def test_a_runner_that_was_killed_tells_no_end(house: House) -> None:
    """Nobody was there to say it; the next one tells its own start."""
    listen(house)
    child = house.start()
    until(lambda: len(house.runs()) == 1)
    child.kill()
    child.wait()
    house.drain()
    assert names(house) == ["SessionStart", "SessionStart", "SessionEnd"]


def test_where_no_hook_wants_to_know_nothing_is_written(house: House) -> None:
    """The journal is not even looked at, so a stop costs what it did."""
    parts = house.parts()
    parts.journal.close()
    session = Session(parts)
    session.begin()
    assert not session.end("stopped")
    assert session.take_last(8) == []


def test_an_end_is_told_once(house: House) -> None:
    """A drained runner that is stopped then has no second one."""
    listen(house)
    session = Session(house.parts())
    assert session.end("drained")
    assert not session.end("stopped")
    assert [each.event for each in session.take_last(8)] == ["SessionEnd"]
    assert session.take_last(8) == []


def test_a_journal_in_trouble_is_no_reason_to_stay(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The log says that nobody was told."""
    listen(house, grace_seconds=60)
    began = time.monotonic()
    with house.running() as running:
        until(lambda: len(house.runs()) == 1)
        parts = running.runner._parts
        parts.journal.write(lambda db: db.execute("PRAGMA query_only = 1"))
    assert time.monotonic() - began < 60
    assert any("SessionEnd: no hook is told of it" in line for line in caplog.messages)
