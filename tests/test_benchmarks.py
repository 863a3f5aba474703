"""The instruments measure what they say; how quick things are is never asked here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import api, in_flight, latency
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
