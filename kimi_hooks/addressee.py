"""Who is asked for a task: Kimi or the imitation, and which model."""

from __future__ import annotations

from dataclasses import replace

from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi import retirement
from kimi_hooks.kimi.catalogue import Catalogue
from kimi_hooks.kimi.client import Endpoint
from kimi_hooks.kimi.model import Resolved
from kimi_hooks.logs import LOGGER
from kimi_hooks.parts import Parts
from kimi_hooks.task import Task


def endpoint_of(parts: Parts, entry: Entry) -> Endpoint:
    """Return who is asked: Kimi, or the imitation. The queue does not start a task for Kimi without a key."""
    if entry.standin:
        return parts.standin()
    settings = parts.settings.current
    return Endpoint(url=settings.values["KIMI_API_URL"], key=settings.get("KIMI_API_KEY") or "", standin=False)


def resolved(parts: Parts, task: Task) -> Resolved:
    """Return the model to ask for the task, and a warning where it is not the one that was meant.

    Raises CallFailedError when that one is retired and `kimi.retired_models` is `fail`.
    """
    known = parts.settings.current.values
    return parts.catalogue.resolve(task.model or known["KIMI_MODEL"], known["KIMI_API_URL"], standin=task.standin)


def hint(catalogue: Catalogue, model: str) -> str | None:
    """Say that a model which somebody was asked for is retired, and what follows it; None for any other one.

    It goes on after a failure: Kimi or a relay has not found the model, and does not say why.
    """
    known = catalogue.find(model)
    if known is None or not catalogue.is_retired(known):
        return None
    return retirement.hint(known, catalogue.successor(model))


def warned(parts: Parts, entry: Entry, task: Task) -> Entry:
    """Return the entry with a warning when another model is asked than was meant; the log tells it once.

    Raises CallFailedError as `resolved`.
    """
    warning = resolved(parts, task).warning
    if warning is None or warning in entry.warnings:
        return entry
    if entry.attempts == 1:
        LOGGER.warning("%s %s", entry.id, warning)
    return replace(entry, warnings=(*entry.warnings, warning))
