"""Whether the user's own templates for reports would make one: of a task that is done, and of one that failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kimi_hooks import ending, results
from kimi_hooks.config import Language
from kimi_hooks.ending import Failure
from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks.check import Finding
from kimi_hooks.journal import tasks
from kimi_hooks.reports import render, values
from kimi_hooks.task import Task

_ENDED_AT = 1771342200.0
_FILE = "results/kimi-1771342200-q7x2m9ab.json"


def check(hooks: Path) -> list[Finding]:
    """Look at every template for a report that lies among the hooks; nothing is written and nobody is told."""
    return [_check(path) for path in sorted(hooks.glob("report*.txt.j2"))]


def _check(path: Path) -> Finding:
    problem = _problem(path)
    return Finding("error" if problem else "ok", path.name, "report", problem or str(path))


def _problem(path: Path) -> str | None:
    known = render.own_templates()
    if path.name not in known:
        *others, last = known
        return f"{path}: no report is made from it; call it {', '.join(others)} or {last}"
    try:
        for language in known[path.name]:
            _try(path, language)
    except TemplateError as error:
        return str(error)
    return None


def _try(path: Path, language: Language) -> None:
    for result in _samples():
        given = {**result, **values.prepare(result, _FILE, language)}
        # What tasks carry nobody knows beforehand: where it counts, the template is read and not tried.
        if "metadata" not in render.load(path, given.keys()).names:
            render.render(path, given)


def _samples() -> Iterator[dict[str, Any]]:
    """Return a result that is done and one that failed, as the runner writes them."""
    task = Task(prompt="A question.", name="a task", model="kimi-k3")
    entry = tasks.fresh("kimi-1771342200-q7x2m9ab", task, (), _ENDED_AT)
    answer = {**results.NO_TURN, "text": "An answer."}
    yield ending.build(entry, task, answer, None, _ENDED_AT, None)
    yield ending.build(entry, task, None, Failure("timeout", "there was no answer in time"), _ENDED_AT, None)
