"""The life of one task, from the call to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from kimi_hooks import asking, backoff
from kimi_hooks.ending import Failure, carry_on, end
from kimi_hooks.errors import TaskError
from kimi_hooks.journal import facts, tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.client import Answer, Endpoint
from kimi_hooks.kimi.failure import CallFailedError
from kimi_hooks.kimi.failure import Failure as CallFailure
from kimi_hooks.logs import LOGGER, transition
from kimi_hooks.parts import Parts
from kimi_hooks.results import NO_TOKENS, NO_TURN
from kimi_hooks.task import Task


def run(parts: Parts, entry: Entry, task: Task, on_answer: Callable[[], None]) -> None:
    """Take an executing task to its end, or back to the queue.

    `on_answer` is called once Kimi has answered and nothing more is asked. Not after a failure: what it means for the
    calls of others is settled first.
    """
    if entry.attempts > 1 and carry_on(parts, entry.id):
        return
    mark = parts.settings.current.mark
    try:
        entry = _warned(parts, entry, task)
        turn = ask(parts, entry, task)
    except TaskError as error:
        end(parts, entry, task, None, Failure("invalid_task", str(error)))
    except CallFailedError as error:
        settle_failure(parts, entry, task, error, mark)
    else:
        on_answer()
        end(parts, entry, task, turn, None)


def ask(parts: Parts, entry: Entry, task: Task) -> dict[str, Any]:
    """Call Kimi; return what the result says of the answer. Raises TaskError and CallFailedError."""
    endpoint = parts.standin() if entry.standin else kimi_endpoint(parts)
    deadline = _deadline(parts, entry)
    request = asking.request_for(parts, entry.id, task, endpoint, deadline)
    transition(entry.id, entry.state, attempt=entry.attempts, model=request.model, at=endpoint.url)
    answer = parts.client.ask(entry.id, endpoint, request, deadline=deadline)
    return _turn(parts, answer, request.model, endpoint)


def _warned(parts: Parts, entry: Entry, task: Task) -> Entry:
    """Return the entry with a warning when another model is asked than was meant; the log tells it once.

    Raises CallFailedError as `asking.resolved`.
    """
    warning = asking.resolved(parts, task).warning
    if warning is None:
        return entry
    if entry.attempts == 1:
        LOGGER.warning("%s %s", entry.id, warning)
    return replace(entry, warnings=(*entry.warnings, warning))


def expire(parts: Parts, entry: Entry) -> None:
    """End a waiting task whose own time-out has passed."""
    if not carry_on(parts, entry.id):
        task = _task_of(parts, entry)
        end(parts, entry, task, None, timed_out(task))


def fail(parts: Parts, task_id: str, failure: Failure) -> None:
    """End a task that cannot be carried on."""
    entry = parts.journal.read(lambda db: tasks.get(db, task_id))
    if entry is not None and not tasks.is_ended(entry) and not carry_on(parts, task_id):
        end(parts, entry, _task_of(parts, entry), None, failure)


def _task_of(parts: Parts, entry: Entry) -> Task:
    """Return the task to be ended; where another version wrote the row, what can be told of it without its text."""
    try:
        return parts.journal.read(lambda db: tasks.task_of(db, entry.id))
    except ValueError as error:
        LOGGER.error("%s: its row cannot be read: %s", entry.id, error)
        return Task(prompt="(the row of this task cannot be read)", name=entry.name, group=entry.group)


def settle_failure(parts: Parts, entry: Entry, task: Task, error: CallFailedError, mark: str) -> None:
    """Decide what a failed call means: the queue waits, the task is tried again, or it ends.

    `mark` stands for the key and address that the call went out with.
    """
    failure = error.failure
    if failure.action == "pause" and not entry.standin:
        pause = facts.Pause(failure.kind, failure.message, mark)
        parts.journal.write(lambda db: _pause(db, entry.id, pause))
        parts.bell.ring()
        LOGGER.error("%s queue paused (%s): %s", entry.id, failure.kind, failure.message)
    elif failure.action == "retry" and entry.attempts - entry.crashes < parts.config.retry.max_attempts:
        _retry(parts, entry, failure)
    else:
        end(parts, entry, task, _arrived(error), timed_out(task) if failure.kind == "timeout" else _told(failure))


def kimi_endpoint(parts: Parts) -> Endpoint:
    """Return where Kimi is. The queue does not start a task without a key, so there is one."""
    settings = parts.settings.current
    return Endpoint(url=settings.values["KIMI_API_URL"], key=settings.get("KIMI_API_KEY") or "", standin=False)


def timed_out(task: Task) -> Failure:
    return Failure("timeout", f"no complete answer within {task.timeout:g} s of the first call; raise `timeout`")


def _retry(parts: Parts, entry: Entry, failure: CallFailure) -> None:
    retry = parts.config.retry
    wait = backoff.pause(
        entry.attempts - entry.crashes, first=retry.first_pause, cap=retry.max_pause, jitter=parts.clock.chance
    )
    wait = max(wait, failure.retry_after or 0.0)
    due_at = parts.clock.now() + wait
    parts.journal.write(lambda db: tasks.retry_at(db, entry.id, due_at, failure.message))
    parts.bell.ring()
    transition(entry.id, "retryable", attempt=entry.attempts, again_in=f"{wait:.1f}s", why=failure.message)


def _pause(db: Connection, task_id: str, pause: facts.Pause) -> None:
    facts.pause(db, pause)
    tasks.put_back(db, task_id, pause.why)


def _arrived(error: CallFailedError) -> dict[str, Any] | None:
    """Return what had come of an answer that failed: it may have been paid for."""
    if not error.partial and error.usage is None:
        return None
    return {**NO_TURN, "text": error.partial, "tokens": asdict(error.usage) if error.usage else NO_TOKENS}


def _told(failure: CallFailure) -> Failure:
    return Failure(failure.kind, failure.message, failure.http_status, failure.request_id)


def _deadline(parts: Parts, entry: Entry) -> float | None:
    if entry.deadline_at is None:
        return None
    return parts.clock.monotonic() + entry.deadline_at - parts.clock.now()


def _turn(parts: Parts, answer: Answer, model: str, endpoint: Endpoint) -> dict[str, Any]:
    cost, warnings = _cost(parts, answer, model, endpoint)
    tokens: Mapping[str, int] = asdict(answer.usage) if answer.usage else NO_TOKENS
    return {
        "text": answer.text,
        "reasoning": answer.reasoning,
        "finish_reason": answer.finish_reason,
        "model": answer.model or model,
        "tokens": dict(tokens),
        "cost": cost,
        "warnings": [*answer.warnings, *_cut_warning(answer), *warnings],
    }


def _cut_warning(answer: Answer) -> list[str]:
    if answer.finish_reason != "length":
        return []
    return ["The answer is cut at the cap on its length; set max_tokens higher, or leave it out."]


def _cost(parts: Parts, answer: Answer, model: str, endpoint: Endpoint) -> tuple[dict[str, Any] | None, list[str]]:
    if endpoint.standin:
        return None, []
    if answer.usage is None:
        return None, ["the cost is not known: the answer came without token counts"]
    cost = parts.catalogue.cost(answer.model or model, answer.usage, endpoint.url)
    if cost is None:
        remedy = "give one under kimi.models, and kimi.currency, in config.yaml"
        return None, [f"the cost is not known: no price for {answer.model or model} at {endpoint.url}; {remedy}"]
    return asdict(cost), []
