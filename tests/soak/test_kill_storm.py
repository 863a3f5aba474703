"""A small storm, and that the judge of storms sees what would be wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.soak import verdict
from tests.soak.kill_storm import rage
from tests.soak.verdict import Evidence


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Let a small storm rage once: its instants are drawn anew each time, its tasks are not."""
    return rage(tmp_path_factory.mktemp("storm") / "home", tasks=40, kills=8, seed=4)


def test_a_small_storm_breaks_no_promise(storm: Evidence) -> None:
    """Each task has its one right result and its news; what was done twice, a kill explains."""
    found = verdict.judge(storm)
    assert found.breaches == []
    assert (storm.kills, len(storm.results)) == (8, 40)


def test_a_call_made_twice_in_one_life_is_seen(storm: Evidence) -> None:
    """As is one that was made after the result was on the disk."""
    call = next(call for call in storm.calls if call.task.endswith("-plain"))
    late = replace(call, at=call.at + 3600)
    told = verdict.judge(replace(storm, calls=[*storm.calls, call, late])).breaches
    assert any(f"{call.task}: turn 0 was asked for 3 times in {call.life}" in breach for breach in told)
    assert any(f"{call.task}: was asked for after its result was written" in breach for breach in told)


def test_news_told_twice_in_one_life_is_seen(storm: Evidence) -> None:
    """And news that no hook has heard."""
    line = next(line for line in storm.lines if line.hook == "tell")
    told = verdict.judge(replace(storm, lines=[*storm.lines, line])).breaches
    assert told == [f"{line.task_id}: tell ran ['ok', 'ok'] in the life of launcher {line.launcher}"]
    unheard = [other for other in storm.lines if (other.task_id, other.hook) != (line.task_id, line.hook)]
    assert any("tell was not told" in breach for breach in verdict.judge(replace(storm, lines=unheard)).breaches)


def test_a_result_that_was_written_over_is_seen(storm: Evidence) -> None:
    """Whoever read the first one would know another truth."""
    name = next(iter(storm.seen))
    told = verdict.judge(replace(storm, seen={**storm.seen, name: b"another"})).breaches
    assert told == [f"{name}: is not what it was when it was first seen"]
