"""What 100,000 ended tasks cost: verbs, the start of a runner, its memory, and the tasks that come then."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import api, crowd
from benchmarks.figures import Figure, median
from benchmarks.latency import drop_one
from benchmarks.resting import resident
from benchmarks.stage import PROGRAM, Stage, stage

MANY = 100_000
ROUNDS = 5
TASKS = 40
API_SECONDS = 0.01
VERBS: tuple[tuple[Sequence[str], float | None], ...] = (
    (("status",), 0.5),
    (("status", "--json"), 0.5),
    (("show", crowd.task_id(MANY - 1)), 0.5),
    (("wait", crowd.task_id(MANY - 1)), 0.5),
    (("ack", crowd.task_id(MANY - 1)), 0.5),
    (("cost",), None),
)


def measure(folder: Path | None) -> list[Figure]:
    """Return seconds of verbs, and what a runner takes beside one without any ended task."""
    with api.running(API_SECONDS) as url, stage(folder=folder, url=url) as place:
        none = at_work(place, url)
    with api.running(API_SECONDS) as url, stage(folder=folder, url=url) as place:
        crowd.finished(place.home, MANY)
        many = at_work(place, url)
        figures = [_verb(place, verb, at_most) for verb, at_most in VERBS]
    start, memory, latency = many
    return [
        *figures,
        Figure("start of a runner with 100,000 ended tasks", start, "s", floor=none[0]),
        Figure("memory of the runner, more than without them", memory - none[1], "MB", at_most=10),
        Figure("drop to call, as a multiple of without them", latency / none[2], "times", at_most=2),
    ]


def at_work(place: Stage, url: str, tasks: int = TASKS) -> tuple[float, float, float]:
    """Return seconds to start, MB after some tasks, and the median milliseconds from drop to call."""
    began = time.monotonic()
    with place.runner() as pid:
        started = time.monotonic() - began
        names = place.prepare(tasks)
        drop_one(place, names[0])
        api.notes(url)
        dropped = [drop_one(place, key) for key in names[1:]]
        notes = api.notes(url)
        return started, resident(pid), median([1000 * (notes[key][0] - at) for key, at in dropped])


def _verb(place: Stage, verb: Sequence[str], at_most: float | None) -> Figure:
    spans = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([PROGRAM, "--home", place.home, *verb], env=place.environ, check=True, capture_output=True)
        spans.append(time.perf_counter() - began)
    words = " ".join(word for word in verb if not word.startswith("kimi-"))
    return Figure(f"kimi-hooks {words}, 100,000 ended tasks", median(spans), "s", at_most=at_most)
