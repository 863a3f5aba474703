"""What the texts of a task may hold, the names that are made of them, and how templates write values."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_NAME = 200
# How much of a prompt makes a name.
DERIVED_NAME = 40
THINKING = ("enabled", "disabled")
# Longer numbers Python does not read from text or write as text, so that nobody can keep it busy with one.
# https://docs.python.org/3/library/stdtypes.html#integer-string-conversion-length-limitation
LONG_NUMBER = "holds a number of thousands of digits; put it in quotes, as text"
_HALF = re.compile("[\ud800-\udfff]")


def utf8(text: str) -> str:
    """Return the text if it can be written down. Raises ValueError for half a surrogate pair and for a NUL."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("holds half a surrogate pair, which is not text") from None
    if "\0" in text:
        raise ValueError("holds a NUL, which neither a hook nor Kimi can take")
    return text


def in_words(error: Exception) -> str:
    """Return what a parser says is wrong, in words for whoever wrote the text."""
    told = str(error)
    if "integer string conversion" in told:
        return LONG_NUMBER
    return "holds a number that is too large, or none" if told.startswith("Out of range float") else told


def mended(text: str) -> str:
    """Join surrogate halves that came apart; one that stays alone could not be written as UTF-8 and becomes U+FFFD."""
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def one_line(text: str) -> str:
    """Return the text if it is on one line. Raises ValueError for control characters and line breaks."""
    if any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} for char in utf8(text)):
        raise ValueError("holds a control character or a line break; write it on one line")
    return text


def all_seen(text: str) -> str:
    """Return the text if each of its characters is seen, so that it looks like no other. Raises ValueError."""
    at_the_ends = {text[:1], text[-1:]}
    hidden = next((char for char in text if not char.isprintable() or (char == " " and char in at_the_ends)), None)
    if hidden is not None:
        raise ValueError(f"holds a character that nobody sees (U+{ord(hidden):04X}); write it again without that")
    return text


def not_blank(text: str) -> str:
    """Return the text if there is something in it besides white space. Raises ValueError."""
    if not text.strip():
        raise ValueError("is empty; say what Kimi shall do")
    return text


def thinking_word(text: str) -> str:
    """Return the word if it is one of Kimi's for its parameter of this name. Raises ValueError."""
    if text not in THINKING:
        raise ValueError(f"must be {' or '.join(THINKING)}, not {text!r}")
    return text


def named(name: Any, default: str) -> tuple[Any, list[str]]:
    """Return the name that a task gets, the default where none was given, and a warning when it had to be cut."""
    if name is None or name == "":
        name = default
    if isinstance(name, str) and len(name) > MAX_NAME:
        return name[:MAX_NAME], [f"the name was cut at {MAX_NAME} characters"]
    return name, []


def derived_name(text: str, limit: int = MAX_NAME) -> str:
    """Make a name of any text: one line, no control characters, at most `limit` characters, never empty."""
    words = " ".join("".join(char if char.isprintable() else " " for char in text[: limit * 8]).split())
    return words[:limit].strip() or "task"


def written(value: object) -> object:
    """Write a value as the script templates do; what is neither text nor null, bool, list or mapping stays as it is."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Mapping() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value
