"""How soon a dropped file becomes a request, and an answer the first line of a hook, with nothing else going on."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from benchmarks import api
from benchmarks.figures import Figure, median, percentile
from benchmarks.stage import Stage, stage, until

TASKS = 300
API_SECONDS = 0.01
PAUSE = 0.05
FLOOR_TASKS = 100

Notes = Mapping[str, Sequence[float]]


def measure(folder: Path | None) -> list[Figure]:
    """Return medians and the 99th percentile in milliseconds, beside a bare request and a bare start of the hook."""
    with api.running(API_SECONDS) as url, stage(folder=folder, url=url) as place, place.runner():
        to_wire_floor, to_hook_floor = _floors(place, url)
        api.notes(url)
        dropped = [drop_one(place, key) for key in place.prepare(TASKS)]
        to_wire, to_hook = _spans(dropped, api.notes(url), place.marks())
    return [
        Figure("renamed into outbox/ to request on the wire, median", median(to_wire), "ms", to_wire_floor, at_most=15),
        Figure("the same, 99 of 100", percentile(to_wire, 0.99), "ms", to_wire_floor, at_most=50),
        Figure("answer received to first line of the hook, median", median(to_hook), "ms", to_hook_floor, at_most=20),
    ]


def drop_one(place: Stage, key: str) -> tuple[str, float]:
    """Drop one file, wait until its hook has run and the runner sleeps again."""
    renamed = time.time()
    place.drop(key)
    until(lambda: key in place.marks())
    time.sleep(PAUSE)
    return key, renamed


def _spans(
    dropped: Sequence[tuple[str, float]], notes: Notes, marks: Mapping[str, float]
) -> tuple[list[float], list[float]]:
    to_wire = [1000 * (notes[key][0] - renamed) for key, renamed in dropped]
    to_hook = [1000 * (marks[key] - notes[key][1]) for key, _ in dropped]
    return to_wire, to_hook


def _floors(place: Stage, url: str) -> tuple[float, float]:
    """Return how long a request takes to the wire and a bash script to its first line, started from here."""
    to_wire, to_hook = [], []
    for number in range(FLOOR_TASKS):
        key = f"bench-{900_000 + number}"
        posted = time.time()
        requests.post(url, data=json.dumps({"key": key}), timeout=60)
        to_wire.append(1000 * (api.notes(url)[key][0] - posted))
        started = time.time()
        environ = {**place.environ, "KIMI_HOOKS_HOME": str(place.home), "KIMI_TASK_NAME": key}
        subprocess.run([place.home / "hooks" / "mark.sh"], env=environ, check=True)
        to_hook.append(1000 * (place.marks()[key] - started))
    return median(to_wire), median(to_hook)
