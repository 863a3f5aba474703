"""What may leave: the pace of a queue that Kimi has slowed, tokens a minute, and the budget of the day."""

from __future__ import annotations

import re
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks import limits, notifying
from kimi_hooks.clock import Clock, day_began, kimi_day, next_day
from kimi_hooks.journal import facts, sends
from kimi_hooks.journal.facts import Slowed
from kimi_hooks.journal.store import Journal
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome, State
from tests.house import House, until

FIRST, SECOND = "kimi-1700000000-aaaaaaaa", "kimi-1700000000-bbbbbbbb"
PRICES = {"kimi-k3": {"prices": {"USD": {"hit": 1.0, "miss": 1000.0, "output": 1000.0}}}}
NOON = datetime(2026, 11, 22, 12).timestamp()  # noqa: DTZ001 - the local day is meant
CROWDED = "Your account reached organization max concurrency: 1, please try again after 1 seconds"
BUSY = Fault("http", status=429, type="engine_overloaded_error")


class Timeline:
    """A clock whose time passes only when it is told to, beside the real one for whoever waits."""

    def __init__(self, at: float = NOON) -> None:
        self._passed = at - time.time()
        self.clock = Clock(now=lambda: time.time() + self._passed, since_boot=self._since_boot, boot_id=str)

    def _since_boot(self) -> float:
        return time.time() + self._passed

    def go_on(self, seconds: float) -> None:
        self._passed += seconds


def slowed(house: House) -> Slowed | None:
    return house.read_journal(facts.slowed)


def test_one_overload_slows_all(house: House) -> None:
    """What waits beside the refused task does not leave before Kimi's time is over, and then one by one."""
    house.configure(limits={"requests_per_minute": 1000, "concurrency": 8})
    house.kimi.add(Fault("http", status=429, message=CROWDED, headers={"Retry-After": "1"}, latency=0.2))
    house.drop("0.md", "first")
    with house.running():
        assert house.kimi.wait_for(1)
        until(lambda: slowed(house) is not None)
        before = len(house.kimi.requests)
        house.kimi.latency = 0.05
        for number in range(1, 9):
            house.drop(f"{number}.md", f"task {number}")
        until(lambda: len(house.entries()) == 9)
        state = slowed(house)
        assert state is not None
        assert len(house.kimi.requests) == before == 1
        house.wait(*(entry.id for entry in house.entries()))
    asked_at = [request.at for request in house.kimi.requests]
    assert asked_at[1] >= asked_at[0] + 0.2 + 1.0
    # The second leaves when the first has been answered, and from there on there is more and more room.
    assert asked_at[2] >= asked_at[1] + 0.05
    assert slowed(house) is None
    assert all(entry.outcome is Outcome.DONE for entry in house.entries())


def test_many_refusals_at_once_are_one(house: House) -> None:
    """Calls that had left before the queue was slowed do not slow it again."""
    house.configure(limits={"requests_per_minute": 1000, "concurrency": 8}, retry={"first_pause": 0.2, "max_pause": 60})
    house.kimi.add(*[Fault("http", status=429, message=CROWDED, latency=0.3)] * 8)
    for number in range(8):
        house.drop(f"{number}.md", f"task {number}")
    with house.running():
        assert house.kimi.wait_for(8)
        until(lambda: all(entry.state is not State.EXECUTING for entry in house.entries()))
        state = slowed(house)
        assert state is None or state.times <= 1
        house.wait(*(entry.id for entry in house.entries()))
    assert max(entry.attempts for entry in house.entries()) <= 3


def test_each_further_refusal_makes_the_pause_longer(house: House) -> None:
    """The pauses grow for the queue as a whole, whichever task is refused."""
    house.configure(retry={"first_pause": 0.05, "max_pause": 60})
    house.kimi.add(BUSY, BUSY, BUSY)
    house.drop("a.md", "a")
    times = []
    with house.running(Clock(chance=lambda: 0.0)):
        for number in (1, 2, 3):
            until(lambda number=number: (slowed(house) or Slowed(0, 0, 0)).times >= number)  # type: ignore[misc]
            times.append(slowed(house))
        house.wait(house.entry().id)
    pauses = [state.until - state.since for state in times if state]
    assert pauses == pytest.approx([0.05, 0.1, 0.2], abs=0.02)


def test_the_last_try_of_a_task_slows_the_queue_too(house: House) -> None:
    """The task has failed; the others are not sent into the same wall."""
    house.configure(retry={"max_attempts": 1})
    house.kimi.add(Fault("http", status=429, message=CROWDED, headers={"Retry-After": "3600"}))
    house.drop(f"{FIRST}.md", "a")
    with house.running():
        (entry,) = house.wait(FIRST)
        state = slowed(house)
    assert (entry.outcome, entry.error_kind) == (Outcome.FAILED, "rate_limit")
    assert state is not None
    assert state.until - state.since == pytest.approx(3600)


