"""The pure model beside the machine: what was dropped, what Kimi was told to say to it, and what may come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kimi_hooks.standin.faults import Fault

RETRY = {"first_pause": 0.01, "max_pause": 0.02, "max_attempts": 3, "max_crashes": 20}
LATER_SECONDS = 3000.0
TIMEOUT_SECONDS = 3600.0
MARK = "task-{:04}"
FIRST, SECOND = "The first half, ", "the rest."


@dataclass(frozen=True)
class Plan:
    """What Kimi does to one task: `faults` once each, then an answer, or `always` the same refusal.

    `kinds` are the errors that it may end with, none for a task that is done. `refusals` counts calls that are none of
    its attempts.
    """

    faults: tuple[Fault, ...] = ()
    always: Fault | None = None
    kind: str | None = None
    is_judged: bool = False
    is_broken: bool = False
    refusals: int = 0

    @property
    def calls(self) -> int:
        """How many calls it takes at most, without those that a crash repeats."""
        return int(RETRY["max_attempts"]) if self.always else len(self.faults) - self.refusals + 1 + self.is_judged

    def orders(self, mark: str) -> list[Fault]:
        """Return what the imitation is told for a prompt with this mark."""
        last = self.always or Fault(text=SECOND)
        return [*(replace(fault, when=mark) for fault in self.faults), replace(last, when=mark, times=None)]


PLANS = {
    "answered": Plan(),
    "cut": Plan((Fault(text=FIRST, finish_reason="length"),)),
    "overloaded": Plan((Fault("http", status=429, type="engine_overloaded_error"),)),
    "failing": Plan((Fault("http", status=500), Fault("http", status=502))),
    "broken off": Plan((Fault("cut"),)),
    "reset": Plan((Fault("reset"), Fault(text=FIRST, finish_reason="length"))),
    "key refused": Plan((Fault("http", status=401, type="invalid_authentication_error"),), refusals=1),
    "judged": Plan(is_judged=True),
    "cut and judged": Plan((Fault(text=FIRST, finish_reason="length"),), is_judged=True),
    "refused": Plan(always=Fault("http", status=400, type="invalid_request_error"), kind="invalid_request"),
    "never": Plan(always=Fault("http", status=500), kind="server_error"),
    "broken": Plan(is_broken=True, kind="invalid_task"),
}


@dataclass
class Dropped:
    """One file that was dropped. `may_time_out` once the clock has moved on while it was open."""

    mark: str
    plan: Plan
    after: str | None = None
    key: str | None = None
    may_time_out: bool = False
    may_be_cancelled: bool = False
    earlier_calls: int = 0

    def outcomes(self, needed: set[str]) -> set[tuple[str, str | None]]:
        """Return how it may end: outcome and kind of error. `needed` are the outcomes so far of what it comes after."""
        own = ("failed", self.plan.kind) if self.plan.kind else ("done", None)
        found: set[tuple[str, str | None]] = {own} if self.plan.is_broken or needed in ({"done"}, set()) else set()
        if not found:
            found = {("failed", "dependency"), own} if "done" in needed else {("failed", "dependency")}
        found |= {("timeout", "timeout")} if self.may_time_out else set()
        return found | ({("cancelled", "cancelled")} if self.may_be_cancelled else set())

    def outputs(self) -> set[str]:
        """Return what may be answered in the end: a crash may use up what Kimi was told to say once."""
        return {SECOND, FIRST + SECOND}


@dataclass
class Model:
    """All that was dropped, by its mark; which tasks were seen ended, and acknowledged, with what their results said."""

    dropped: dict[str, Dropped] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[str, float] = field(default_factory=dict)
    past: dict[str, set[str]] = field(default_factory=dict)
    ahead: float = 0.0

    def run_again(self, mark: str, attempts: int) -> None:
        """Forget the end of a task that is open again; its last run took so many calls."""
        self.ended.pop(mark, None)
        self.acknowledged.pop(mark, None)
        self.dropped[mark].earlier_calls += attempts

    def next_mark(self) -> str:
        return MARK.format(len(self.dropped))

    def nameable(self) -> list[str]:
        """Return the marks of those that certainly become tasks: others may come after them."""
        return [mark for mark, dropped in self.dropped.items() if dropped.key is None]


def mark_in(texts: Sequence[str]) -> str:
    """Return the mark in a prompt or a name."""
    (found,) = {word[: len(MARK.format(0))] for text in texts for word in text.split() if word.startswith("task-")}
    return found
