"""`hooks replay`: news delivered again, by the number of a run, or all of it that failed or is not too old."""

from __future__ import annotations

import json

import pytest

from tests.house import House


def failing(house: House) -> None:
    """Leave a record of one hook that gave up twice, and one that was told twice."""
    script = '[ -e mended ] || exit 1\necho "$KIMI_EVENT_ID"'
    bad, good = {"id": "bad", "command": script, "retries": 0}, {"id": "good", "command": "echo told"}
    house.configure({"TaskCompleted": [{"hooks": [bad, good]}]})
    house.drop("a.md", "a")
    house.drop("b.md", "b")
    house.drain()


def record(house: House) -> list[tuple[str, str, int]]:
    return sorted((run.hook_id, run.outcome, run.attempt) for run in house.runs())


def test_a_run_is_repeated_with_the_same_event(house: House) -> None:
    """By its number in the record; a runner that is at work does it at once, and without one that is said."""
    failing(house)
    failed = next(run for run in house.runs() if run.hook_id == "bad")
    (house.home / "mended").touch()
    done = house.call("hooks", "replay", str(failed.run))
    assert (done.returncode, done.stdout) == (0, f"{failed.event_id}  bad\n1 delivery made due again\n")
    assert "no runner is at work; start one with: " in done.stderr
    house.drain()
    newest = house.runs()[-1]
    assert (newest.outcome, newest.attempt, newest.stdout) == ("delivered", 2, f"{failed.event_id}\n")
    house.start()
    assert house.call("hooks", "replay", str(newest.run)).stderr == ""
    house.call("stop")


def test_all_that_failed_is_repeated(house: House) -> None:
    """And nothing else."""
    failing(house)
    (house.home / "mended").touch()
    assert house.call("hooks", "replay", "--failed").stdout.endswith("\n2 deliveries made due again\n")
    house.drain()
    assert record(house) == [
        *2 * [("bad", "delivered", 2)],
        *2 * [("bad", "gave_up", 1)],
        *2 * [("good", "delivered", 1)],
    ]
    assert house.call("hooks", "replay", "--failed").stdout == "there is nothing to deliver again\n"


@pytest.mark.parametrize(("since", "count"), [("1h", 2), ("2000-01-01", 2), ("2999-01-01T00:00:00Z", 0)])
def test_all_since_then_is_repeated(house: House, since: str, count: int) -> None:
    """An age or a time, and of one hook if asked."""
    failing(house)
    done = json.loads(house.call("hooks", "replay", "--since", since, "--hook", "good", "--json").stdout)
    assert [len(done["due"]), len(done["left"]), done["dry_run"]] == [count, 0, False]
    assert {row["hook_id"] for row in done["due"]} <= {"good"}


def test_news_of_hooks_that_are_gone_is_passed_over(house: House) -> None:
    """Nobody would be told by them, so it would be given up at once; it is counted and their names are said."""
    failing(house)
    kept = {"id": "good", "command": "true"}
    house.configure({"TaskCompleted": [{"hooks": [kept]}]})
    done = house.call("hooks", "replay", "--failed")
    assert done.stdout == (
        "there is nothing to deliver again\n2 are of hooks that are not in config.yaml any more: bad\n"
    )
    assert house.call("hooks", "replay", "--failed", "--hook", "bad").returncode == 0
    house.configure({"TaskCompleted": [{"hooks": [kept, {"id": "bad", "command": "true", "enabled": False}]}]})
    assert "2 are of hooks that are kept off by config.yaml: bad" in house.call("hooks", "replay", "--failed").stdout
    found = json.loads(house.call("hooks", "replay", "--since", "1h", "--json").stdout)
    assert [len(found[key]) for key in ("due", "left", "gone")] == [2, 0, 2]


def test_a_dry_run_changes_nothing(house: House) -> None:
    """It names what would be delivered again."""
    failing(house)
    before = record(house)
    done = house.call("hooks", "replay", "--since", "1h", "--dry-run")
    assert done.stdout.endswith("\n4 deliveries would be made due again\n")
    assert done.stderr == ""
    house.drain()
    assert record(house) == before


def test_what_is_still_owed_is_left(house: House) -> None:
    """It comes anyway."""
    failing(house)
    house.call("hooks", "replay", "--failed")
    again = house.call("hooks", "replay", "--since", "1h")
    assert again.stdout.endswith("2 deliveries made due again\n2 left as they are: they are still owed, or under way\n")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "give the number of a run"),
        (["1", "--failed"], 2, "give the number of a run"),
        (["--failed", "--since", "1h"], 2, "give the number of a run"),
        (["1", "--hook", "bad"], 2, "--hook goes with --failed and --since"),
        (["--since", "soon"], 2, "--since 'soon': give an age such as 24h or 7d, or an ISO day or time"),
        (["99"], 1, "kimi-hooks: 99: no such run is on record"),
        (["--failed", "--hook", "bda"], 1, "kimi-hooks: bda: no such hook in config.yaml; did you mean 'bad'?"),
    ],
)
def test_what_cannot_be_repeated_is_told(house: House, words: list[str], code: int, told: str) -> None:
    """In one line, and nothing is made due."""
    house.configure({"TaskCompleted": [{"hooks": [{"id": "bad", "command": "true"}]}]})
    done = house.call("hooks", "replay", *words)
    assert done.returncode == code
    assert told in done.stderr
