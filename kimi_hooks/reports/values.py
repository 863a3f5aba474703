"""What a report's template is given besides the result file: the same facts, fit to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kimi_hooks.clock import parse_iso
from kimi_hooks.config import Language
from kimi_hooks.errors import ResultError
from kimi_hooks.reports import texts, words
from kimi_hooks.results import STANDIN_WARNING

EXCERPT_CHARACTERS = 300
NAME_CHARACTERS = 200
MODEL_CHARACTERS = 80
MESSAGE_CHARACTERS = 500
WARNING_CHARACTERS = 200
MAX_WARNINGS = 3
_TENTHS_BELOW_MS = 10_000


def prepare(result: Mapping[str, Any], result_file: str, language: Language) -> dict[str, Any]:
    """Return the prepared values: harmless and short, "" where one does not apply.

    Times are in the local zone. Raises ResultError when the result is not as the program writes it.
    """
    try:
        return {
            "lang": language,
            "result_file": texts.plain(result_file).replace("\n", "�"),
            "name": texts.one_line(result["task_name"], NAME_CHARACTERS) or result["task_id"],
            "ended": _local(result["completed_at"]),
            "took": _took(result["duration_ms"], language) if result["started_at"] else "",
            "price": _price(result["cost"]),
            **_models(result),
            **_failure(result, language),
            "again": _again(result),
            **_excerpt(result["output"]),
            **_warnings(result["warnings"]),
        }
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        told = f"{type(error).__name__}: {error}"
        raise ResultError(
            f"{result_file}: it is not as the runner wrote it ({told}); put it back from a copy, or run the task again"
        ) from error


def _models(result: Mapping[str, Any]) -> dict[str, str]:
    answered_by = texts.one_line(result["model"] or "", MODEL_CHARACTERS)
    requested = texts.one_line(result["requested_model"] or "", MODEL_CHARACTERS)
    return {"answered_by": answered_by, "asked_for": requested if requested != answered_by else ""}


def _failure(result: Mapping[str, Any], language: Language) -> dict[str, str]:
    error = result["error"] or {}
    kind = "cancelled" if result["outcome"] == "cancelled" else error.get("kind")
    if not kind:
        return {"failure": "", "message": "", "remedy": ""}
    message = texts.one_line(error.get("message") or "", MESSAGE_CHARACTERS)
    return {**words.of_kind(kind, language)._asdict(), "message": message}


def _again(result: Mapping[str, Any]) -> str:
    """Return the command that runs the task again; none for one that is done, or was refused as it is written."""
    is_refused = (result["error"] or {}).get("kind") == "invalid_task" and not result["started_at"]
    return "" if result["outcome"] == "done" or is_refused else f"kimi-hooks retry {result['task_id']}"


def _excerpt(output: str) -> dict[str, Any]:
    answer = texts.passage(output)
    excerpt = texts.cut(answer, EXCERPT_CHARACTERS).rstrip()
    return {"excerpt": excerpt, "rest": len(answer) - len(excerpt)}


def _warnings(warnings: list[str]) -> dict[str, Any]:
    told = [texts.one_line(warning, WARNING_CHARACTERS) for warning in warnings if warning != STANDIN_WARNING]
    return {"notes": told[:MAX_WARNINGS], "more_notes": len(told[MAX_WARNINGS:])}


def _local(instant: str) -> str:
    """Write an instant in the local zone with its offset: `2026-02-17 23:30:00 UTC+08:00`."""
    try:
        local = datetime.fromtimestamp(parse_iso(instant), UTC).astimezone()
    except (OSError, OverflowError):
        # A clock that has gone mad; what it said is told as it stands.
        return instant
    offset = local.isoformat(timespec="seconds")[len("2026-02-17T23:30:00") :]
    return f"{local:%Y-%m-%d %H:%M:%S} UTC{offset}"


def _took(milliseconds: int, language: Language) -> str:
    hour, minute, second = words.UNITS[language]
    if milliseconds < _TENTHS_BELOW_MS:
        return f"{milliseconds / 1000:.1f} {second}"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, hour), (minutes, minute), (seconds, second))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _price(cost: Mapping[str, Any] | None) -> str:
    """Write an amount with all its digits: a small one must not look like nothing, and 0.0 is 0."""
    return f"{Decimal(str(cost['amount'])).normalize():f} {cost['currency']}" if cost else ""
