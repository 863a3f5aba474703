"""What `printf`, `test` and `find` make of their words: where a value could be taken for something else."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from kimi_hooks.hooks.shell_quotes import Word

RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
# fmt: off
_UNARY = frozenset([
    "-n", "-z", "-e", "-f", "-d", "-r", "-w", "-x", "-s", "-L", "-h", "-p", "-S",
    "-b", "-c", "-g", "-k", "-u", "-O", "-G", "-N",
])
# fmt: on
_BINARY = frozenset(["=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"])
# bash passes over the letters for a size: %ln stores a count as %n does.
_FORMAT_WRITES = re.compile(r"%[^A-Za-z%]*[hjlLtz]*n")


def is_plain_printf(words: Sequence[Word]) -> bool:
    """Whether the format is written out, and stores nothing in a variable."""
    form = words[2:3] if words[1].text == "--" else words[1:2]
    text = form[0].text if form else ""
    return bool(form) and form[0].literal and not text.startswith("-") and not _FORMAT_WRITES.search(text)


def is_safe_test(operands: Sequence[Word]) -> bool:
    """Whether the words between `[` and `]` can be read in one way only, whatever the values are."""
    if len(operands) > 1 and operands[0].literal and operands[0].text == "!" and operands[1].text not in _BINARY:
        operands = operands[1:]
    if any(word.splits for word in operands):
        return False
    match operands:
        case [_]:
            return True
        case [operator, _]:
            return operator.literal and operator.text in _UNARY
        case [_, operator, _]:
            return operator.literal and operator.text in _BINARY
    return False


def loose_in_find(words: Sequence[Word]) -> Word | None:
    """The first value that `find` could take for a part of its expression, such as -exec."""
    for before, word in itertools.pairwise(words):
        if word.is_loose and not (before.literal and before.text.startswith("-")):
            return word
    return None


def run_by(words: Sequence[Word]) -> list[Sequence[Word]]:
    """The commands that stand after -exec and its like."""
    places = [place for place, word in enumerate(words) if word.text in RUNS and place + 1 < len(words)]
    return [words[place + 1 : _end(words, place + 1)] for place in places]


def _end(words: Sequence[Word], start: int) -> int:
    ends = (place for place, word in enumerate(words[start:], start) if word.text in (";", "+"))
    return max(start + 1, next(ends, len(words)))