def test_a_slowed_queue_stays_slow_over_a_restart(house: House) -> None:
    """The next runner keeps the time that Kimi has asked for."""
    house.configure(retry={"max_attempts": 3})
    house.kimi.add(Fault("http", status=429, headers={"Retry-After": "3600"}))
    house.drop(f"{FIRST}.md", "a")
    with house.running():
        until(lambda: slowed(house) is not None)
    house.drop(f"{SECOND}.md", "b")
    with house.running():
        until(lambda: len(house.entries()) == 2)
        assert len(house.kimi.requests) == 1


def test_the_imitation_is_not_slowed_and_slows_nobody(house: House) -> None:
    """It is no Kimi."""
    house.kimi.add(Fault("http", status=429, headers={"Retry-After": "3600"}))
    with house.running():
        house.drop(f"{FIRST}.md", "a")
        until(lambda: slowed(house) is not None)
        house.drop(f"{SECOND}.json", {"prompt": "standin: status=429 times=1", "standin": True})
        (entry,) = house.wait(SECOND)
    assert (entry.outcome, entry.attempts) == (Outcome.DONE, 2)


def test_the_log_names_the_limit_that_kimi_named(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads it knows what to set, and the queue keeps that pace for once."""
    told = "Your account reached organization max RPM: 600, please try again after 1 seconds"
    house.kimi.add(Fault("http", status=429, message=told))
    house.drop("a.md", "a")
    with house.running(Clock(chance=lambda: 0.0)):
        until(lambda: slowed(house) is not None)
        state = slowed(house)
        house.wait(house.entry().id)
    assert "requests_per_minute 600" in caplog.text
    assert state is not None
    assert state.until - state.since == pytest.approx(60 / 600, abs=0.01)


@pytest.mark.parametrize("words", ["TPD rate limit, current: 1500001, limit: 1500000"])
def test_a_limit_of_the_day_pauses_until_the_next(house: House, words: str) -> None:
    """The task waits and is not used up; at the next day the queue goes on by itself."""
    timeline = Timeline()
    house.kimi.add(Fault("http", status=429, message=words))
    house.drop(f"{FIRST}.md", "a")
    with house.running(timeline.clock):
        until(lambda: house.read_journal(facts.paused) == "rate_limit")
        assert (house.entry().state, house.entry().attempts) == (State.AVAILABLE, 0)
        timeline.go_on(24 * 3600)
        house.workspace.ring()
        (entry,) = house.wait(FIRST)
    assert entry.outcome is Outcome.DONE


@pytest.mark.parametrize("budget", [{"tokens_per_day": 100}, {"cost_per_day": 0.05}])
def test_a_budget_that_is_used_up_pauses_until_the_next_day(house: House, budget: dict[str, float]) -> None:
    """What has left is finished, the rest waits for the next day."""
    timeline = Timeline()
    house.configure(kimi={"models": PRICES, "currency": "USD"}, limits={"requests_per_minute": 1000, **budget})
    with house.running(timeline.clock):
        house.drop(f"{FIRST}.md", "a" * 400)
        house.wait(FIRST)
        house.drop(f"{SECOND}.md", "b")
        until(lambda: house.read_journal(facts.paused) == facts.BUDGET)
        assert len(house.kimi.requests) == 1
        pause = house.read_journal(facts.pause_of)
        assert pause is not None
        assert pause.until == next_day(timeline.clock.now())
        assert next(iter(budget)) in pause.why
        assert "cost_per_day" not in budget or re.search(r": 0\.\d{4} of 0\.0500 USD ", pause.why)
        timeline.go_on(12 * 3600 + 1)
        house.workspace.ring()
        (entry,) = house.wait(SECOND)
    assert entry.outcome is Outcome.DONE


def test_a_budget_holds_over_a_restart_and_counts_calls_under_way(house: House) -> None:
    """What a call under way will take is guessed from its prompt: a burst does not slip through."""
    house.configure(limits={"requests_per_minute": 1000, "tokens_per_day": 500}, grace_seconds=0)
    house.kimi.add(Fault("stall"))
    house.drop(f"{FIRST}.md", "one " * 500)
    with house.running():
        assert house.kimi.wait_for(1)
        house.drop(f"{SECOND}.md", "two")
        until(lambda: house.read_journal(facts.paused) == facts.BUDGET)
    assert len(house.kimi.requests) == 1


def test_whoever_resumes_waives_the_budget_for_the_day(house: House) -> None:
    """A person has the last word; the next day counts again."""
    timeline = Timeline()
    house.configure(limits={"requests_per_minute": 1000, "tokens_per_day": 10})
    with house.running(timeline.clock) as running:
        house.drop(f"{FIRST}.md", "a" * 400)
        house.wait(FIRST)
        house.drop(f"{SECOND}.md", "b")
        until(lambda: house.read_journal(facts.paused) == facts.BUDGET)
        parts = running.runner._parts
        parts.journal.write(lambda db: notifying.resume(db, parts.config, "person", parts.clock.now()))
        house.workspace.ring()
        (entry,) = house.wait(SECOND)
        assert entry.outcome is Outcome.DONE
        timeline.go_on(24 * 3600)
        house.drop("kimi-1700000000-cccccccc.md", "c" * 400)
        house.wait("kimi-1700000000-cccccccc")
        house.drop("d.md", "d")
        until(lambda: house.read_journal(facts.paused) == facts.BUDGET)


def test_tokens_a_minute_hold_tasks_back(house: House) -> None:
    """A task leaves when prompt and cap fit into the window; smaller ones behind it do not overtake it."""
    timeline = Timeline()
    house.configure(limits={"requests_per_minute": 1000, "tokens_per_minute": 1000})
    house.drop("1.json", {"prompt": "first", "max_tokens": 800})
    with house.running(timeline.clock):
        until(lambda: len(house.kimi.requests) == 1)
        house.drop("2.json", {"prompt": "second", "max_tokens": 700})
        until(lambda: len(house.entries()) == 2)
        house.drop("3.json", {"prompt": "third", "max_tokens": 10})
        until(lambda: len(house.entries()) == 3)
        assert len(house.kimi.requests) == 1
        timeline.go_on(limits.WINDOW_SECONDS + 1)
        house.workspace.ring()
        house.wait(*(entry.id for entry in house.entries()))
    assert (house.prompts()[0], sorted(house.prompts()[1:])) == ("first", ["second", "third"])


def test_a_task_that_can_never_leave_is_told_so(house: House) -> None:
    """Larger than the limit by itself, it would wait for ever."""
    house.configure(limits={"tokens_per_minute": 1000})
    house.drop("1.json", {"prompt": "first"})
    house.drop("2.json", {"prompt": "second", "max_tokens": 900})
    house.drain()
    outcomes = {entry.name: (entry.outcome, entry.error_kind) for entry in house.entries()}
    assert outcomes == {"1": (Outcome.FAILED, "invalid_request"), "2": (Outcome.DONE, None)}
    told = house.result(house.entries()[0].id)["error"]["message"]
    assert "max_tokens" in told
    assert "131,072" in told


@given(
    wishes=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 100)), max_size=40), per_minute=st.integers(100, 200)
)
def test_no_minute_holds_more_tokens_than_the_limit(wishes: list[tuple[int, int]], per_minute: int) -> None:
    """Whoever leaves when `tokens_free_at` says so never exceeds the limit in any 60 seconds, and never waits in vain."""
    left: list[tuple[float, int]] = []
    now = 0.0
    for wish, tokens in sorted(wishes):
        now = max(now, wish)
        recent = [(at, took) for at, took in left if at > now - limits.WINDOW_SECONDS]
        now = limits.tokens_free_at(recent, tokens, per_minute, now)
        recent = [(at, took) for at, took in left if at > now - limits.WINDOW_SECONDS]
        assert limits.fitting(sum(took for _, took in recent), [tokens], per_minute) == 1
        left.append((now, tokens))
    for start, _ in left:
        assert sum(took for at, took in left if start <= at < start + 60) <= per_minute


def test_a_call_that_leaves_late_counts_from_then(house: House) -> None:
    """The window of a slow call begins when its last byte has left, not when it was recorded."""
    timeline = Timeline()
    house.configure(limits={"requests_per_minute": 1})
    parts = house.parts(timeline.clock)
    send = parts.client.ask

    def slowly(*args: object, **options: object) -> object:
        timeline.go_on(30)
        return send(*args, **options)  # type: ignore[arg-type]

    parts.client.ask = slowly  # type: ignore[method-assign,assignment]
    house.drop(f"{FIRST}.md", "a")
    began = timeline.clock.now()
    with house.running(parts=parts):
        house.wait(FIRST)
        newest = house.read_journal(lambda db: sends.newest(db, 1, float("inf")))
    assert newest is not None
    assert newest >= began + 30


def test_a_cut_call_counts_from_when_it_may_have_arrived(house: House) -> None:
    """The runner died before anybody knew that it had left: it counts a little later, and never in the future."""
    journal = Journal(None)
    journal.write(lambda db: sends.record(db, [sends.Send(FIRST)], 1000.0))
    journal.write(lambda db: sends.delay_cut(db, 1003.0, 10.0))
    assert journal.read(lambda db: sends.newest(db, 1, 2000.0)) == 1003.0
    journal.write(lambda db: sends.delay_cut(db, 5000.0, 10.0))
    assert journal.read(lambda db: sends.newest(db, 1, 2000.0)) == 1013.0
    journal.close()


def test_days_begin_at_midnight_here() -> None:
    """The day of a budget is the one on the wall."""
    assert datetime.fromtimestamp(next_day(NOON)).hour == 0  # noqa: DTZ006 - as above
    assert 0 < next_day(NOON) - NOON <= 12 * 3600
    assert day_began(next_day(NOON)) == next_day(NOON)
    assert NOON < kimi_day(NOON) <= next_day(NOON)
