"""Compound commands: groups, conditions, loops, cases and functions."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import NoReturn

from kimi_hooks.hooks import shell_remedies as remedies
from kimi_hooks.hooks.shell_cursor import WORD_ENDS, Cursor
from kimi_hooks.hooks.shell_marks import BLOCK, TAG
from kimi_hooks.hooks.shell_names import OPENING, RESERVED, SPECIAL
from kimi_hooks.hooks.shell_simple import NAME_OF_FUNCTION, NO_ARGUMENTS, SimpleCommands

_RESERVED = re.compile(
    rf"(?:{'|'.join(map(re.escape, sorted(RESERVED, key=len, reverse=True)))})(?=((?:\\\n)*)([ \t\n;&|<>()\ue001]|\Z))"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?=[ \t\n;]|\Z)")


class Compounds(SimpleCommands):
    """Reads each to its end; the lists inside go back to the grammar."""

    def __init__(self, cursor: Cursor, reading_functions: frozenset[str]) -> None:
        super().__init__(cursor, reading_functions)
        self._reading_functions = reading_functions
        self._compounds = {
            "if": self._if,
            "while": self._while,
            "until": self._while,
            "for": self._for,
            "select": self._select,
            "case": self._case,
            "{": lambda: self._body("{ }", "}"),
            "[[": self._words.condition,
            "function": self._function,
        }

    @abstractmethod
    def _command(self) -> None:
        """Read one command, of whatever kind."""

    def _reserved(self) -> str:
        """The reserved word at the cursor, which is not passed."""
        cursor = self._cursor
        found = _RESERVED.match(cursor.text, cursor.pos)
        if found is None or (found[0] == "!" and found[2] == "("):
            return ""
        if found[0] == "time" and not cursor.bash:
            return ""
        mark = found.end(1)
        if found[2] == BLOCK and not cursor.script.followers(mark) <= WORD_ENDS:
            return ""
        return found[0]

    def _parenthesis(self) -> None:
        cursor = self._cursor
        if cursor.starts("(("):
            cursor.bash_only("(( ))")
            cursor.pos += 2
            self._words.arithmetic()
        else:
            cursor.operator(1)
            self._body("( )", ")")

    def _if(self) -> None:
        self._body("if", "then")
        stop = self._body("then", "elif", "else", "fi")
        while stop == "elif":
            self._body("elif", "then")
            stop = self._body("then", "elif", "else", "fi")
        if stop == "else":
            self._body("else", "fi")

    def _while(self) -> None:
        self._body("while or until", "do")
        self._body("do", "done")

    def _select(self) -> None:
        self._cursor.bash_only("select")
        self._for()

    def _for(self) -> None:
        cursor = self._cursor
        with cursor.inside("for or select"):
            cursor.blanks(final=True)
            if cursor.starts("(("):
                self._parenthesis()
            else:
                self._for_words()
            cursor.blanks(final=True)
            if cursor.peek() == ";":
                cursor.operator(1)
            cursor.newlines()
            if self._reserved() != "do":
                cursor.lost("a loop without do")
            cursor.pos += 2
        self._body("do", "done")

    def _for_words(self) -> None:
        cursor = self._cursor
        start, before = cursor.pos, cursor.tags
        found = _NAME.match(cursor.text, cursor.pos)
        if found is None:
            self._refuse_name("the name of a loop's variable")
        cursor.pos = found.end()
        cursor.newlines()
        if self._reserved() != "in":
            return
        cursor.pos += 2
        self._loop_words()
        if cursor.tags > before and SPECIAL.fullmatch(found[0]):
            tag = cursor.text.index(TAG, start)
            cursor.refuse_tag(tag, f"is assigned to {found[0]}, which the shell itself uses", remedies.SPECIAL)

    def _loop_words(self) -> None:
        cursor = self._cursor
        cursor.place = ("words", cursor.serial())
        cursor.blanks(final=True)
        while self._words.begins:
            self._words.word()
            cursor.blanks(final=True)
        if cursor.peek() not in (";", "\n"):
            cursor.lost("this list of words")

    def _refuse_name(self, what: str) -> NoReturn:
        cursor = self._cursor
        end = re.compile(r"[ \t\n;(]|\Z").search(cursor.text, cursor.pos)
        cursor.refuse_marks(cursor.pos, end.start() if end else cursor.pos, what)
        cursor.lost(what)

    def _case(self) -> None:
        cursor = self._cursor
        with cursor.inside("case"):
            cursor.blanks(final=True)
            self._words.word()
            cursor.newlines()
            if self._reserved() != "in":
                cursor.lost("a case without in")
            cursor.pos += 2
            while self._clause():
                pass

    def _clause(self) -> bool:
        """One clause of a case; false after esac."""
        cursor = self._cursor
        cursor.place = ("pattern", 0)
        cursor.newlines()
        if self._reserved() == "esac":
            cursor.pos += 4
            return False
        if cursor.peek() == "(":
            cursor.operator(1)
            cursor.blanks(final=True)
        self._pattern()
        return self._body("a case clause", ";;", "esac") == ";;"

    def _pattern(self) -> None:
        cursor = self._cursor
        while True:
            if not self._words.begins:
                cursor.lost("this pattern of a case")
            self._words.word()
            cursor.blanks(final=True)
            cursor.pos += 1
            if cursor.text[cursor.pos - 1 : cursor.pos] == ")":
                return
            if cursor.text[cursor.pos - 1 : cursor.pos] != "|":
                cursor.lost("this pattern of a case", cursor.pos - 1)
            cursor.blanks(final=True)

    def _function(self) -> None:
        cursor = self._cursor
        cursor.bash_only("function")
        cursor.blanks(final=True)
        found = NAME_OF_FUNCTION.match(cursor.text, cursor.pos)
        if found is None:
            self._refuse_name("the name of a function")
        cursor.pos = found.end()
        cursor.refuse_marks(cursor.pos, cursor.pos + 1, "the name of a function")
        cursor.blanks(final=True)
        if arguments := NO_ARGUMENTS.match(cursor.text, cursor.pos):
            cursor.pos = arguments.end()
        self._function_body(found[0])

    def _function_body(self, name: str) -> None:
        cursor, readers = self._cursor, len(self._rules.readers)
        outer, cursor.fed = cursor.fed, False
        with cursor.inside("a function"):
            cursor.newlines()
            if cursor.peek() != "(" and self._reserved() not in OPENING:
                cursor.lost("a function without { }")
            self._command()
        cursor.fed = outer
        if len(self._rules.readers) > readers:
            self._reading_functions |= {name}
