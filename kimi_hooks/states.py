"""The words for where a task stands: the same in code, command line, log and docs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a task stands in the journal."""

    AVAILABLE = "available"
    EXECUTING = "executing"
    RETRYABLE = "retryable"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    HELD = "held"


class Outcome(StrEnum):
    """How a task ended, in files, hooks and `KIMI_TASK_STATUS`."""

    DONE = "done"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"

    @property
    def state(self) -> State:
        """The journal's state for this outcome: a time-out is a failure there."""
        if self is Outcome.DONE:
            return State.COMPLETED
        return State.CANCELLED if self is Outcome.CANCELLED else State.FAILED


def is_of_run(kept: Mapping[str, Any], retried: int) -> bool:
    """Tell whether what was kept of a task is of the run after so many retries; older files tell of none."""
    return bool(kept.get("retried", 0) == retried)


ENDED = (State.COMPLETED, State.FAILED, State.CANCELLED)
