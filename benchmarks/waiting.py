"""What it costs to take the next task while 10,000 others wait, beside 10 that do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import api, crowd
from benchmarks.figures import Figure, median
from benchmarks.latency import drop_one
from benchmarks.stage import stage

FEW, MANY = 10, 10_000
TASKS = 60
API_SECONDS = 0.01
# What they wait for: keys of their files, and what is set in their rows.
REASONS: Mapping[str, tuple[str | None, Mapping[str, Any]]] = {
    "their time": (None, {"not_before": 86_400}),
    "another task": (None, {"after": ["never-dropped"]}),
    "a person": ("state = 'held', hold_reason = 'person'", {}),
    "another try": ("state = 'retryable', due_at = due_at + 86400", {}),
}


def measure(folder: Path | None) -> list[Figure]:
    """Return milliseconds from drop to call, and of processor time for each task, as multiples of those with few."""
    figures = []
    for reason in REASONS:
        few, few_cpu = taking(folder, reason, FEW, TASKS)
        many, many_cpu = taking(folder, reason, MANY, TASKS)
        figures += [
            Figure(f"drop to call while 10,000 wait for {reason}", many, "ms", floor=few),
            Figure("the same as a multiple of 10", many / few, "times", at_most=2),
            Figure("the same for the processor time of a task", many_cpu / few_cpu, "times", at_most=2),
        ]
    return figures


def taking(folder: Path | None, reason: str, count: int, tasks: int) -> tuple[float, float]:
    """Return the median milliseconds from drop to call, and milliseconds of processor time for each task."""
    change, keys = REASONS[reason]
    with api.running(API_SECONDS) as url, stage(folder=folder, url=url) as place:
        crowd.waiting(place.home, count, change, **keys)
        with place.runner() as pid:
            names = place.prepare(tasks)
            drop_one(place, names[0])
            api.notes(url)
            before = _processor(pid)
            dropped = [drop_one(place, key) for key in names[1:]]
            spent, notes = _processor(pid) - before, api.notes(url)
            return median([1000 * (notes[key][0] - at) for key, at in dropped]), 1000 * spent / len(dropped)


def _processor(pid: int) -> float:
    """Return the seconds that a process has worked (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
