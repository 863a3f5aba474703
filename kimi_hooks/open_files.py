"""How many files this process may hold open: each call and each hook needs some."""

from __future__ import annotations

import resource

_OWN = 100
# A call: its connection, that of the one before it, files and folders on their way to the disk. A hook: its pipes.
_EACH = 4


def needed(calls: int, hooks: int) -> int:
    """Return how many open files so many calls and hooks at once may take."""
    return _OWN + _EACH * (calls + hooks)


def allow(wanted: int) -> int:
    """Raise the limit to what is wanted, as far as the system lets us; return what it is then.

    Not further: what we start inherits it, and there are programs that close every file they might have.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        # macOS has a further limit of its own.
        return soft
    return most
