"""The program dies at every point that has a name, and at every point of rich scenarios: nothing is lost or doubled."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count

import pytest

from kimi_hooks.crash_points import Point
from tests.crash.crashing import DRAIN, Death, Server, broken, play
from tests.crash.scenarios import SCENARIOS, A
from tests.house import House, until
from tests.invariants import violations

Fresh = Callable[[], House]
NAMED = [(name, point) for name, scenario in SCENARIOS.items() for point in dict.fromkeys(scenario.points)]
UNINTERRUPTED = [name for name, scenario in SCENARIOS.items() if name != "kept"]
# Side by side they are told apart by where they begin.
STRIDE = 4


def test_every_point_is_died_at() -> None:
    """Each point that the program names is passed by a scenario: a new one belongs into a row of `SCENARIOS`."""
    assert set(Point) - {point for _, point in NAMED} == set()


@pytest.mark.parametrize("name", UNINTERRUPTED)
def test_nothing_is_broken_where_nothing_dies(server: Server, fresh: Fresh, name: str) -> None:
    """The scenarios themselves end as they say, and the checker has nothing against them."""
    house, scenario = fresh(), SCENARIOS[name]
    played = play(server, house, scenario)
    assert broken(house, scenario, played) == []
    assert set(scenario.points) <= set(played.reached)


@pytest.mark.parametrize(("name", "point"), NAMED)
def test_death_at_a_named_point(server: Server, fresh: Fresh, name: str, point: Point) -> None:
    """Dead at a point, by `_exit` or by SIGKILL, and started again: all is as promised."""
    house, scenario = fresh(), SCENARIOS[name]
    by_signal = list(Point).index(point) % 2 == 0
    played = play(server, house, scenario, Death(point, by_signal=by_signal))
    assert broken(house, scenario, played) == []
    assert len(played.scenes) == 1 + len(scenario.before), f"{name} does not pass {point} any more"


@pytest.mark.parametrize("first", range(1, STRIDE + 1))
@pytest.mark.parametrize("name", ["gated", "mixed"])
def test_death_at_every_point(server: Server, fresh: Fresh, name: str, first: int) -> None:
    """Dead at the nth point, whatever its name, for all n; every third time the next runner dies as well."""
    scenario, found = SCENARIOS[name], {}
    for nth in count(first, STRIDE):
        again = [Death(None, 1 + nth % 29)] if nth % 3 == 0 else []
        house = fresh()
        played = play(server, house, scenario, Death(None, nth, by_signal=nth % 2 == 0), *again)
        if told := broken(house, scenario, played):
            found[nth] = told
        if not played.scenes:
            break
    assert found == {}
    assert nth > 50


def test_a_verb_that_dies_before_it_rings(server: Server, fresh: Fresh) -> None:
    """What a verb has recorded counts at the next wake of the runner, though nobody rang."""
    house = fresh()
    house.drop(f"{A}.md", "a")
    with house.running():
        house.wait(A)
        assert server.run(house, ("ack", A), Death(Point.VERB_RECORDED)).died
        house.drop("wakes-it.md", "b")
        until(lambda: house.result(A)["status"] == "acknowledged")
    assert violations(house.workspace) == []


def test_orders_of_a_dead_verb_are_whole_or_not_there(server: Server, fresh: Fresh) -> None:
    """Dead before its transaction is kept, a verb has done nothing; dead after it, all."""
    for point, status in ((Point.COMMITTING, "done"), (Point.VERB_RECORDED, "acknowledged")):
        house = fresh()
        house.drop(f"{A}.md", "a")
        server.run(house, DRAIN)
        assert server.run(house, ("ack", A), Death(point, by_signal=True)).died
        server.run(house, DRAIN)
        assert house.result(A)["status"] == status
        assert violations(house.workspace) == []


def test_no_half_written_file_is_left(house: House) -> None:
    """What a dead writer left goes at the next start, wherever that was; where others may be writing, an hour later."""
    house.drain()
    places = house.workspace
    spool = (places.incoming, places.turns / A, places.transcripts, places.rejected, places.hook_runs, places.schemas)
    for folder in (places.results, places.outbox, places.spool, *spool):
        folder.mkdir(exist_ok=True)
        (folder / ".tmp-0").touch()
        os.utime(folder / ".tmp-0", (0, 0))
    house.drain()
    assert [str(file) for file in house.home.rglob(".tmp-*")] == []
