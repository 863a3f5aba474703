"""What waits for what: one hook hears of one task in order, and a sequential group goes step by step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks.errors import GateRunError, UnknownRunError
from kimi_hooks.events import SESSION_START, of_session
from kimi_hooks.journal import deliveries, lanes, moments
from kimi_hooks.journal.deliveries import Delivery, HookRun, RunOutcome
from kimi_hooks.journal.store import Connection, Journal

TASK, OTHER = "kimi-1700000000-aaaaaaaa", "kimi-1700000000-bbbbbbbb"
NEVER = 10**9


@pytest.fixture
def journal() -> Iterator[Journal]:
    with closing(Journal(None)) as made:
        yield made


def owed(event_id: str, hook_id: str = "h", task_id: str | None = TASK, place: int | None = None) -> Delivery:
    return Delivery(event_id, hook_id, "TaskCompleted", task_id, place=place)


def ran(delivery: Delivery, outcome: RunOutcome, at: float = 1.0) -> HookRun:
    return HookRun(delivery.hook_id, delivery.event, delivery.event_id, delivery.task_id, 1, outcome, 0, 1, "", "", at)


def owe(journal: Journal, *news: Delivery) -> None:
    journal.write(lambda db: deliveries.owe(db, news, 0.0))


def start(journal: Journal, now: float = 1.0, free: int = 100) -> list[str]:
    """Start all that may start; return it as `event/hook`."""
    return [
        f"{each.event_id}/{each.hook_id}"
        for each in journal.write(lambda db: deliveries.start_due(db, now, free, NEVER))
    ]


def end(journal: Journal, delivery: Delivery, outcome: RunOutcome = "delivered", retry_at: float | None = None) -> None:
    journal.write(lambda db: deliveries.record(db, ran(delivery, outcome), retry_at))


def states(journal: Journal) -> dict[str, str]:
    query = "SELECT event_id || '/' || hook_id, state FROM deliveries ORDER BY seq"
    return journal.read(lambda db: dict(db.execute(query).fetchall()))


def test_one_hook_hears_of_one_task_in_order(journal: Journal) -> None:
    """The second piece of news starts when the first is delivered or given up, and not while it waits for a retry."""
    one, two = owed("one"), owed("two")
    owe(journal, one)
    owe(journal, two)
    assert start(journal) == ["one/h"]
    end(journal, one, "retry", 5.0)
    assert start(journal) == []
    assert start(journal, 6.0) == ["one/h"]
    end(journal, one, "gave_up")
    assert start(journal) == ["two/h"]


@pytest.mark.parametrize("other", [owed("two", task_id=OTHER), owed("two", "g"), owed("two", task_id=None)])
def test_nothing_else_waits(journal: Journal, other: Delivery) -> None:
    """News of another task, to another hook, and of no task has lanes of its own."""
    owe(journal, owed("one"), other)
    assert len(start(journal)) == 2


def test_news_of_no_task_has_one_lane_for_each_hook(journal: Journal) -> None:
    """Notifications and sessions are heard in the order in which they happened."""
    owe(journal, *[owed(event, hook, None) for event in ("n1", "n2") for hook in ("h", "g")])
    assert start(journal) == ["n1/h", "n1/g"]
    end(journal, owed("n1", "g", None))
    assert start(journal) == ["n2/g"]


def test_a_sequential_group_goes_step_by_step(journal: Journal) -> None:
    """Also past a step that was given up; another group under the event does not wait."""
    steps = [owed("e", hook, place=3) for hook in ("a", "b", "c")]
    owe(journal, *steps, owed("e", "x"), owed("e", "y", place=4))
    assert start(journal) == ["e/a", "e/x", "e/y"]
    end(journal, steps[0], "gave_up")
    assert start(journal) == ["e/b"]
    end(journal, steps[1])
    assert start(journal) == ["e/c"]


def test_the_groups_of_an_alias_are_groups_of_their_own(journal: Journal) -> None:
    """Both names of one event count their groups from 0."""
    owe(journal, Delivery("e", "a", "TaskFailed", TASK, place=0), Delivery("e", "b", "StopFailure", TASK, place=0))
    assert len(start(journal)) == 2


def test_a_step_waits_for_its_lane_and_for_its_chain(journal: Journal) -> None:
    """Whichever ends last lets it go."""
    before, first, second = owed("one", "b"), owed("two", "a", place=0), owed("two", "b", place=0)
    for ends in ((before, first), (first, before)):
        journal.write(lambda db: db.execute("DELETE FROM deliveries"))
        owe(journal, before, first, second)
        assert start(journal) == ["one/b", "two/a"]
        end(journal, ends[0])
        assert start(journal) == []
        end(journal, ends[1])
        assert start(journal) == ["two/b"]


def test_a_crash_keeps_the_order(journal: Journal) -> None:
    """What ran when the runner died is the first again; what is behind it stays there."""
    one = owed("one")
    owe(journal, one, owed("two"))
    start(journal)
    assert journal.write(deliveries.forget_running) == [(TASK, "h")]
    assert start(journal) == ["one/h"]
    journal.write(lambda db: deliveries.put_back(db, one, 7.0))
    assert start(journal) == []
    assert start(journal, 8.0) == ["one/h"]


def test_no_search_walks_through_all_news(journal: Journal) -> None:
    """What is owed at the end of every task is looked up by an index, however much there is."""
    plans = [journal.read(partial(_plan, query=query)) for query in (lanes._INSERT, lanes._NEXT, lanes._REPEAT)]
    assert all("deliveries_open" in plan for plan in plans)
    assert not any("SCAN deliveries" in plan or "SCAN other" in plan or "SCAN first" in plan for plan in plans)


def _plan(db: Connection, query: str) -> str:
    names = ("event_id", "hook_id", "event", "task_id", "due_at", "place", "seq")
    return "; ".join(row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", dict.fromkeys(names)))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["owe", "start", "delivered", "gave_up", "retry", "crash", "replay"]), st.integers(0, 40)
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_the_first_of_each_lane_may_go_and_no_other(steps: list[tuple[str, int]]) -> None:
    """Nothing is started out of turn, and nothing stays behind what is over."""
    with closing(Journal(None)) as journal:
        for what, number in steps:
            _step(journal, what, number)
            _check(journal)
        while ready := _started(journal):
            end(journal, ready[0])
            _check(journal)
        assert set(states(journal).values()) <= {"delivered", "gave_up"}


def _started(journal: Journal) -> list[Delivery]:
    journal.write(lambda db: deliveries.start_due(db, NEVER, 100, NEVER))
    return _running(journal)


def _running(journal: Journal) -> list[Delivery]:
    query = "SELECT event_id, hook_id, event, nullif(task_id, '') FROM deliveries WHERE state = 'running' ORDER BY seq"
    return journal.read(lambda db: [Delivery(*row) for row in db.execute(query)])


def _step(journal: Journal, what: str, number: int) -> None:
    if what == "owe":
        task = (TASK, OTHER, None)[number % 3]
        owe(
            journal, *[owed(f"e{number}", hook, task, number % 2 or None) for hook in ("a", "b", "c")[: 1 + number % 3]]
        )
    elif what == "start":
        journal.write(lambda db: deliveries.start_due(db, NEVER, number % 4, NEVER, fair=bool(number % 2)))
    elif what == "crash":
        journal.write(deliveries.forget_running)
    elif what == "replay":
        journal.write(lambda db: deliveries.replay_since(db, 0.0, 2.0, ("a", "b", None)[number % 3]))
    elif running := _running(journal):
        end(journal, running[number % len(running)], what, 3.0 if what == "retry" else None)  # type: ignore[arg-type]


def _check(journal: Journal) -> None:
    """Hold the rule against a plain reading of all rows."""
    query = "SELECT * FROM deliveries WHERE state IN ('waiting', 'behind', 'running') ORDER BY seq"
    rows: list[Any] = journal.read(lambda db: db.execute(query).fetchall())
    for row in rows:
        earlier = [other for other in rows if other["seq"] < row["seq"] and _goes_before(other, row)]
        assert (row["state"] == "behind") == bool(earlier), [tuple(each) for each in rows]


def _goes_before(other: Any, row: Any) -> bool:
    is_in_lane = (other["task_id"], other["hook_id"]) == (row["task_id"], row["hook_id"])
    return is_in_lane or (
        row["place"] is not None and (other["event_id"], other["place"]) == (row["event_id"], row["place"])
    )


# Places


def test_no_hook_takes_the_places_of_all_others(journal: Journal) -> None:
    """With `fair`, a hook has at most as many places as it leaves free, and one place is enough for anybody."""
    owe(journal, *[owed(f"e{n}", "hog", f"t{n}") for n in range(20)], owed("late", "good"))

    def fair(free: int) -> list[str]:
        return [
            each.hook_id for each in journal.write(lambda db: deliveries.start_due(db, 1.0, free, NEVER, fair=True))
        ]

    assert fair(8) == ["hog"] * 4 + ["good"]
    assert fair(3) == []
    end(journal, owed("e0", "hog", "t0"))
    assert fair(4) == ["hog"]


def test_one_place_is_for_whoever_is_first(journal: Journal) -> None:
    """A share of one place is that place."""
    owe(journal, owed("e1", "a"), owed("e2", "b"))
    assert [each.hook_id for each in journal.write(lambda db: deliveries.start_due(db, 1, 1, NEVER, fair=True))] == [
        "a"
    ]


def test_when_the_next_news_is_due(journal: Journal) -> None:
    """What was due before is not asked for again."""
    one = owed("one")
    owe(journal, one, owed("two", "g"))
    start(journal, free=1)
    end(journal, one, "retry", 9.0)
    assert journal.read(deliveries.next_due(1.0)) == 9.0
    assert journal.read(deliveries.next_due(9.0)) is None


# Once more


def _give_up(journal: Journal, *news: Delivery) -> None:
    owe(journal, *news)
    start(journal)
    for each in news:
        end(journal, each, "gave_up")


def test_a_run_is_delivered_again_with_all_its_tries(journal: Journal) -> None:
    """The same event id, and the number of the run goes on; what it used up before does not count."""
    one = owed("one")
    _give_up(journal, one)
    (run,) = journal.read(deliveries.runs)
    again = journal.write(lambda db: deliveries.replay_run(db, run.run, 5.0))
    assert (again.due, again.left) == ((("one", "h"),), ())
    (started,) = journal.write(lambda db: deliveries.start_due(db, 5.0, 9, NEVER))
    assert (started.event_id, started.attempts, started.tries) == ("one", 2, 1)


def test_what_is_under_way_is_not_made_due_twice(journal: Journal) -> None:
    """It is told of as such."""
    one = owed("one")
    owe(journal, one)
    start(journal)
    end(journal, one, "retry", 3.0)
    (run,) = journal.read(deliveries.runs)
    for _ in range(2):
        again = journal.write(lambda db: deliveries.replay_run(db, run.run, 5.0))
        assert (again.due, again.left) == ((), (("one", "h"),))
        start(journal, 9.0)
    assert states(journal) == {"one/h": "running"}


def test_all_that_was_given_up(journal: Journal) -> None:
    """Each piece of news once, in the order in which it was owed, of one hook if asked; nothing that was delivered."""
    _give_up(journal, owed("one"), owed("two", "g", OTHER))
    fine = owed("three", "h", OTHER)
    owe(journal, fine)
    start(journal)
    end(journal, fine)
    only = journal.write(lambda db: deliveries.replay_failed(db, 5.0, "g"))
    assert only.due == (("two", "g"),)
    again = journal.write(lambda db: deliveries.replay_failed(db, 6.0))
    assert (again.due, states(journal)["three/h"]) == ((("one", "h"),), "delivered")


def test_all_since_an_instant(journal: Journal) -> None:
    """Whatever became of it; a piece of news of which several runs match is owed once."""
    old, new = owed("old"), owed("new", "g")
    owe(journal, old, new)
    start(journal)
    end(journal, new, "retry", 1.0)
    start(journal, 2.0)
    journal.write(lambda db: deliveries.record(db, ran(old, "delivered", 10.0), None))
    journal.write(lambda db: deliveries.record(db, ran(new, "delivered", 20.0), None))
    assert journal.write(lambda db: deliveries.replay_since(db, 15.0, 30.0)).due == (("new", "g"),)
    assert journal.write(lambda db: deliveries.replay_since(db, 0.0, 30.0)).due == (("old", "h"),)


def test_to_ask_what_would_be_replayed_changes_nothing(journal: Journal) -> None:
    """Without an instant it is only told."""
    _give_up(journal, owed("one"))
    assert journal.write(lambda db: deliveries.replay_failed(db, None)).due == (("one", "h"),)
    assert states(journal) == {"one/h": "gave_up"}


def test_a_replayed_event_is_the_last_of_its_lane(journal: Journal) -> None:
    """It is owed from now on: what waits already goes first."""
    _give_up(journal, owed("one"))
    owe(journal, owed("two"))
    journal.write(lambda db: deliveries.replay_failed(db, 5.0))
    assert start(journal, 9.0) == ["two/h"]
    assert states(journal) == {"two/h": "running", "one/h": "behind"}


def test_a_sequential_group_is_replayed_step_by_step(journal: Journal) -> None:
    """As it ran the first time."""
    steps = [owed("e", hook, place=0) for hook in ("a", "b")]
    owe(journal, *steps)
    for step in steps:
        start(journal)
        end(journal, step, "gave_up")
    journal.write(lambda db: deliveries.replay_failed(db, 5.0))
    assert start(journal, 9.0) == ["e/a"]
    end(journal, steps[0])
    assert start(journal, 9.0) == ["e/b"]


def test_a_run_that_is_not_there(journal: Journal) -> None:
    """Told with where the numbers stand."""
    with pytest.raises(UnknownRunError, match=r"77: no such run.*hooks runs"):
        journal.write(lambda db: deliveries.replay_run(db, 77, 5.0))


@pytest.mark.parametrize("outcome", ["allowed", "blocked", "failed"])
def test_what_a_gate_decided_is_not_decided_again(journal: Journal, outcome: RunOutcome) -> None:
    """The task has gone on since; the same hook's news of that event is not meant either."""
    gate = Delivery(f"{TASK}-Stop-1", "g", "Stop", TASK)
    journal.write(lambda db: deliveries.keep(db, ran(gate, outcome)))
    (run,) = journal.read(deliveries.runs)
    with pytest.raises(GateRunError, match=r"run 1: g was asked at a gate \(Stop\).*dispatch the task again"):
        journal.write(lambda db: deliveries.replay_run(db, run.run, 5.0))
    assert journal.write(lambda db: deliveries.replay_since(db, 0.0, 5.0)).due == ()


