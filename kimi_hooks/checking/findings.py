"""One thing that is wrong, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kimi_hooks.parts import Parts


@dataclass(frozen=True)
class Finding:
    """`place` is where, `what` is wrong there, `remedy` what is done about it by `mend`; without it, by a person."""

    place: str
    what: str
    remedy: str
    mend: Callable[[], object] | None = None


@dataclass(frozen=True)
class Case:
    """What is looked at: the parts, the instant, and whether hooks are owed news of which the journal knows nothing.

    `owes_all` is None where that is to be guessed: they are if config.yaml has not been edited since.
    """

    parts: Parts
    now: float
    owes_all: bool | None = None


@dataclass(frozen=True)
class Told:
    """A finding as it is told: `is_mended` when it is put right by now."""

    place: str
    what: str
    remedy: str
    is_mended: bool


Check = Callable[[Case], Iterator[Finding]]


def run(case: Case, checks: Iterable[Check], *, mending: bool) -> list[Told]:
    """Make the checks one after the other, each on what the one before has left. Raises OSError and JournalError."""
    told = []
    for check in checks:
        for finding in list(check(case)):
            is_mended = mending and finding.mend is not None
            if is_mended and finding.mend is not None:
                finding.mend()
            told.append(Told(finding.place, finding.what, finding.remedy, is_mended))
    return told
