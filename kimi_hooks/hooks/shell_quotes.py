"""Quotes and expansions inside one word, and what is known of the word's text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from kimi_hooks.hooks import shell_heredoc
from kimi_hooks.hooks import shell_remedies as remedies
from kimi_hooks.hooks.shell_cursor import Cursor
from kimi_hooks.hooks.shell_marks import BLOCK, EXPANSION, PLACEHOLDERS, QUOTED, TAG

ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[.*\])?(\+?)=", re.DOTALL)
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_GLOB = re.compile(r"^~|[*?]|\[.|.\[|\{.*(,|\.\.).*\}", re.DOTALL)
# What two shells read alike inside ${...}, whether or not they take the quotes for quotes.
_PLAIN_QUOTED = re.compile(r"""'(?:[^'"`$\\{}]|\\[A-Za-z0-9])*'""")


@dataclass
class Word:
    """`text` is without quotes, `bare` the same with QUOTED for what was quoted; unknown parts are placeholders."""

    pos: int
    text: str = ""
    bare: str = ""
    has_tag: bool = False
    has_block: bool = False
    splits: bool = False

    @property
    def literal(self) -> bool:
        unknown = self.has_tag or self.has_block or PLACEHOLDERS.intersection(self.text)
        return not unknown and not _GLOB.search(self.bare)

    @property
    def is_loose(self) -> bool:
        """Whether a value makes its first character, which may then be a dash."""
        begins = self.text.lstrip(EXPANSION)[:1]
        return self.has_tag and (begins == TAG or (not begins and TAG not in self.text))

    @property
    def assigns(self) -> bool:
        return ASSIGNMENT.match(self.bare) is not None

    def add(self, text: str, *, quoted: bool = True) -> None:
        self.text += text
        self.bare += QUOTED * len(text) if quoted else text


