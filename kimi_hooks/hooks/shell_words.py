"""One word of the shell: where its tags and blocks may stand in it."""

from __future__ import annotations

import re

from kimi_hooks.hooks import shell_remedies as remedies
from kimi_hooks.hooks.shell_cursor import METACHARACTERS, WORD_ENDS
from kimi_hooks.hooks.shell_marks import BLOCK, EXPANSION, TAG, Role
from kimi_hooks.hooks.shell_quotes import ASSIGNMENT, Quotes, Word

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A block may change the end of such a word, never whether it is an option or a command.
_SETTLED = re.compile(r"--[A-Za-z]|[^=]+=|[^=]*[A-Za-z]+:/", re.DOTALL)
_ELEMENT = re.compile(r"\[[^\[\]]*\]\+?=")
_CONDITION_END = re.compile(r"\]\](?=[ \t\n;&|<>()]|\Z)")


class Words(Quotes):
    """Reads words at the cursor."""

    @property
    def begins(self) -> bool:
        return self.cursor.peek() not in METACHARACTERS | {"", BLOCK} or self.cursor.starts("<(", ">(")

    def word(self, *, first: bool = False, declares: bool = False, argument: bool = False) -> Word:
        """Read one; `first` stands at command position, `declares` may hold an array, `argument` is judged by rules."""
        cursor = self.cursor
        outer, cursor.place = cursor.place, ("word", cursor.serial())
        word, tags, blocks = Word(cursor.pos), cursor.tags, cursor.blocks
        while self._more(word, first=first, declares=declares, argument=argument):
            word.has_tag = cursor.tags > tags
        cursor.place = outer
        word.has_tag, word.has_block = cursor.tags > tags, cursor.blocks > blocks
        self._check_ends(word)
        return word

    def _more(self, word: Word, *, first: bool, declares: bool, argument: bool) -> bool:
        cursor = self.cursor
        char = cursor.peek()
        if char == BLOCK:
            return self._block(word, first=first, argument=argument)
        if char == TAG:
            self._tag(word, first=first)
        elif char == "(" and (first or declares) and re.fullmatch(ASSIGNMENT, word.bare):
            self._array(word)
        elif char == "[" and (first or declares) and _NAME.fullmatch(word.bare):
            self._subscript(word)
        elif cursor.starts("<(", ">("):
            self._process(word)
        elif char == "" or char in METACHARACTERS:
            return False
        else:
            self.piece(word)
        return True

    def _tag(self, word: Word, *, first: bool) -> None:
        if first and not word.assigns:
            self.cursor.refuse_tag(self.cursor.pos, "stands at command position", remedies.COMMAND)
        self.cursor.tag()
        word.add(TAG)

    def _block(self, word: Word, *, first: bool, argument: bool) -> bool:
        """A block mark either ends the word or stands inside it; in doubt it is refused."""
        cursor = self.cursor
        inside = cursor.matches and not (cursor.followed_by(WORD_ENDS) and self._opens())
        if not inside and cursor.followed_by(WORD_ENDS):
            return False
        settled = word.assigns if first else _SETTLED.match(word.text) or not argument
        if inside and not settled:
            label = cursor.script.marks[cursor.pos].label
            cursor.refuse(cursor.pos, f"{label} stands inside a word that it could change", remedies.WHOLE)
        cursor.block()
        return True

    def _opens(self) -> bool:
        return self.cursor.script.marks[self.cursor.pos].role is Role.OPEN

    def _check_ends(self, word: Word) -> None:
        if word.pos == self.cursor.pos:
            self.cursor.lost("this")
        if word.has_tag and word.bare.startswith("{") and self.cursor.peek() in ("<", ">"):
            self.cursor.lost("a tag before a redirection in braces", word.pos)

    def _process(self, word: Word) -> None:
        cursor = self.cursor
        start, outer = cursor.pos, cursor.fed
        cursor.bash_only("<( )")
        # What is written into >( ) may be a value, whoever writes it.
        cursor.fed = outer or cursor.starts(">")
        cursor.operator(2)
        self.commands("<( )", ")")
        cursor.fed = outer
        self._expanded(word, splits=False)
        cursor.passed(start, "<( )")

    def _subscript(self, word: Word) -> None:
        """`name[` at the start of an assignment; bash would read on over blanks, others would not."""
        cursor = self.cursor
        start = cursor.pos
        cursor.bash_only("a subscript")
        with cursor.inside("a subscript"):
            cursor.pos += 1
            word.add("[", quoted=False)
            while cursor.peek() != "]":
                cursor.refuse_bad_mark()
                if cursor.peek() in METACHARACTERS or cursor.peek() in ("", "["):
                    cursor.lost("this subscript", start)
                self.piece(word)

    def _array(self, word: Word) -> None:
        cursor = self.cursor
        start = cursor.pos
        cursor.bash_only("an array")
        cursor.pos += 1
        with cursor.inside("an array"):
            cursor.newlines()
            while cursor.peek() != ")":
                if not self.begins:
                    cursor.refuse(start, "an array is not closed", remedies.CLOSE)
                self._element()
                cursor.newlines()
        cursor.pos += 1
        word.add(EXPANSION)
        cursor.passed(start, "an array")
        if cursor.peek() not in METACHARACTERS | {"", BLOCK}:
            cursor.lost("text directly after an array")

    def _element(self) -> None:
        cursor = self.cursor
        element = self.word()
        if not element.bare.startswith("["):
            return
        if element.has_tag:
            at = cursor.text.find(TAG, element.pos)
            cursor.refuse_tag(at, "stands in an array element with a subscript", remedies.ARRAY)
        if not _ELEMENT.match(element.bare) or element.has_block:
            cursor.lost("this array element", element.pos)

    def condition(self) -> None:
        """From after `[[` to after `]]`."""
        cursor = self.cursor
        cursor.bash_only("[[ ]]")
        start, depth = cursor.pos, 0
        with cursor.inside("[[ ... ]]"):
            while not _CONDITION_END.match(cursor.text, cursor.pos):
                depth += self._condition_part(start)
                self._condition_blanks()
        if depth:
            cursor.lost("[[ ]] with unbalanced parentheses", start)
        cursor.pos += 2
        cursor.passed(start, "[[ ]]")

    def _condition_blanks(self) -> None:
        cursor = self.cursor
        while cursor.peek() in (" ", "\t", "\n"):
            cursor.pos += 1
        if cursor.peek() == "#":
            cursor.lost("a # at the start of a word inside [[ ]]")

    def _condition_part(self, start: int) -> int:
        """One word or operator; what it adds to the depth of parentheses."""
        cursor = self.cursor
        cursor.refuse_bad_mark()
        char = cursor.peek()
        if char == "":
            cursor.refuse(start, "[[ is not closed", remedies.CLOSE)
        if char == ";" or cursor.starts("<(", ">("):
            cursor.lost(f"{char} inside [[ ]]")
        if char in "&|<>() \t\n":
            cursor.pos += 1
            return (char == "(") - (char == ")")
        while cursor.peek() not in {"", BLOCK, TAG, *" \t\n;&|<>()"}:
            self.piece(Word(cursor.pos))
        return 0
