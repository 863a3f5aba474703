"""What holds the queue, how long, and what lets it go on."""

from __future__ import annotations

import time
from pathlib import Path

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


def test_a_clock_that_is_set_back_holds_the_queue_for_one_window(house: House) -> None:
    """What was sent in an hour from now counts as sent now, once, and not again at each look."""
    house.configure(limits={"requests_per_minute": 1})
    shift = [0.0]
    clock = Clock(now=lambda: time.time() + shift[0])
    with house.running(clock):
        house.drop(f"{FIRST}.md", "a")
        house.wait(FIRST)
        shift[0] -= HOUR
        house.drop(f"{SECOND}.md", "b")
        until(lambda: len(house.entries()) == 2)
        until(lambda: _newest_send(house) <= clock.now())
        shift[0] += WINDOW_SECONDS + 1
        house.workspace.ring()
        (entry,) = house.wait(SECOND)
    assert entry.outcome is Outcome.DONE


def _newest_send(house: House) -> float:
    return house.read_journal(lambda db: sends.newest(db, 1, float("inf"))) or 0.0
