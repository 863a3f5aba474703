"""What holds the queue, how long, and what lets it go on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kimi_hooks.clock import Clock
from kimi_hooks.journal import facts, sends
from kimi_hooks.limits import WINDOW_SECONDS
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from kimi_hooks.states import Outcome, State
from tests.house import House, until

HOUR = 3600.0
FIRST, SECOND = "kimi-1700000000-aaaaaaaa", "kimi-1700000000-bbbbbbbb"


def test_an_address_that_cannot_be_read_pauses_and_names_its_key(house: House) -> None:
    """No task is used up for an address that nobody can call."""
    house.drop(f"{FIRST}.md", "a")
    with house.running(parts=house.parts(KIMI_API_URL="http://[::1/v1")):
        until(lambda: house.read_journal(facts.paused) is not None)
    entry = house.entry()
    assert (entry.state, entry.attempts) == (State.AVAILABLE, 0)
    assert "KIMI_API_URL" in (entry.last_error or "")


def test_a_key_that_is_mended_during_the_refused_call_lets_the_queue_go_on(tmp_path: Path) -> None:
    """The pause belongs to the key that the call went out with, and not to its successor."""
    with Standin(keys=frozenset({"sk-the-old-key", "sk-the-new-key"})) as kimi:
        house = House(tmp_path / "ws", kimi)
        del house.environ["KIMI_API_KEY"]
        house.workspace.secrets_file.write_text("KIMI_API_KEY=sk-the-old-key\n")
        kimi.add(Fault("http", status=401, latency=1.0))
        with house.running() as running:
            house.drop(f"{FIRST}.md", "a")
            assert kimi.wait_for(1)
            old = running.runner._parts.settings.current.mark
            house.workspace.secrets_file.write_text("KIMI_API_KEY=sk-the-new-key\n")
            until(lambda: running.runner._parts.settings.current.mark != old)
            (entry,) = house.wait(FIRST)
        assert entry.outcome is Outcome.DONE
        assert house.read_journal(facts.paused) is None


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_clock_that_is_set_moves_no_window(house: House, jump: float) -> None:
    """Whichever way the wall clock jumps, a full window stays full for its own time, and no longer."""
    house.configure(limits={"requests_per_minute": 1})
    set_by, passed = [0.0], [0.0]
    clock = Clock(
        now=lambda: time.time() + set_by[0] + passed[0], since_boot=lambda: time.monotonic() + passed[0], boot_id=str
    )
    with house.running(clock):
        house.drop(f"{FIRST}.md", "a")
        house.wait(FIRST)
        set_by[0] += jump
        house.drop(f"{SECOND}.md", "b")
        until(lambda: len(house.entries()) == 2)
        until(lambda: abs(_newest_send(house) - clock.now()) < 60)
        assert house.entries()[1].attempts == 0
        passed[0] += WINDOW_SECONDS + 1
        house.workspace.ring()
        (entry,) = house.wait(SECOND)
    assert entry.outcome is Outcome.DONE


def test_a_clock_that_is_set_back_delays_no_next_part(house: House) -> None:
    """What goes on with a cut answer, and what was put back by a pause, is due whatever the clock says."""
    set_by = [0.0]
    clock = Clock(now=lambda: time.time() + set_by[0], boot_id=lambda: "this-boot")
    house.kimi.add(Fault(text="Half an ans", finish_reason="length"))
    house.kimi.add(Fault("http", status=429, type="exceeded_current_quota_error"), Fault(text="wer."))
    house.drop(f"{FIRST}.md", "a")
    house.drain(clock)
    set_by[0] -= HOUR
    assert house.call("resume").returncode == 0
    house.drain(clock)
    assert house.result()["output"] == "Half an answer."


def test_a_clock_that_is_set_back_delays_no_task_that_comes_after_another(house: House) -> None:
    """It starts when the other one has ended, and not when the clock has caught up."""
    set_by = [0.0]
    clock = Clock(now=lambda: time.time() + set_by[0], boot_id=lambda: "this-boot")
    assert house.call("pause").returncode == 0
    house.drop(f"{FIRST}.md", "a")
    house.drop(f"{SECOND}.json", {"prompt": "b", "after": FIRST})
    house.drain(clock)
    set_by[0] -= HOUR
    assert house.call("resume").returncode == 0
    house.drain(clock)
    assert [entry.outcome for entry in house.entries()] == [Outcome.DONE, Outcome.DONE]


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_clock_that_was_set_while_no_runner_was_there_moves_no_window(house: House, jump: float) -> None:
    """The time since boot tells a jump from the time that has passed."""
    house.configure(limits={"requests_per_minute": 1})
    set_by = [0.0]
    clock = Clock(now=lambda: time.time() + set_by[0], boot_id=lambda: "this-boot")
    house.drop(f"{FIRST}.md", "a")
    house.drain(clock)
    set_by[0] += jump
    house.drop(f"{SECOND}.md", "b")
    with house.running(clock):
        until(lambda: len(house.entries()) == 2)
        assert abs(_newest_send(house) - clock.now()) < 60
        assert house.entries()[1].attempts == 0


def test_after_a_reboot_the_clock_is_believed(house: House) -> None:
    """Nobody knows what passed between two boots but the clock."""
    house.configure(limits={"requests_per_minute": 1})
    house.drop(f"{FIRST}.md", "a")
    house.drain(Clock(boot_id=lambda: "one-boot"))
    house.drop(f"{SECOND}.md", "b")
    house.drain(Clock(now=lambda: time.time() + HOUR, boot_id=lambda: "another-boot"))
    assert [entry.outcome for entry in house.entries()] == [Outcome.DONE, Outcome.DONE]


def test_a_time_out_is_a_span_whatever_the_clock_says(house: House) -> None:
    """A call under way is not cut because somebody has set the clock an hour ahead."""
    set_by = [0.0]
    house.kimi.add(Fault(latency=0.5))
    with house.running(Clock(now=lambda: time.time() + set_by[0], boot_id=str)):
        house.drop(f"{FIRST}.json", {"prompt": "a", "timeout": 600})
        assert house.kimi.wait_for(1)
        set_by[0] += HOUR
        house.workspace.ring()
        (entry,) = house.wait(FIRST)
    assert entry.outcome is Outcome.DONE


def _newest_send(house: House) -> float:
    return house.read_journal(lambda db: sends.newest(db, 1, float("inf"))) or 0.0