class Quotes:
    """Reads the parts of words at the cursor; commands inside `$( )` go back to the grammar."""

    def __init__(self, cursor: Cursor, commands: Callable[[str, str], str]) -> None:
        self.cursor = cursor
        self.commands = commands
        cursor.read_bodies = lambda: shell_heredoc.read_all(cursor, self._body)

    def piece(self, word: Word) -> None:
        """One quoted part, expansion or character."""
        cursor = self.cursor
        char, start = cursor.peek(), cursor.pos
        if char == "\\":
            self._backslash(word)
        elif char == "'":
            self._single(word)
        elif char == '"':
            self._double(word)
        elif char == "`":
            self._backticks(word, quoted=False)
        elif char == "$":
            self.dollar(word, quoted=False)
        else:
            word.add(char, quoted=False)
            cursor.pos += 1
        if char in "'\"`$":
            cursor.passed(start, "a quoted part or an expansion")

    def dollar(self, word: Word, *, quoted: bool) -> None:
        cursor = self.cursor
        following, start = cursor.peek(1), cursor.pos
        if following == TAG:
            cursor.refuse_tag(start + 1, "stands directly after a $")
        if following == BLOCK:
            cursor.refuse(start, "a block stands directly after a $", remedies.BLOCK)
        if following == "\\" and cursor.peek(2) == "\n":
            cursor.lost("a $ at the end of a continued line")
        if following == "[":
            cursor.lost("$[ ]", remedy="write $(( )) instead")
        cursor.pos += 1
        if following in ("(", "{"):
            self._braced(word, quoted=quoted)
        elif following in ("'", '"') and not quoted:
            self._dollar_quotes(word)
        elif found := _PARAMETER.match(cursor.text, cursor.pos):
            cursor.pos = found.end()
            self._expanded(word, splits=not quoted or found[0] == "@")
        else:
            word.add("$")

    def arithmetic(self, end: str = "))") -> None:
        """From after `((` to after `))`."""
        cursor = self.cursor
        start, depth = cursor.pos, 0
        with cursor.inside("arithmetic"):
            while depth or not cursor.starts(end):
                char = cursor.peek()
                if char == "$":
                    self.dollar(Word(cursor.pos), quoted=True)
                    continue
                self._plain(start, "\"'`\\", "arithmetic")
                depth += (char == "(") - (char == ")")
                if depth < 0:
                    cursor.lost("(( that is not closed by ))", start, "put a blank between two parentheses")
        cursor.pos += len(end)
        cursor.passed(start, "arithmetic")

    def _plain(self, start: int, refused: str, kind: str) -> None:
        """Step over one character that means nothing here."""
        cursor = self.cursor
        cursor.refuse_bad_mark()
        if cursor.peek() == "":
            cursor.refuse(start, f"{kind} is not closed", remedies.CLOSE)
        if cursor.peek() in refused and not cursor.starts("\\\n"):
            cursor.lost(f"a {cursor.peek()} inside {kind}")
        cursor.pos += 1

    def _expanded(self, word: Word, *, splits: bool) -> None:
        word.add(EXPANSION)
        word.splits = word.splits or splits

    def _backslash(self, word: Word) -> None:
        cursor = self.cursor
        if cursor.peek(1) == TAG:
            cursor.refuse_tag(cursor.pos + 1, "stands directly after a backslash")
        if cursor.peek(1) in (BLOCK, ""):
            cursor.lost("a backslash before a block or the end")
        if cursor.peek(1) == "\n":
            cursor.continuation()
            return
        word.add(cursor.peek(1))
        cursor.pos += 2

    def _single(self, word: Word) -> None:
        cursor = self.cursor
        start = cursor.pos
        end = cursor.text.find("'", start + 1)
        cursor.refuse_marks(start, end if end >= 0 else len(cursor.text), "single quotes")
        if end < 0:
            cursor.refuse(start, "a single quote is not closed", remedies.CLOSE)
        word.add(cursor.text[start + 1 : end])
        self._mark_quoted(word, empty=end == start + 1)
        cursor.pos = end + 1

    def _mark_quoted(self, word: Word, *, empty: bool) -> None:
        """Empty quotes leave no text, yet `""if` is no reserved word and `a""=` assigns nothing."""
        if empty:
            word.bare += QUOTED

    def _double(self, word: Word) -> None:
        cursor = self.cursor
        start = cursor.pos
        cursor.pos += 1
        with cursor.inside("double quotes"):
            while cursor.peek() != '"':
                self._double_part(word, start)
        cursor.pos += 1
        self._mark_quoted(word, empty=cursor.pos == start + 2)

    def _double_part(self, word: Word, start: int) -> None:
        cursor = self.cursor
        char = cursor.peek()
        if char == "$":
            self.dollar(word, quoted=True)
        elif char == "`":
            self._backticks(word, quoted=True)
        elif char == "\\":
            self._backslash_in_double(word, start)
        else:
            self._plain(start, "", "a double quote")
            word.add(char)

    def _backslash_in_double(self, word: Word, start: int) -> None:
        cursor = self.cursor
        cursor.pos += 1
        char = cursor.peek()
        if char not in ("$", "`", '"', "\\", "\n"):
            word.add("\\")
        self._plain(start, "", "a double quote")
        word.add(char if char != "\n" else "")

    def _dollar_quotes(self, word: Word) -> None:
        """After `$`, at a quote: what the text becomes is not worked out."""
        cursor = self.cursor
        ignored = Word(cursor.pos)
        if cursor.peek() == '"':
            self._double(ignored)
        else:
            self._ansi(cursor.pos)
        self._expanded(word, splits=False)

    def _ansi(self, start: int) -> None:
        cursor = self.cursor
        cursor.bash_only("$'...'")
        cursor.pos += 1
        with cursor.inside("$'...'"):
            while cursor.peek() != "'":
                escaped = cursor.peek() == "\\"
                self._plain(start, "", "a $' quote")
                if escaped:
                    self._plain(start, "", "a $' quote")
        cursor.pos += 1

    def _backticks(self, word: Word, *, quoted: bool) -> None:
        cursor = self.cursor
        start = cursor.pos
        cursor.pos += 1
        with cursor.inside("backticks"):
            while cursor.peek() != "`":
                escaped = cursor.peek() == "\\"
                self._plain(start, "", "a backtick")
                if escaped:
                    self._plain(start, "", "a backtick")
        cursor.pos += 1
        self._expanded(word, splits=not quoted)

    def _braced(self, word: Word, *, quoted: bool) -> None:
        """After `$`, at a parenthesis or a brace."""
        cursor = self.cursor
        start = cursor.pos
        if cursor.starts("(("):
            cursor.pos += 2
            self.arithmetic()
        elif cursor.peek() == "(":
            cursor.operator(1)
            self.commands("$( )", ")")
        else:
            cursor.pos += 1
            self._parameter(start)
        everything = cursor.text[start : cursor.pos]
        self._expanded(word, splits=not quoted or (everything.startswith("{") and "@" in everything))

    def _parameter(self, start: int) -> None:
        """From after `${` to after its brace."""
        cursor = self.cursor
        if cursor.peek() in (" ", "\t", "\n", "|"):
            cursor.lost("a command inside ${ }")
        with cursor.inside("${...}"):
            while cursor.peek() != "}":
                self._parameter_part(start, nested=False)
        cursor.pos += 1

    def _parameter_part(self, start: int, *, nested: bool) -> None:
        cursor = self.cursor
        char = cursor.peek()
        plain = None if nested else _PLAIN_QUOTED.match(cursor.text, cursor.pos)
        if plain:
            cursor.refuse_marks(cursor.pos, plain.end(), "${...}")
            cursor.pos = plain.end()
        elif char == "$":
            self.dollar(Word(cursor.pos), quoted=True)
        elif char == '"' and not nested:
            self._parameter_quotes(start)
        elif char == "\\":
            cursor.pos += 1
            self._plain(start, "", "${...}")
        else:
            self._plain(start, "'{`}", "${...}")

    def _parameter_quotes(self, start: int) -> None:
        cursor = self.cursor
        cursor.pos += 1
        while cursor.peek() != '"':
            self._parameter_part(start, nested=True)
        cursor.pos += 1

    def _body(self, end: int) -> None:
        """The expansions in an unquoted here-document."""
        cursor = self.cursor
        while cursor.pos < end:
            char = cursor.peek()
            if char == "$":
                self.dollar(Word(cursor.pos), quoted=True)
            elif char == "`":
                self._backticks(Word(cursor.pos), quoted=True)
            else:
                cursor.pos += 2 if char == "\\" else 1
