"""Growing, jittered pauses: one pure function."""

from __future__ import annotations

from collections.abc import Callable


def pause(attempt: int, *, first: float, cap: float, jitter: Callable[[], float]) -> float:
    """Return the seconds to wait after the given failed attempt (1 is the first).

    The pause doubles from `first` up to `cap`; `jitter` returns a number in [0, 1) and takes away up to half,
    so that tasks that failed together do not come back together.
    """
    doubled: float = min(cap, first * 2.0 ** min(attempt - 1, 64))
    return doubled * (1.0 - jitter() / 2.0)
