"""Measure, print a table, write a JSON file. Exit code 1 when a bound is missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import finished, in_flight, intake, latency, overflow, resting, starting, throughput, waiting
from benchmarks.figures import Figure

MEASURES: Mapping[str, Callable[[Path | None], list[Figure]]] = {
    "latency": latency.measure,
    "throughput": throughput.measure,
    "intake": intake.measure,
    "dispatch": starting.measure,
    "idle": resting.measure,
    "overflow": overflow.measure,
    "waiting": waiting.measure,
    "finished": finished.measure,
    "in_flight": in_flight.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"of {', '.join(MEASURES)}; default: all")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results.json"), help="where the figures go")
    parser.add_argument("--folder", type=Path, help="where to work; default: the system's temporary folder")
    chosen = parser.parse_args()
    unknown = set(chosen.measures) - set(MEASURES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(MEASURES)}")
    figures = _measured(chosen.measures or list(MEASURES), chosen.folder)
    chosen.json.write_text(json.dumps(_told(figures), indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten: {chosen.json}")
    return int(not all(figure.holds for figure in figures))


def _measured(names: Sequence[str], folder: Path | None) -> list[Figure]:
    print(f"{'':56} {'measured':>10} {'floor':>10}  bound")
    figures: list[Figure] = []
    for name in names:
        for figure in MEASURES[name](folder):
            figures.append(figure)
            print(_row(figure), flush=True)
    return figures


def _row(figure: Figure) -> str:
    floor = "" if figure.floor is None else f"{figure.floor:,.4g}"
    verdict = "" if figure.bound == "-" else "  holds" if figure.holds else "  MISSED"
    return f"{figure.name:56} {figure.value:>10,.4g} {floor:>10}  {figure.bound} {figure.unit}{verdict}"


def _told(figures: Sequence[Figure]) -> dict[str, object]:
    machine = {"system": platform.platform(), "python": platform.python_version(), "processors": os.cpu_count()}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return {"at": when, **machine, "figures": [{**asdict(figure), "holds": figure.holds} for figure in figures]}


if __name__ == "__main__":
    sys.exit(main())
