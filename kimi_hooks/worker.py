"""The life of one task, from the call to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol

from kimi_hooks import (
    addressee,
    asking,
    billing,
    continuing,
    conversation,
    crash_points,
    ending,
    gates,
    judging,
    notifying,
    slowing,
)
from kimi_hooks.clock import iso, kimi_day
from kimi_hooks.crash_points import Point
from kimi_hooks.ending import CANCELLED, Failure, end, unsent
from kimi_hooks.errors import JournalError, TaskError
from kimi_hooks.events import PROMPT, STOP
from kimi_hooks.journal import facts, sends, tasks
from kimi_hooks.journal import gates as standing
from kimi_hooks.journal.facts import Slowed
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.client import Answer, Endpoint
from kimi_hooks.kimi.failure import CallFailedError, without_userinfo
from kimi_hooks.kimi.failure import Failure as CallFailure
from kimi_hooks.logs import LOGGER, transition
from kimi_hooks.parts import Parts
from kimi_hooks.results import NO_TURN
from kimi_hooks.taken import NOTHING, UNKNOWN, UNSENT, Call, Taken
from kimi_hooks.task import Task


class Watcher(Protocol):
    """Who is told how far a call has come: `has_left` once the whole request is on its way to Kimi.

    `is_cancelled` once the call was to be ended because somebody asked for the task's end.
    """

    has_left: bool

    @property
    def is_cancelled(self) -> bool: ...

    def renew(self, entry: Entry) -> None: ...

    def leave(self) -> None: ...

    def answer(self) -> None: ...


def run(parts: Parts, entry: Entry, task: Task, watcher: Watcher) -> None:
    """Take an executing task to its end, to its next call, or back to the queue.

    `watcher.renew` is called when the task's time begins anew, `watcher.answer` once Kimi has answered and nothing more
    is asked. Not after a failure: what it means for the calls of others is settled first.
    """
    if entry.attempts > 1 and _resume(parts, entry, task):
        return
    mark, endpoint = parts.settings.current.mark, addressee.endpoint_of(parts, entry)
    try:
        let_in = judging.let_in(parts, addressee.warned(parts, entry, task), task, watcher)
        if let_in is None:
            return
        entry = let_in
        if watcher.is_cancelled:
            end(parts, unsent(entry), task, None, CANCELLED, UNSENT)
            return
        turn, call = ask(parts, entry, task, endpoint, watcher)
    except TaskError as error:
        end(parts, unsent(entry), task, None, Failure("invalid_task", str(error)), UNSENT)
    except CallFailedError as error:
        if watcher.is_cancelled:
            _end_cut(parts, entry, task, endpoint, error, watcher)
            return
        if not watcher.has_left and _is_ours(error.failure):
            end(parts, unsent(entry), task, None, _told(error.failure), UNSENT)
            return
        took = billing.of_failure(parts, endpoint, task, error) if watcher.has_left else NOTHING
        settle_failure(parts, entry, task, error, took, mark)
    else:
        watcher.answer()
        take(parts, entry, task, turn, call)


def _end_cut(
    parts: Parts, entry: Entry, task: Task, endpoint: Endpoint, error: CallFailedError, watcher: Watcher
) -> None:
    """End a task whose call was ended because somebody cancelled it, with what had come of the answer."""
    if watcher.has_left:
        end(parts, entry, task, _arrived(error), CANCELLED, Call(billing.of_failure(parts, endpoint, task, error)))
    else:
        end(parts, unsent(entry), task, None, CANCELLED, UNSENT)


def take(parts: Parts, entry: Entry, task: Task, turn: Mapping[str, Any], call: Call) -> None:
    """Decide what becomes of an answer: it is carried on, judged, or the end of the task."""
    try:
        _take(parts, entry, task, turn, call)
    except JournalError:
        # It may have been paid for: on the disk, it waits for a journal that can be used.
        if not ending.has_result(parts, entry) and not continuing.has_newer(parts, entry):
            continuing.keep_untaken(parts, entry, turn, call)
        raise


def _take(parts: Parts, entry: Entry, task: Task, turn: Mapping[str, Any], call: Call) -> None:
    earlier = conversation.read(parts, entry).parts
    if continuing.is_needed(parts, turn, earlier, call.took, task.max_tokens):
        continuing.go_on(parts, entry, turn, call)
        return
    last, call = continuing.last(turn, earlier, task.max_tokens), continuing.of_all(parts, entry, turn, call)
    if gates.any_for(parts, STOP, task.name):
        judging.judge(parts, continuing.keep_whole(parts, entry, last, call), task)
    else:
        end(parts, entry, task, last, None, call)


def carry_on(parts: Parts, entry: Entry) -> None:
    """Go on with a task whose answer is on the disk already: its result, or an answer that waits to be judged."""
    if not ending.carry_on(parts, entry) and entry.gate == STOP.name:
        judging.judge(parts, entry, _task_of(parts, entry))


def _resume(parts: Parts, entry: Entry, task: Task) -> bool:
    """Go on where an earlier try stopped whose answer is on the disk; tell whether there was one."""
    if ending.carry_on(parts, entry):
        return True
    caught = entry if entry.gate == STOP.name else continuing.catch_up(parts, entry, is_started=True)
    if caught is not None and caught.gate == STOP.name:
        parts.journal.write(lambda db: standing.not_called(db, entry.id))
        judging.judge(parts, replace(caught, attempts=caught.attempts - 1), task)
    return caught is not None


def ask(parts: Parts, entry: Entry, task: Task, endpoint: Endpoint, watcher: Watcher) -> tuple[dict[str, Any], Call]:
    """Call Kimi; return what the result says of the answer, and the call. Raises TaskError and CallFailedError."""
    deadline = _deadline(parts, entry)
    context = conversation.read(parts, entry).context
    asked = asking.request_for(
        parts, entry.id, task, endpoint, deadline, added=None if context is None else context.text
    )
    request = continuing.with_earlier(parts, entry, asked)
    transition(entry.id, entry.state, attempt=entry.attempts, model=request.model, at=without_userinfo(endpoint.url))
    answer = parts.client.ask(entry.id, endpoint, request, deadline=deadline, on_left=watcher.leave)
    crash_points.reached(Point.CALL_ANSWERED)
    took = billing.of_answer(parts, endpoint, answer, request.model)
    call = Call(took, asking.fingerprint(endpoint, asked), request_id=answer.request_id)
    return _turn(parts, answer, request.model, call), call


def expire(parts: Parts, entry: Entry) -> None:
    """End a waiting task whose own time-out has passed."""
    if not ending.carry_on(parts, entry):
        task = _task_of(parts, entry)
        end(parts, entry, task, None, timed_out(task))


def cancel(parts: Parts, entry: Entry) -> None:
    """End a task that no thread works on, because somebody asked for that; what has come of its answer is kept.

    An end that is on the disk already stands.
    """
    if ending.carry_on(parts, entry):
        return
    continuing.catch_up(parts, entry)
    entry = parts.journal.read(lambda db: tasks.get(db, entry.id)) or entry
    is_unsent = entry.gate == PROMPT.name
    took = parts.journal.read(lambda db: _of_lost_call(db, entry.id))
    call = UNSENT if is_unsent else Call(took)
    end(parts, unsent(entry) if is_unsent else entry, _task_of(parts, entry), None, CANCELLED, call)


def fail(parts: Parts, task_id: str, failure: Failure, took: Taken = NOTHING) -> None:
    """End a task that cannot be carried on; `took` is what its call took, if one was under way."""
    entry = parts.journal.read(lambda db: tasks.get(db, task_id))
    if entry is not None and not tasks.is_ended(entry) and not ending.carry_on(parts, entry):
        end(parts, entry, _task_of(parts, entry), None, failure, Call(took))


def lose_call(parts: Parts, entry: Entry, due_at: float, why: str) -> None:
    """Let a task wait for another try whose call broke off here: what that took is not known, if it was sent at all."""

    def lose(db: Connection) -> None:
        tasks.take(db, entry, None, _of_lost_call(db, entry.id), parts.clock.now())
        tasks.retry_at(db, entry.id, due_at, why)

    parts.journal.write(lose)


def _of_lost_call(db: Connection, task_id: str) -> Taken:
    return NOTHING if sends.under_way_since(db, task_id) is None else UNKNOWN


def _task_of(parts: Parts, entry: Entry) -> Task:
    """Return the task to be ended; where another version wrote the row, what can be told of it without its text."""
    try:
        return parts.journal.read(lambda db: tasks.task_of(db, entry.id))
    except ValueError as error:
        LOGGER.error("%s: its row cannot be read: %s", entry.id, error)
        return Task(prompt="(the row of this task cannot be read)", name=entry.name, group=entry.group)


def settle_failure(parts: Parts, entry: Entry, task: Task, error: CallFailedError, took: Taken, mark: str) -> None:
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
        told = timed_out(task) if failure.kind == "timeout" else _told(_hinted(parts, task, failure))
        end(parts, entry, task, _arrived(error), told, Call(took))


def _hinted(parts: Parts, task: Task, failure: CallFailure) -> CallFailure:
    """Add what the catalogue knows of a model that is not there."""
    asked = task.model or parts.settings.current.values["KIMI_MODEL"]
    hint = addressee.hint(parts.catalogue, asked) if failure.kind == "model_not_found" else None
    return replace(failure, message=f"{failure.message} {hint}") if hint else failure


def _is_ours(failure: CallFailure) -> bool:
    """Tell whether a call that has not left was refused by ourselves, for good: none was made."""
    return failure.action == "never" and failure.http_status is None and failure.kind != "timeout"


def timed_out(task: Task) -> Failure:
    return Failure("timeout", f"no complete answer within {task.timeout:g} s of the first call; raise `timeout`")


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


def _arrived(error: CallFailedError) -> dict[str, Any] | None:
    """Return what had come of an answer that failed."""
    return {**NO_TURN, "text": error.partial} if error.partial else None


def _told(failure: CallFailure) -> Failure:
    return Failure(failure.kind, failure.message, failure.http_status, failure.request_id)


def _deadline(parts: Parts, entry: Entry) -> float | None:
    if entry.deadline_at is None:
        return None
    return parts.clock.monotonic() + entry.deadline_at - parts.clock.now()


def _turn(parts: Parts, answer: Answer, model: str, call: Call) -> dict[str, Any]:
    return {
        "text": answer.text,
        "reasoning": answer.reasoning,
        "finish_reason": answer.finish_reason,
        "model": answer.model or model,
        "warnings": list(answer.warnings),
        "took": asdict(call.took),
        "request_id": call.request_id,
        "at": iso(parts.clock.now()),
    }
