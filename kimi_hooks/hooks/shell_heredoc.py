"""Here-documents: where a body begins and ends, refused wherever two shells could disagree."""

from __future__ import annotations

import re
from collections.abc import Callable

from kimi_hooks.hooks import shell_remedies as remedies
from kimi_hooks.hooks.shell_cursor import WORD_ENDS, Cursor, HereDocument
from kimi_hooks.hooks.shell_marks import BLOCK, TAG

_DELIMITER = re.compile(r"""(?P<bare>\w+)|'(?P<single>[\w .-]+)'|"(?P<double>[\w .-]+)"|\\(?P<escaped>\w+)""", re.ASCII)
_DELIMITER_ENDS = WORD_ENDS | {"<", ">"}
_KIND = "a here-document"


def begin(cursor: Cursor, *, tabs: bool) -> None:
    """Read the delimiter word after `<<`; the body comes after the line."""
    cursor.blanks()
    if cursor.peek() in (TAG, BLOCK):
        cursor.refuse_marks(cursor.pos, cursor.pos + 1, "the delimiter of a here-document")
    found = _DELIMITER.match(cursor.text, cursor.pos)
    if found is None:
        cursor.lost("this delimiter of a here-document", remedy="use a plain word such as EOF or 'EOF'")
    start, cursor.pos = cursor.pos, found.end()
    if cursor.peek() in (TAG, BLOCK):
        cursor.refuse_marks(cursor.pos, cursor.pos + 1, "the delimiter of a here-document")
    if cursor.peek() not in _DELIMITER_ENDS:
        cursor.lost("this delimiter of a here-document", remedy="use a plain word such as EOF or 'EOF'")
    word = found[found.lastgroup or 0]
    cursor.pending.append(HereDocument(word, start, len(cursor.frames), found.lastgroup != "bare", tabs))


def read_all(cursor: Cursor, expansions: Callable[[int], None]) -> None:
    """From the end of the line that began them to the start of the line after the last body."""
    waiting, cursor.pending = cursor.pending, []
    cursor.pos += 1
    for here in waiting:
        if here.depth != len(cursor.frames):
            cursor.lost("a here-document whose line ends inside another construct", here.start, remedies.SPLIT)
        _read(cursor, here, expansions)


def _read(cursor: Cursor, here: HereDocument, expansions: Callable[[int], None]) -> None:
    start = cursor.pos
    end, after = _find_end(cursor, here)
    cursor.refuse_marks(start, end, _KIND)
    if not here.quoted:
        with cursor.inside(_KIND):
            expansions(end)
        if cursor.pos != end:
            cursor.lost("an expansion that does not end inside its here-document", start)
    cursor.pos = after


def _find_end(cursor: Cursor, here: HereDocument) -> tuple[int, int]:  # noqa: RET503 - refuse never returns
    """Where the delimiter's line begins, and where the line after it does."""
    place, joined = cursor.pos, ""
    while place < len(cursor.text):
        end = cursor.text.find("\n", place) if "\n" in cursor.text[place:] else len(cursor.text)
        line = cursor.text[place:end].lstrip("\t" if here.tabs else "")
        if joined and here.delimiter in (line, joined[1:] + line):
            cursor.lost("a delimiter of a here-document after a backslash", here.start)
        if line == here.delimiter:
            return place, min(end + 1, len(cursor.text))
        continued = not here.quoted and (len(line) - len(line.rstrip("\\"))) % 2
        joined = (joined or "+") + line[:-1] if continued else ""
        place = end + 1
    cursor.refuse_marks(cursor.pos, len(cursor.text), _KIND)
    cursor.refuse(here.start, f"the here-document {here.delimiter} has no end", remedies.CLOSE)
