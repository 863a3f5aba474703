"""One measured number with its bound and its floor."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`floor` is what the least program that does the work took, measured in the same run."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    at_most: float | None = None
    at_least: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the value is within its bound; one without a bound is for reading only."""
        too_much = self.at_most is not None and self.value > self.at_most
        too_little = self.at_least is not None and self.value < self.at_least
        return not (too_much or too_little)

    @property
    def bound(self) -> str:
        """The bound as it is shown."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return f"at least {self.at_least:g}" if self.at_least is not None else "-"


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def ratio_of_medians(values: Sequence[float], floors: Sequence[float]) -> float:
    return median(values) / median(floors)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
