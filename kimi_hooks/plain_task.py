"""Tasks of nothing but plain text, checked without the library that checks the others: most are dispatched so.

Importing pydantic takes longer than all the rest of a dispatch. So this says yes to what is surely a task, and leaves
all else to `task.check`, which also finds the words for what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kimi_hooks import text

# Each key of plain text, and what `task.Task` asks of it.
RULES: Mapping[str, Callable[[str], str]] = {
    "prompt": lambda value: text.not_blank(text.utf8(value)),
    "system": text.utf8,
    "thinking": text.thinking_word,
    **dict.fromkeys(
        ("name", "group", "channel", "account", "thread_id", "reply_to", "model", "reasoning_effort"), text.one_line
    ),
}
_MAY_BE_EMPTY = frozenset({"prompt", "system"})


def check(data: Mapping[str, Any], *, default_name: str) -> tuple[str, list[str]] | None:
    """Return the name and the warnings that `task.check` would give the task; None where only that can tell."""
    name, warnings = text.named(data.get("name"), default_name)
    if "prompt" not in data or not all(_is_plain(key, value) for key, value in {**data, "name": name}.items()):
        return None
    return name, warnings


def _is_plain(key: str, value: object) -> bool:
    if key == "standin":
        return isinstance(value, bool)
    # Not a subclass: what that holds for pydantic need not be what it holds for us.
    if key not in RULES or type(value) is not str or not (value or key in _MAY_BE_EMPTY):
        return False
    try:
        RULES[key](value)
    except ValueError:
        return False
    return True
