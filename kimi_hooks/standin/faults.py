"""Faults on order: what the imitation does wrong, asked for by a test, a prompt, a header or the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal, get_args

Kind = Literal["answer", "http", "reset", "hang", "cut", "no-done", "stall", "stream-error", "malformed"]

KINDS: tuple[str, ...] = get_args(Kind)
CHAT = "/chat/completions"


class UnknownWordError(Exception):
    """An order is not understood; the message names the known words."""


@dataclass(frozen=True)
class Fault:
    """One way to answer wrong.

    kind: `answer` (an ordinary answer, changed by what follows), `http` (an error with `status`, `type`, `message`,
    `headers`, or `body` as it is), `reset` (before the headers), `hang` (no header, until somebody closes), `cut` (the
    connection ends in the middle), `no-done` (the stream ends well but without [DONE]), `stall` (silence in the middle,
    until somebody closes), `stream-error` (an error object of `type` and `message` in the stream; without a stream the
    same as `http`), `malformed` (a line, or a body, that is not JSON).
    `after` is how many chunks of text go out before it happens.
    `path` is where it applies (under /v1, with what lies below it; `*` stands for anything), `method` to which of the
    requests there, `when` to which prompts (a part of the text, or a function of it), `chance` how often (0 to 1),
    `times` to how many requests (None: to all).
    An answer says `text`, or `size` characters, after `reasoning` tokens of reasoning, with `finish_reason`; `no_cap`
    lets it grow beyond the cap. `latency` passes before the reply, `first` before the first chunk, `chunk_delay`
    after each chunk of text (seconds); `bytewise` sends each byte of a stream on its own.
    """

    kind: Kind = "answer"
    times: int | None = 1
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
    path: str = CHAT
    method: str | None = None
    chance: float = 1.0
    size: int | None = None
    reasoning: int | None = None
    no_cap: bool = False
    first: float = 0.0
    chunk_delay: float | None = None
    bytewise: bool = False

    def fits(self, method: str, path: str, prompt: str) -> bool:
        """Whether it applies to a request with this prompt."""
        if self.method not in (None, method) or not self._is_at(path):
            return False
        if self.when is None:
            return True
        return self.when in prompt if isinstance(self.when, str) else self.when(prompt)

    def _is_at(self, path: str) -> bool:
        return fnmatchcase(path, self.path) or fnmatchcase(path, f"{self.path}/*")
