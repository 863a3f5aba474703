"""The words for where a task stands: the same in code, command line, log and docs."""

from __future__ import annotations

from enum import StrEnum


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


ENDED = (State.COMPLETED, State.FAILED, State.CANCELLED)
