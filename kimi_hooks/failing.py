"""What a call that failed means: the queue waits, the task is tried again, or it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kimi_hooks import addressee, notifying, slowing
from kimi_hooks.clock import kimi_day
from kimi_hooks.ending import Failure, end
from kimi_hooks.journal import facts, tasks
from kimi_hooks.journal.facts import Slowed
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.failure import CallFailedError
from kimi_hooks.kimi.failure import Failure as CallFailure
from kimi_hooks.logs import LOGGER, transition
from kimi_hooks.parts import Parts
from kimi_hooks.results import NO_TURN
from kimi_hooks.taken import Call, Taken
from kimi_hooks.task import Task


def settle(parts: Parts, entry: Entry, task: Task, error: CallFailedError, took: Taken, mark: str) -> None:
    """Decide what a failed call means: the queue waits, the task is tried again, or it ends.

    `took` is what the call took, `mark` stands for the key and address that it went out with.
    """
    failure = error.failure
    if failure.action == "pause" and not entry.standin:
        _pause(parts, entry, failure, took, facts.Pause(failure.kind, failure.message, mark))
    elif failure.until_next_day and not entry.standin:
        until = kimi_day(parts.clock.now())
        _pause(parts, entry, failure, took, facts.Pause(failure.kind, failure.message, until=until))
    elif failure.action == "retry" and entry.failures < parts.config.retry.max_attempts:
        _retry(parts, entry, failure, took)
    else:
        if failure.kind in slowing.KINDS:
            # It ends this task; the others must be spared all the same.
            parts.journal.write(lambda db: slowing.slow_down(db, parts, entry, failure, parts.clock.now()))
        meant = timed_out(task) if failure.kind == "timeout" else told(_hinted(parts, task, failure))
        end(parts, entry, task, arrived(error), meant, Call(took))


def is_ours(failure: CallFailure) -> bool:
    """Tell whether a call that has not left was refused by ourselves, for good: none was made."""
    return failure.action == "never" and failure.http_status is None and failure.kind != "timeout"


def timed_out(task: Task) -> Failure:
    return Failure("timeout", f"no complete answer within {task.timeout:g} s of the first call; raise `timeout`")


def arrived(error: CallFailedError) -> dict[str, Any] | None:
    """Return what had come of an answer that failed."""
    return {**NO_TURN, "text": error.partial} if error.partial else None


def told(failure: CallFailure) -> Failure:
    return Failure(failure.kind, failure.message, failure.http_status, failure.request_id)


def _hinted(parts: Parts, task: Task, failure: CallFailure) -> CallFailure:
    """Add what the catalogue knows of a model that is not there."""
    asked = task.model or parts.settings.current.values["KIMI_MODEL"]
    hint = addressee.hint(parts.catalogue, asked) if failure.kind == "model_not_found" else None
    return replace(failure, message=f"{failure.message} {hint}") if hint else failure


def _retry(parts: Parts, entry: Entry, failure: CallFailure, took: Taken) -> None:
    """Let the task wait for another try; where Kimi asks for patience, all tasks wait."""
    now = parts.clock.now()
    due_at = now + max(parts.pause_after(entry.failures), failure.retry_after or 0.0)

    def retry(db: Connection) -> tuple[float, Slowed | None]:
        slowed = slowing.slow_down(db, parts, entry, failure, now) if failure.kind in slowing.KINDS else None
        tasks.take(db, entry, None, took, now)
        tasks.retry_at(db, entry.id, slowed.until if slowed else due_at, failure.message)
        return slowed.until if slowed else due_at, slowed

    due_at, slowed = parts.journal.write(retry)
    parts.bell.ring()
    again_in, request = f"{due_at - now:.1f}s", failure.request_id
    transition(entry.id, "retryable", attempt=entry.attempts, again_in=again_in, request=request, why=failure.message)
    if slowed is not None and slowed.since == now:
        LOGGER.warning("%s", slowing.told(failure, slowed.until - now))


def _pause(parts: Parts, entry: Entry, failure: CallFailure, took: Taken, pause: facts.Pause) -> None:
    """Pause the queue for a reason that is not the task's: the task is as if it had not been sent."""

    def put_back(db: Connection) -> None:
        notifying.pause(db, parts.newest_config, pause, parts.clock.now())
        tasks.take(db, entry, None, took, parts.clock.now())
        tasks.put_back(db, entry.id, pause.why)

    parts.journal.write(put_back)
    parts.bell.ring()
    request = f" request={failure.request_id}" if failure.request_id else ""
    LOGGER.error("%s queue paused (%s)%s: %s", entry.id, pause.reason, request, pause.why)
