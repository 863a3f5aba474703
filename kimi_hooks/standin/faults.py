"""Faults on order: what the imitation does wrong, asked for by a test or by a line in a prompt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from types import MappingProxyType
from typing import Any, Literal, get_args

Kind = Literal["answer", "http", "reset", "cut", "no-done", "stall", "stream-error", "malformed"]

_KINDS: tuple[str, ...] = get_args(Kind)
_LINE = re.compile(r"standin:[ \t]+(\S.*)")
_TEXT = re.compile(r"(?:^|\s)text=(.*)")
_WORDS = (
    "status=N type=T retry-after=SECONDS html reset cut no-done stall stream-error malformed empty "
    "finish=REASON text=WORDS latency-ms=N times=N"
)


class UnknownWordError(Exception):
    """A directive in a prompt is not understood; the message names the known words."""


@dataclass(frozen=True)
class Fault:
    """One way to answer wrong.

    kind: `answer` (an ordinary answer with `text` or `finish_reason` replaced), `http` (an error with `status`, `type`,
    `message`, `headers`, or `body` as it is), `reset` (before the headers), `cut` (the connection ends in the stream),
    `no-done` (the stream ends well but without [DONE]), `stall` (silence until somebody closes), `stream-error`
    (an error object of `type` and `message` in the stream), `malformed` (a line that is not JSON).
    `after` is how many chunks of text go out before it happens, `latency` how many seconds pass before the reply,
    `times` how many requests it applies to, `when` which prompts: a part of the text, or a function of it.
    """

    kind: Kind = "answer"
    times: int = 1
    when: str | Callable[[str], bool] | None = None
    status: int = 500
    type: str | None = None
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: str | None = None
    text: str | None = None
    finish_reason: str | None = None
    after: int = 1
    latency: float | None = None

    def fits(self, prompt: str) -> bool:
        """Whether it applies to this prompt."""
        if self.when is None:
            return True
        return self.when in prompt if isinstance(self.when, str) else self.when(prompt)


class FaultQueue:
    """The faults still to come: those given by a test in their order, and those that prompts ask for."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = Lock()
        self._waiting = [(fault, fault.times) for fault in faults]
        self._seen: dict[str, int] = {}

    def add(self, *faults: Fault) -> None:
        """Put faults at the end."""
        with self._lock:
            self._waiting += [(fault, fault.times) for fault in faults]

    def take(self, prompts: Sequence[str]) -> Fault | None:
        """Return the fault for a request with these user messages, if any. Raises UnknownWordError."""
        with self._lock:
            for at, (fault, left) in enumerate(self._waiting):
                if fault.fits("\n".join(prompts)):
                    self._waiting[at : at + 1] = [(fault, left - 1)] if left > 1 else []
                    return fault
            asked_for = (self._asked_for(prompt) for prompt in reversed(prompts))
            return next((fault for fault in asked_for if fault), None)

    def _asked_for(self, prompt: str) -> Fault | None:
        fault, times = read_directives(prompt)
        if fault is None or times is None:
            return fault
        key = hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()
        self._seen[key] = self._seen.get(key, 0) + 1
        return fault if self._seen[key] <= times else None


def read_directives(prompt: str) -> tuple[Fault | None, int | None]:
    """Read the lines `standin: <words>` of a prompt: the fault, and for how many requests (None: for all).

    Raises UnknownWordError.
    """
    lines = [match[1] for line in prompt.split("\n") if (match := _LINE.fullmatch(line.strip("\r")))]
    if not lines:
        return None, None
    words = dict(pair for line in lines for pair in _pairs(line))
    times = words.pop("times", None)
    fault = Fault()
    for word, value in words.items():
        fault = _with_word(fault, word, value)
    return fault, None if times is None else int(_number("times", times))


def _pairs(line: str) -> Iterable[tuple[str, str]]:
    # A text may hold spaces, so it is the rest of its line.
    text = _TEXT.search(line)
    for token in line[: text.start() if text else None].split():
        word, _, value = token.partition("=")
        yield word, value
    if text:
        yield "text", text[1]


def _with_word(fault: Fault, word: str, value: str) -> Fault:
    if word in _KINDS and word not in ("answer", "http"):
        return replace(fault, kind=word)  # type: ignore[arg-type]
    change = _CHANGES.get(word)
    if change is None:
        raise UnknownWordError(f"standin: the word {word[:40]!r} is not known; known are: {_WORDS}")
    return replace(fault, **change(value))


def _number(word: str, value: str) -> float:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
        raise UnknownWordError(f"standin: {word}= needs a number, not {value[:40]!r}; known are: {_WORDS}")
    return float(value)


def _status(value: str) -> dict[str, Any]:
    status = int(_number("status", value))
    if not 300 <= status <= 599:  # noqa: PLR2004 - HTTP's own numbers
        raise UnknownWordError(f"standin: status= needs a number from 300 to 599, not {value}; known are: {_WORDS}")
    return {"kind": "http", "status": status}


_HTML = "<html><head><title>Gateway Time-out</title></head><body><h1>Gateway Time-out</h1></body></html>"
_CHANGES: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "status": _status,
    "type": lambda value: {"type": value},
    "retry-after": lambda value: {"headers": {"Retry-After": f"{_number('retry-after', value):g}"}},
    "html": lambda _: {"body": _HTML},
    "empty": lambda _: {"text": ""},
    "finish": lambda value: {"finish_reason": value},
    "text": lambda value: {"text": value},
    "latency-ms": lambda value: {"latency": _number("latency-ms", value) / 1000},
}
