"""The instruments measure what they say; how quick things are is never asked here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import api, crowd, finished, in_flight, latency, overflow, waiting
from benchmarks.figures import Figure, percentile
from benchmarks.stage import stage
from kimi_hooks.kimi import sse
from kimi_hooks.kimi.answer import Draft, conclude, take


@given(st.lists(st.integers(), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_not_exceeded_by_its_share(values: list[int], share: float) -> None:
    """It is one of the values, and the smallest that so many do not exceed."""
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("a", 10, "ms", at_most=10), True),
        (Figure("a", 10.1, "ms", at_most=10), False),
        (Figure("a", 0.7, "", at_least=0.7), True),
        (Figure("a", 0.69, "", at_least=0.7), False),
        (Figure("a", 1, "", at_most=0), False),
        (Figure("a", 5, "ms", floor=1), True),
    ],
)
def test_a_bound_is_kept_or_missed(figure: Figure, holds: bool) -> None:
    """At the bound it is kept."""
    assert figure.holds is holds


def test_the_server_answers_as_kimi_does_and_notes_when() -> None:
    """Its stream is a whole answer for our own reader; each request is noted by its key, once."""
    with api.running(0.01) as url:
        reply = requests.post(url, data=json.dumps({"prompt": "bench-000007"}), timeout=20)
        noted = api.notes(url)
        assert api.notes(url) == {}
    draft = Draft(url, "kimi-k3")
    for data in sse.events([reply.content]):
        take(draft, data)
    assert conclude(draft, ()).text == "A short answer."
    arrived, answered = noted["bench-000007"]
    assert arrived < answered


def test_one_task_goes_from_the_shelf_to_its_hook(tmp_path: Path) -> None:
    """The order of what is measured is the order of what happens: renamed, on the wire, answered, hook."""
    with api.running(0.01) as url, stage(folder=tmp_path, url=url) as place, place.runner():
        (key,) = place.prepare(1)
        _, renamed = latency.drop_one(place, key)
        arrived, answered = api.notes(url)[key]
        assert renamed < arrived < answered < place.marks()[key]
    assert list(tmp_path.iterdir()) == []


def test_calls_in_flight_are_all_there_when_memory_is_looked_at(tmp_path: Path) -> None:
    """Slow answers by TLS, whose certificate the runner has been told to trust, come to their end and to the hook."""
    with in_flight.certificate() as pem:
        runner, most, launcher = in_flight.in_flight(tmp_path, 4, 1.0, pem)
    assert 10 < launcher < runner <= most
    assert list(tmp_path.iterdir()) == []


def test_files_dropped_at_a_stopped_runner_are_counted_when_all_are_taken(tmp_path: Path) -> None:
    """None is left in the outbox; so few do not fill the kernel's queue."""
    rate, events = overflow.overflow(tmp_path, 20)
    assert rate > 0
    assert events < 1


@pytest.mark.parametrize("reason", waiting.REASONS)
def test_the_next_task_is_taken_while_others_wait(tmp_path: Path, reason: str) -> None:
    """Those wait on: each for its reason."""
    latency_ms, processor_ms = waiting.taking(tmp_path, reason, 5, 2)
    assert latency_ms > 0
    assert processor_ms >= 0


def test_ended_tasks_are_a_journal_like_any_other(tmp_path: Path) -> None:
    """The runner starts with them and goes on, and what verbs tell of them is in order."""
    with api.running(0.01) as url, stage(folder=tmp_path, url=url) as place:
        crowd.finished(place.home, 12)
        assert finished.at_work(place, url, 2)[1] > 10
        place.call("show", crowd.task_id(11))
        place.call("wait", crowd.task_id(11))
        pending = json.loads((place.home / "results" / "pending-wake.json").read_text())["pending"]
        assert len(pending) == 14
