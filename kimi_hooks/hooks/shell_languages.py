"""Interpreters of other languages: which of their words is a program, and so may hold no value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kimi_hooks.hooks.shell_quotes import Word

Role = Literal["option", "program", "text", "value"]


@dataclass(frozen=True)
class Language:
    """How its command line is read, by the letters of its options.

    A program follows a letter of `code`, plain text one of `takes`; `inline` may have text in the same word. It reads
    on for options until `stops`: then a value before that needs a `--` in front of it.
    """

    code: str
    takes: str = ""
    inline: str = ""
    stops: Literal["program", "operand", "dashes"] = "operand"


_PYTHON = Language("cm", takes="WX", stops="program")
_NODE = Language("ep", takes="r")
_AWK = Language("Eef", takes="vF")
_LANGUAGES = {
    "python": _PYTHON,
    "pypy": _PYTHON,
    "perl": Language("eE", inline="0CDFIMVilmx"),
    "ruby": Language("e", takes="CEIr", inline="0FKTWix"),
    "php": Language("BEFRfr", takes="cdgz"),
    "node": _NODE,
    "nodejs": _NODE,
    "sed": Language("ef", takes="l", inline="i", stops="dashes"),
    "awk": _AWK,
    "gawk": _AWK,
    "mawk": _AWK,
}
_VERSION = re.compile(r"[0-9.]+\Z")


@dataclass(frozen=True)
class _Stand:
    """What is settled before a word: what the option before it asks for, a program, the end of the options."""

    awaited: Literal["program", "text", ""] = ""
    program: bool = False
    ended: bool = False


def language(name: str) -> Language | None:
    """What is known of the interpreter of this name, with its version or without."""
    return _LANGUAGES.get(_VERSION.sub("", name))


def has_program(words: Sequence[Word], known: Language) -> bool:
    """Whether a program is written out or named, so that standard input is not taken for one."""
    programs = [word.text for word, role in _roles(words, known) if role == "program"]
    return bool(programs) and not any(text == "-" or text.startswith(("/dev/", "/proc/")) for text in programs)


def value_in_program(words: Sequence[Word], known: Language) -> Word | None:
    """The first word whose value could be taken for a program or an option."""
    return next((word for word, role in _roles(words, known) if word.has_tag and role in ("option", "program")), None)


def _roles(words: Sequence[Word], known: Language) -> Iterator[tuple[Word, Role]]:
    stand = _Stand()
    for word in words[1:]:
        role, stand = _read(word, stand, known)
        yield word, role


def _read(word: Word, stand: _Stand, known: Language) -> tuple[Role, _Stand]:
    if stand.awaited == "text":
        return "text", replace(stand, awaited="")
    if stand.awaited == "program":
        return "program", _Stand(program=True, ended=stand.ended or known.stops == "program")
    if not stand.ended and word.text == "--":
        return "option", replace(stand, ended=True)
    if not stand.ended and word.text.startswith("-") and len(word.text) > 1:
        return _read_option(word, stand, known)
    if not stand.program:
        return "program", _Stand(program=True, ended=stand.ended or known.stops != "dashes")
    return ("option" if not stand.ended and word.is_loose else "value"), stand


def _read_option(word: Word, stand: _Stand, known: Language) -> tuple[Role, _Stand]:
    letters = word.text[1:] if not word.text.startswith("--") else ""
    for place, letter in enumerate(letters, 1):
        rest = letters[place:]
        if letter in known.takes:
            return "text" if rest else "option", replace(stand, awaited="" if rest else "text")
        if letter in known.inline:
            return "option", stand
        if letter in known.code and not rest:
            return "option", replace(stand, awaited="program")
        if letter in known.code:
            return "program", replace(stand, program=True, ended=known.stops == "program")
    return "option", stand
