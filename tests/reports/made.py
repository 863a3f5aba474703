"""A result as the runner writes it, and the report on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kimi_hooks import ending
from kimi_hooks.config import Language
from kimi_hooks.journal import tasks
from kimi_hooks.reports import render, values
from kimi_hooks.task import Task

NOWHERE = Path("/nowhere/hooks")
FILE = "/home/mei/ws/results/kimi-1771342200-q7x2m9ab.json"


def result(**changes: Any) -> dict[str, Any]:
    """Return the result of a task that is done, with changes."""
    task = Task(prompt="p", name="auth-api", model="kimi-k3")
    entry = tasks.fresh("kimi-1771342200-q7x2m9ab", task, (), 1771342170.0)
    return {
        **ending.build(entry, task, None, None, 1771342200.0, None),
        "output": "Five things could go wrong.",
        "finish_reason": "stop",
        "tokens": {"prompt": 1200, "completion": 3500, "total": 4700, "cached": 0, "reasoning": 0},
        "cost": {"amount": 0.0081, "currency": "CNY"},
        "started_at": "2026-02-17T15:29:31Z",
        "duration_ms": 29012,
        **changes,
    }


def failed(kind: str, message: str = "m", outcome: str = "failed", **changes: Any) -> dict[str, Any]:
    """Return the result of a task that failed with this kind of error before anything had arrived."""
    error = {"kind": kind, "message": message, "http_status": None, "request_id": None}
    tokens = {"prompt": 0, "completion": 0, "total": 0, "cached": 0, "reasoning": 0}
    return result(outcome=outcome, error=error, **{"output": "", "tokens": tokens, "cost": None, **changes})


def told(result: dict[str, Any], lang: Language = "en", hooks: Path = NOWHERE, file: str = FILE) -> str:
    """Return the report as the verb prints it."""
    prepared = values.prepare(result, file, lang)
    return render.render(render.template_file(hooks, lang), {**result, **prepared})
