"""A template as the shell scanner sees it: each tag and each end of a block is one character of the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

TAG = "\ue000"
BLOCK = "\ue001"
EXPANSION = "\ue002"
QUOTED = "\ue003"
PLACEHOLDERS = frozenset({TAG, BLOCK, EXPANSION, QUOTED})


class Role(Enum):
    """What a mark is: a value, or one of the three kinds of `{% %}` that bound a block."""

    TAG = auto()
    OPEN = auto()
    MIDDLE = auto()
    CLOSE = auto()


@dataclass(frozen=True)
class Mark:
    role: Role
    label: str


@dataclass
class _Group:
    word: str
    start: int
    middles: list[int] = field(default_factory=list)
    has_else: bool = False


class MarkedScript:
    """The text, the line each character came from, the marks, and which text may follow a mark when rendered."""

    def __init__(self) -> None:
        self.marks: dict[int, Mark] = {}
        self._parts: list[str] = []
        self._lines: list[int] = []
        self._next: dict[int, list[int]] = {}
        self._groups: list[_Group] = []

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def has_tags(self) -> bool:
        return any(mark.role is Role.TAG for mark in self.marks.values())

    def line(self, position: int) -> int:
        if not self._lines:
            return 1
        return self._lines[min(position, len(self._lines) - 1)]

    def add_text(self, text: str, line: int) -> None:
        for char in text:
            self._append(char, line)
            line += char == "\n"

    def add_tag(self, expression: str, line: int) -> None:
        self._mark(Role.TAG, f"{{{{ {expression} }}}}", line)

    def open(self, word: str, line: int) -> None:
        start = self._mark(Role.OPEN, f"{{% {word} %}}", line)
        self._groups.append(_Group(word, start))

    def middle(self, word: str, line: int) -> None:
        group = self._groups[-1]
        group.middles.append(self._mark(Role.MIDDLE, f"{{% {word} %}}", line))
        group.has_else = word == "else"

    def close(self, line: int | None = None) -> None:
        group = self._groups.pop()
        end = self._mark(Role.CLOSE, f"{{% end{group.word} %}}", line or self.line(len(self._lines)))
        if group.word == "for":
            self._follow_loop(group, end)
        else:
            self._follow_choice(group, end)

    def followers(self, position: int) -> set[str]:
        """The characters that may come right after a mark in some rendering; "" is the end of the text."""
        text, found, seen, waiting = self.text, set[str](), set[int](), list(self._next[position])
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            if text[place : place + 1] == BLOCK:
                waiting += self._next[place]
            else:
                found.add(text[place : place + 1])
        return found

    def _append(self, char: str, line: int) -> int:
        self._parts.append(char)
        self._lines.append(line)
        return len(self._parts) - 1

    def _mark(self, role: Role, label: str, line: int) -> int:
        position = self._append(TAG if role is Role.TAG else BLOCK, line)
        self.marks[position] = Mark(role, label)
        return position

    def _follow_choice(self, group: _Group, end: int) -> None:
        branches = [group.start, *group.middles] + ([] if group.has_else else [end])
        self._next[group.start] = [place + 1 for place in branches]
        self._next.update({place: [end + 1] for place in [*group.middles, end]})

    def _follow_loop(self, group: _Group, end: int) -> None:
        again = group.start + 1
        self._next[end] = [end + 1] if group.has_else else [again, end + 1]
        self._next[group.start] = [again, (group.middles or [end])[0] + 1]
        self._next.update({place: [again, end + 1] for place in group.middles})
