"""The instants between durable steps, by name, so that tests can stop the world at each of them.

Nobody listens but in tests: there a process dies at a point, another takes its place, and nothing may be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Point(StrEnum):
    """An instant at which the process may die. But for the first four, the step in its name has just been done."""

    FILE_WRITTEN = "file.written"  # under its temporary name, and on the disk
    FILE_NAMED = "file.named"  # its folder is not on the disk yet
    COMMITTING = "journal.committing"  # all is said, nothing is kept
    SCHEMA_SCRIPT = "schema.script"  # one of the scripts, not committed
    SCHEMA_MIGRATED = "schema.migrated"
    CLAIM_RENAMED = "claim.renamed"
    CLAIM_SYNCED = "claim.synced"
    REFUSAL_WRITTEN = "refusal.written"
    TASKS_INSERTED = "tasks.inserted"
    CLAIM_PUT_AWAY = "claim.put_away"
    SEND_MARKED = "send.marked"
    CALL_LEFT = "call.left"
    CALL_ANSWERED = "call.answered"
    GATE_ASKED = "gate.asked"
    GATE_SETTLED = "gate.settled"
    TURN_WRITTEN = "turn.written"
    TURN_COUNTED = "turn.counted"
    RESULT_WRITTEN = "result.written"
    RESULT_KEPT = "result.kept"
    TASK_ENDED = "task.ended"  # its row and what is owed of it, in one transaction
    ACCEPTED_FORGOTTEN = "accepted.forgotten"
    TURNS_FORGOTTEN = "turns.forgotten"
    DELIVERY_STARTED = "delivery.started"
    DELIVERY_RUN = "delivery.run"
    DELIVERY_RECORDED = "delivery.recorded"
    VERB_RECORDED = "verb.recorded"
    ACK_WRITTEN = "ack.written"
    ACK_NOTED = "ack.noted"
    PENDING_WRITTEN = "pending.written"
    LATEST_WRITTEN = "latest.written"
    UNKNOWN_HELD = "unknown.held"
    AGAIN_WRITTEN = "again.written"  # the file of a task that is about to be run again
    CONFIG_KEPT = "config.kept"
    CONFIG_APPLIED = "config.applied"
    LOGS_SHIFTED = "log.shifted"  # those that were put aside before have their new numbers
    LOG_RENAMED = "log.renamed"
    CLEAN_FILES = "clean.files"  # of some tasks, whose rows are still there
    CLEAN_ROWS = "clean.rows"
    CLEAN_REST = "clean.rest"
    JOURNAL_SALVAGED = "journal.salvaged"  # into the new one, which is not in its place yet
    JOURNAL_REBUILT = "journal.rebuilt"
    JOURNAL_PUT_ASIDE = "journal.put_aside"  # there is none now
    JOURNAL_REPLACED = "journal.replaced"
    CLEAN_LEFTOVERS = "clean.leftovers"
    LOG_OPENED = "log.opened"


class _Listener:
    """Who is told of each point, in the thread that has come to it."""

    def __init__(self) -> None:
        self.heard: Callable[[Point], None] | None = None


_listener = _Listener()


def reached(point: Point) -> None:
    """Say that this point has been reached."""
    if _listener.heard is not None:
        _listener.heard(point)


def listen(heard: Callable[[Point], None] | None) -> None:
    """Let `heard` be told of every point from now on, in any thread; None: nobody any more."""
    _listener.heard = heard
