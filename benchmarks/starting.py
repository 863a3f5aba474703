"""How long `kimi-hooks dispatch` takes, beside a Python that imports click and leaves."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import Figure, median, ratio_of_medians
from benchmarks.stage import PROGRAM, stage

ROUNDS = 20


def measure(folder: Path | None) -> list[Figure]:
    """Return the median in milliseconds, and how many times the floor that is, run in turns."""
    ours, floor = [], []
    with stage(folder=folder, url="http://127.0.0.1:9") as place:
        dispatch = [str(PROGRAM), "--home", str(place.home), "dispatch", "-p", "Answer in a few words, please."]
        for _ in range(ROUNDS):
            floor.append(_milliseconds([sys.executable, "-c", "import click"], place.environ))
            ours.append(_milliseconds(dispatch, place.environ))
    return [
        Figure("kimi-hooks dispatch", median(ours), "ms", floor=median(floor)),
        Figure("the same as a multiple of the floor", ratio_of_medians(ours, floor), "times", at_most=4),
    ]


def _milliseconds(command: Sequence[str], environ: Mapping[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environ, check=True, capture_output=True)
    return 1000 * (time.perf_counter() - started)
