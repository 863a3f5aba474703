"""What is at the bottom of an error that others were wrapped around."""

from __future__ import annotations

_DEEPEST = 10


def bottom(error: BaseException) -> BaseException:
    """Return the first error on the way down that the system has words for, else the last one.

    Libraries wrap a "Connection refused" several times, in texts that repeat the whole address.
    """
    for _ in range(_DEEPEST):
        inner = _inner(error)
        if inner is None or words(error):
            break
        error = inner
    return error


def words(error: BaseException) -> str | None:
    """Return what the system calls the error: `Connection refused`."""
    return error.strerror if isinstance(error, OSError) else None


def _inner(error: BaseException) -> BaseException | None:
    found = (getattr(error, "reason", None), *error.args, error.__cause__)
    return next((item for item in found if isinstance(item, BaseException)), None)
