"""The words that order a fault, in the line `standin: <words>` of a prompt, in a header, or on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from kimi_hooks.standin.faults import KINDS, Fault, UnknownWordError

_LINE = re.compile(r"standin:[ \t]+(\S.*)")
_REST = re.compile(r"(?:^|\s)(text|message)=(.*)")
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?")
_SIZE = re.compile(r"(\d{1,9})(KB|MB|B)?")
_UNITS = {None: 1, "B": 1, "KB": 1000, "MB": 1_000_000}
_LARGEST = 1_000_000_000
_HTML = "<html><head><title>Gateway Time-out</title></head><body><h1>Gateway Time-out</h1></body></html>"

Changes = dict[str, Any]


def in_prompt(prompt: str) -> Changes:
    """Read the lines `standin: <words>` of a prompt: what they change in a Fault. Raises UnknownWordError."""
    lines = [match[1] for line in prompt.split("\n") if (match := _LINE.fullmatch(line.strip("\r")))]
    changes: Changes = {"times": None} if lines else {}
    for line in lines:
        changes |= read(line)
    return changes


def read(line: str) -> Changes:
    """Read the words of one order: what they change in a Fault. Raises UnknownWordError."""
    changes: Changes = {"times": None}
    for word, value in _pairs(line):
        changes |= _change(word, value)
    return changes


def fault(line: str) -> Fault:
    """Read one order as a Fault that applies again and again, unless it says how often. Raises UnknownWordError."""
    return replace(Fault(), **read(line))


def _pairs(line: str) -> Iterable[tuple[str, str]]:
    # A text may hold blanks, so it is the rest of its line.
    rest = _REST.search(line)
    for token in line[: rest.start() if rest else None].split():
        word, _, value = token.partition("=")
        yield word, value
    if rest:
        yield rest[1], rest[2]


def _change(word: str, value: str) -> Changes:
    form, change = WORDS.get(word, ("", None))
    if change is None:
        raise UnknownWordError(f"standin: the word {word[:40]!r} is not known; known are: {known()}")
    if "=" not in form and value:
        raise UnknownWordError(f"standin: {word} takes no value; known are: {known()}")
    return change(value)


def known() -> str:
    """Return all words with what they take, on one line."""
    return " ".join(form for form, _ in WORDS.values())


def _number(word: str, value: str, most: float = 1e9) -> float:
    if not _NUMBER.fullmatch(value) or float(value) > most:
        bound = "" if most == 1e9 else f" up to {most:g}"  # noqa: PLR2004 - no bound of its own
        raise UnknownWordError(f"standin: {word}= needs a number{bound}, not {value[:40]!r}; known are: {known()}")
    return float(value)


def _whole(word: str, value: str) -> int:
    if not value.isascii() or not value.isdecimal():
        raise UnknownWordError(f"standin: {word}= needs a whole number, not {value[:40]!r}; known are: {known()}")
    return int(_number(word, value))


def _status(value: str) -> Changes:
    status = _whole("status", value)
    if not 300 <= status <= 599:  # noqa: PLR2004 - HTTP's own numbers
        raise UnknownWordError(f"standin: status= needs a number from 300 to 599, not {value}; known are: {known()}")
    return {"kind": "http", "status": status}


def _size(value: str) -> Changes:
    found = _SIZE.fullmatch(value)
    size = int(found[1]) * _UNITS[found[2]] if found else _LARGEST + 1
    if size > _LARGEST:
        raise UnknownWordError(f"standin: size= needs a number such as 20MB, not {value[:40]!r}; known are: {known()}")
    return {"size": size}


def _retry_after(value: str) -> Changes:
    seconds = f"{_number('retry-after', value):g}"
    return {"headers": {"Retry-After": seconds, "X-Retry-After": seconds}}


def _redirect(value: str) -> Changes:
    # It leaves as a header.
    if not value.isascii():
        raise UnknownWordError(
            f"standin: redirect= needs an address in ASCII, not {value[:40]!r}; known are: {known()}"
        )
    return {"kind": "http", "status": 307, "headers": {"Location": value}}


def _kind(kind: str) -> Callable[[str], Changes]:
    return lambda _: {"kind": kind}


def _seconds(word: str, key: str) -> Callable[[str], Changes]:
    return lambda value: {key: _number(word, value) / 1000}


# Each word with what it takes, and what it changes in a Fault.
WORDS: Mapping[str, tuple[str, Callable[[str], Changes]]] = {
    "status": ("status=N", _status),
    "type": ("type=T", lambda value: {"type": value}),
    "retry-after": ("retry-after=SECONDS", _retry_after),
    "html": ("html", lambda _: {"body": _HTML}),
    "redirect": ("redirect=URL", _redirect),
    **{kind: (kind, _kind(kind)) for kind in KINDS if kind not in ("answer", "http")},
    "after": ("after=N", lambda value: {"after": _whole("after", value)}),
    "empty": ("empty", lambda _: {"text": ""}),
    "finish": ("finish=REASON", lambda value: {"finish_reason": value}),
    "size": ("size=N", _size),
    "reasoning": ("reasoning=N", lambda value: {"reasoning": _whole("reasoning", value)}),
    "no-cap": ("no-cap", lambda _: {"no_cap": True}),
    "latency-ms": ("latency-ms=N", _seconds("latency-ms", "latency")),
    "first-ms": ("first-ms=N", _seconds("first-ms", "first")),
    "chunk-ms": ("chunk-ms=N", _seconds("chunk-ms", "chunk_delay")),
    "bytewise": ("bytewise", lambda _: {"bytewise": True}),
    "path": ("path=PATH", lambda value: {"path": value}),
    "method": ("method=M", lambda value: {"method": value}),
    "when": ("when=WORD", lambda value: {"when": value}),
    "times": ("times=N", lambda value: {"times": _whole("times", value)}),
    "chance": ("chance=P", lambda value: {"chance": _number("chance", value, 1)}),
    "text": ("text=WORDS", lambda value: {"text": value}),
    "message": ("message=WORDS", lambda value: {"message": value}),
}
