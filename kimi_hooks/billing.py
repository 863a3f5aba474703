"""What a call took, by what Kimi told of it and the prices that are known."""

from __future__ import annotations

from dataclasses import asdict

from kimi_hooks import addressee
from kimi_hooks.kimi.client import Answer, Endpoint, Usage
from kimi_hooks.kimi.failure import CallFailedError, Failure
from kimi_hooks.parts import Parts
from kimi_hooks.taken import NOTHING, UNKNOWN, Taken
from kimi_hooks.task import Task


def of_answer(parts: Parts, endpoint: Endpoint, answer: Answer, asked: str) -> Taken:
    """Return what an answered call took; `asked` is the model that was asked."""
    if answer.usage is None:
        return NOTHING if endpoint.standin else UNKNOWN
    is_known = parts.catalogue.find(answer.model) is not None
    return _priced(parts, endpoint, answer.usage, answer.model if is_known else asked)


def of_failure(parts: Parts, endpoint: Endpoint, task: Task, error: CallFailedError) -> Taken:
    """Return what a call took whose request has left: it may have been paid for, unless Kimi refused it."""
    if error.usage is not None:
        return _priced(parts, endpoint, error.usage, addressee.resolved(parts, task).model)
    return NOTHING if endpoint.standin or _is_refusal(error.failure) else UNKNOWN


def _is_refusal(failure: Failure) -> bool:
    # Source: requests that are cut by 429 are not billed (Kimi help centre).
    return failure.http_status is not None and 300 <= failure.http_status < 500  # noqa: PLR2004 - HTTP's own numbers


def _priced(parts: Parts, endpoint: Endpoint, usage: Usage, model: str) -> Taken:
    tokens = asdict(usage)
    if endpoint.standin:
        return Taken(**tokens)
    cost = parts.catalogue.cost(model, usage, endpoint.url)
    return Taken(**tokens, unpriced=1) if cost is None else Taken(**tokens, amount=cost.amount, currency=cost.currency)
