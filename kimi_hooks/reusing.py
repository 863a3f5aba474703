"""A task that an earlier answer will do for: it gets that answer, and nobody is called."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from kimi_hooks import addressee, asking, results
from kimi_hooks.ending import Failure, carry_on, end
from kimi_hooks.errors import TaskError
from kimi_hooks.journal import reuse
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.failure import CallFailedError
from kimi_hooks.parts import Parts
from kimi_hooks.taken import Call, Taken
from kimi_hooks.task import Task

REUSED = "answered from the result of {task_id}, which asked the same and ended at {at}; Kimi was not asked"


def look_for_answer(parts: Parts, entry: Entry, task: Task) -> None:
    """End the task with an answer that is not too old, or let it be sent where there is none."""
    if carry_on(parts, entry):
        # It was given one just before the runner died.
        return
    try:
        found = _found(parts, entry, task)
    except TaskError as error:
        end(parts, entry, task, None, Failure("invalid_task", str(error)))
        return
    except CallFailedError:
        # Of a document that was never read nobody can have asked. All else is told when the task is sent.
        found = None
    if found is None:
        parts.journal.write(partial(reuse.looked_up, task_id=entry.id))
        parts.bell.ring()
    else:
        currency = found["cost"]["currency"] if found["cost"] else None
        call = Call(Taken(currency=currency), reused_from=found["task_id"])
        end(parts, addressee.warned(parts, entry, task), task, _turn(found), None, call)


def _found(parts: Parts, entry: Entry, task: Task) -> dict[str, Any] | None:
    endpoint, deadline = addressee.endpoint_of(parts, entry), parts.clock.monotonic() + task.timeout
    asked = asking.request_for(parts, entry.id, task, endpoint, deadline, may_call=False)
    fingerprint = asking.fingerprint(endpoint, asked)
    since = parts.clock.now() - (entry.reuse or 0.0)
    for task_id in parts.journal.read(partial(reuse.answered_before, fingerprint=fingerprint, since=since)):
        result = results.read(parts.workspace.results, task_id)
        if result is not None and result["outcome"] == "done":
            return result
    return None


def _turn(found: Mapping[str, Any]) -> dict[str, Any]:
    told = REUSED.format(task_id=found["task_id"], at=found["completed_at"])
    kept = {name: found[name] for name in ("reasoning", "finish_reason", "model")}
    return {**kept, "text": found["output"], "warnings": [told]}