# The record


def test_the_record_can_be_narrowed(journal: Journal) -> None:
    """To what failed, and to what ended since an instant."""
    outcomes: list[RunOutcome] = ["delivered", "retry", "gave_up", "allowed", "blocked", "failed"]
    for number, outcome in enumerate(outcomes):
        journal.write(partial(deliveries.keep, run=ran(owed("e"), outcome, number)))
    failed = journal.read(lambda db: deliveries.runs(db, failed=True))
    assert [run.outcome for run in failed] == ["failed", "blocked", "gave_up", "retry"]
    late = journal.read(lambda db: deliveries.runs(db, since=4.0))
    assert [run.outcome for run in late] == ["failed", "blocked"]


def test_moments_are_forgotten_when_nobody_needs_them(journal: Journal) -> None:
    """Not as long as a hook is to be told, nor while it was told of late."""
    told = {name: of_session(SESSION_START, f"run-{name}", "startup", 0.0) for name in ("old", "open", "late")}
    for moment in told.values():
        journal.write(partial(moments.add, moment=moment))
    news = {name: owed(moment.event_id, "h", name) for name, moment in told.items()}
    owe(journal, *news.values())
    start(journal)
    journal.write(lambda db: deliveries.record(db, ran(news["old"], "gave_up", 100.0), None))
    journal.write(lambda db: deliveries.record(db, ran(news["late"], "delivered", 300.0), None))
    journal.write(lambda db: moments.forget(db, 200.0))
    left = [name for name, moment in told.items() if journal.read(partial(moments.get, event_id=moment.event_id))]
    assert left == ["open", "late"]
