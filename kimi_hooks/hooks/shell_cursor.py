"""Where the shell scanner stands: the position, what is open around it, and the rules for marks there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks import shell_remedies as remedies
from kimi_hooks.hooks.shell_marks import BLOCK, TAG, MarkedScript, Role

Place = tuple[str, int]
State = tuple[tuple[Place, ...], Place]

BLANKS = (" ", "\t")
METACHARACTERS = frozenset(" \t\n;&|<>()")
WORD_ENDS = frozenset({"", " ", "\t", "\n", ";", "&", "|", ")"})
LINE_ENDS = frozenset({"", "\n"})
OPERATORS = frozenset("&|;<>(")
QUOTES = frozenset({"single quotes", "double quotes", "$'...'"})
EVALUATED = frozenset({"backticks", "${...}", "arithmetic", "[[ ... ]]", "a subscript", "a here-document"})
LIST: Place = ("list", 0)


@dataclass(frozen=True)
class HereDocument:
    """One whose body has not begun yet; `depth` is how many frames were open where it was begun."""

    delimiter: str
    start: int
    depth: int
    quoted: bool
    tabs: bool


class Cursor:
    """Reads one marked text; every refusal is raised from here, with file and line."""

    def __init__(self, script: MarkedScript, where: str, *, bash: bool) -> None:
        self.script = script
        self.text = script.text
        self.where = where
        self.bash = bash
        self.pos = 0
        self.frames: tuple[Place, ...] = ()
        self.place = LIST
        self.pending: list[HereDocument] = []
        self.read_bodies: Callable[[], None] | None = None
        self.tags = 0
        self.blocks = 0
        self.fed = False  # whether a value may come in on standard input here
        self._opened: list[State] = []
        self._serials = itertools.count(1)

    def serial(self) -> int:
        return next(self._serials)

    def peek(self, offset: int = 0) -> str:
        return self.text[self.pos + offset : self.pos + offset + 1]

    def starts(self, *words: str) -> bool:
        return self.text.startswith(words, self.pos)

    @property
    def state(self) -> State:
        return self.frames, self.place

    @contextmanager
    def inside(self, kind: str) -> Iterator[None]:
        outer, start = self.state, self.pos
        self.frames = (*self.frames, (kind, self.serial()))
        yield
        if self.pending and self.pending[-1].depth == len(self.frames):
            self.refuse(start, f"a here-document is begun inside {kind} that ends on the same line", remedies.SPLIT)
        self.frames, self.place = outer

    def refuse(self, at: int, cause: str, remedy: str) -> NoReturn:
        raise TemplateError(f"{self.where}:{self.script.line(at)}: {cause}; {remedy}")

    def lost(self, what: str, at: int | None = None, remedy: str = remedies.SIMPLER) -> NoReturn:
        """Refuse what cannot be followed: guessing is how a value would come to be evaluated."""
        self.refuse(self.pos if at is None else at, f"{what} cannot be followed in a template with tags", remedy)

    def bash_only(self, what: str) -> None:
        if not self.bash:
            self.lost(f"{what}, which sh and bash read differently,", remedy=remedies.BASH)

    def tag(self) -> None:
        """Step over a tag, unless its value would be evaluated or broken here."""
        hidden = self._hidden()
        if hidden:
            self.refuse_tag(self.pos, f"stands inside {hidden}", remedies.INSIDE.get(hidden))
        self.tags += 1
        self.pos += 1

    def refuse_tag(self, at: int, cause: str, remedy: str | None = None) -> NoReturn:
        label = self.script.marks[at].label
        self.refuse(at, f"{label} {cause}", remedies.spell(remedy or remedies.VARIABLE, label))

    def refuse_marks(self, start: int, end: int, kind: str) -> None:
        """Refuse any mark in a stretch of text that the shell takes as a whole."""
        for at in range(start, min(end, len(self.text))):
            if self.text[at] == TAG:
                self.refuse_tag(at, f"stands inside {kind}", remedies.INSIDE.get(kind))
            if self.text[at] == BLOCK:
                self._refuse_block(at, f"stands inside {kind}")

    def refuse_bad_mark(self) -> None:
        """Where only plain characters may stand: a mark here is inside the innermost frame."""
        if self.peek() == TAG:
            self.tag()
        if self.peek() == BLOCK:
            self.block()

    def block(self) -> None:
        """Step over one end of a block: the shell must stand at its other ends exactly as here."""
        hidden = self._hidden()
        if hidden or self.pending:
            self._refuse_block(self.pos, f"stands inside {hidden or 'a line that begins a here-document'}")
        role = self.script.marks[self.pos].role
        if role is Role.OPEN:
            self._opened.append(self.state)
        elif not self.matches:
            self._refuse_block(self.pos, "does not stand where its block began, as the shell reads it")
        if role is Role.CLOSE:
            self._opened.pop()
        self.blocks += 1
        self.pos += 1

    @property
    def matches(self) -> bool:
        return self.script.marks[self.pos].role is Role.OPEN or self.state == self._opened[-1]

    def followed_by(self, ends: frozenset[str]) -> bool:
        return self.script.followers(self.pos) <= ends

    @property
    def ends_line(self) -> bool:
        """Around whole commands a block may begin or end directly before the end of the line."""
        return self.peek() == BLOCK and not self.pending and self._before_line_end

    @property
    def _before_line_end(self) -> bool:
        opens = self.script.marks[self.pos].role is Role.OPEN
        return (opens or not self.matches) and self.followed_by(LINE_ENDS)

    def blanks(self, *, final: bool = False) -> None:
        """Pass blanks, continued lines, comments and block ends; `final` where no command can end."""
        while True:
            if self.peek() in BLANKS:
                self.pos += 1
            elif self.starts("\\\n"):
                self.continuation()
            elif self.peek() == "#":
                self._comment()
            elif self.peek() == BLOCK and (final or not self.ends_line):
                self.block()
            else:
                return

    def newlines(self) -> None:
        self.blanks(final=True)
        while self.peek() == "\n":
            self.newline()
            self.blanks(final=True)

    def newline(self) -> None:
        if self.pending and self.read_bodies:
            self.read_bodies()
        else:
            self.pos += 1

    def continuation(self) -> None:
        if self.pending:
            self.lost("a line continued after the start of a here-document", remedy=remedies.SPLIT)
        self.pos += 2

    def operator(self, length: int) -> None:
        self.pos += length
        if self.starts("\\\n") and self.peek(2) in OPERATORS:
            self.lost("an operator broken over two lines")

    def passed(self, start: int, kind: str) -> None:
        """A line end inside a word would move the here-documents that are still to come."""
        if self.pending and "\n" in self.text[start : self.pos]:
            self.lost(f"a here-document begun before {kind} of several lines", start, remedies.SPLIT)

    def _hidden(self) -> str | None:
        kinds = [kind for kind, _ in self.frames]
        evaluated = [kind for kind in kinds if kind in EVALUATED]
        hiding = evaluated or [kind for kind in kinds[-1:] if kind in QUOTES]
        return hiding[-1] if hiding else None

    def _refuse_block(self, at: int, cause: str) -> NoReturn:
        self.refuse(at, f"{self.script.marks[at].label} {cause}", remedies.BLOCK)

    def _comment(self) -> None:
        outer, self.place = self.place, ("comment", self.serial())
        while self.peek() not in LINE_ENDS:
            if self.peek() == BLOCK:
                if self._before_line_end:
                    break
                self.block()
            else:
                self.pos += 1
        self.place = outer
