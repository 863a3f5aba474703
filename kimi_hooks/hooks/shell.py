"""Follows a shell script with tags and blocks in it, and refuses it where a value could be evaluated or broken.

What cannot be followed is refused as well: a template is accepted only when every tag in it is known to be one whole
argument, or part of one, of a command that does not evaluate it.
"""

from __future__ import annotations

import re
from typing import NoReturn

from kimi_hooks.hooks import shell_remedies as remedies
from kimi_hooks.hooks.shell_cursor import LIST, WORD_ENDS, Cursor
from kimi_hooks.hooks.shell_marks import BLOCK, TAG, MarkedScript
from kimi_hooks.hooks.shell_names import CLOSING, OPENING, RESERVED, SPECIAL
from kimi_hooks.hooks.shell_simple import NAME_OF_FUNCTION, NO_ARGUMENTS, SimpleCommands

_END = "the end of the file"
_RESERVED = re.compile(
    rf"(?:{'|'.join(map(re.escape, sorted(RESERVED, key=len, reverse=True)))})(?=((?:\\\n)*)([ \t\n;&|<>()\ue001]|\Z))"
)
_CASE_END = re.compile(r";;&|;;|;&")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?=[ \t\n;]|\Z)")


def check(script: MarkedScript, where: str, *, bash: bool) -> None:
    """Raise TemplateError for the first tag or block that may not stand where it does."""
    if script.marks:
        _Grammar(Cursor(script, where, bash=bash)).script()


class _Grammar(SimpleCommands):
    """Lists, pipelines and compound commands, each read to its end; the cursor refuses."""

    def __init__(self, cursor: Cursor) -> None:
        super().__init__(cursor)
        self._compounds = {
            "if": self._if,
            "while": self._while,
            "until": self._while,
            "for": self._for,
            "select": self._for,
            "case": self._case,
            "{": lambda: self._body("{ }", "}"),
            "[[": self._words.condition,
            "function": self._function,
        }

    def script(self) -> None:
        self._body("the script", _END)

    def _body(self, kind: str, *stops: str) -> str:
        """Commands up to one of the stop words, which is passed and returned."""
        cursor, start = self._cursor, self._cursor.pos
        with cursor.inside(kind):
            while True:
                cursor.place = LIST
                cursor.newlines()
                stop = self._stop()
                if (";;" if _CASE_END.fullmatch(stop) else stop) in stops:
                    break
                if stop == _END:
                    cursor.refuse(max(start - 1, 0), f"{kind} is not closed", remedies.CLOSE)
                if stop:
                    cursor.lost(f"{stop} at this place")
                self._line()
        if stop != _END:
            cursor.pos += len(stop)
        return ";;" if _CASE_END.fullmatch(stop) else stop

    def _stop(self) -> str:
        cursor = self._cursor
        if cursor.peek() == "":
            return _END
        if cursor.peek() == ")":
            return ")"
        if found := _CASE_END.match(cursor.text, cursor.pos):
            return found[0]
        word = self._reserved()
        return word if word in CLOSING else ""

    def _reserved(self) -> str:
        """The reserved word at the cursor, which is not passed."""
        cursor = self._cursor
        found = _RESERVED.match(cursor.text, cursor.pos)
        if found is None or (found[0] == "!" and found[2] == "("):
            return ""
        mark = found.end(1)
        if found[2] == BLOCK and not cursor.script.followers(mark) <= WORD_ENDS:
            return ""
        return found[0]

    def _line(self) -> None:
        cursor = self._cursor
        self._and_or()
        if _CASE_END.match(cursor.text, cursor.pos):
            return
        if cursor.peek() in (";", "&"):
            cursor.operator(1)
        elif cursor.peek() not in ("\n", "", BLOCK) and not self._stop():
            cursor.lost("this")

    def _and_or(self) -> None:
        cursor = self._cursor
        self._pipeline()
        while cursor.starts("&&", "||"):
            cursor.operator(2)
            cursor.place = ("and", 0)
            cursor.newlines()
            self._pipeline()

    def _pipeline(self) -> None:
        cursor, outer, before = self._cursor, self._fed, self._cursor.tags
        self._modifiers()
        self._command()
        while cursor.peek() == "|" and not cursor.starts("||"):
            cursor.operator(2 if cursor.starts("|&") else 1)
            self._fed = outer or cursor.tags > before
            cursor.place = ("pipe", 0)
            cursor.newlines()
            self._command()
        self._fed = outer

    def _modifiers(self) -> None:
        cursor = self._cursor
        while (word := self._reserved()) in ("!", "time"):
            cursor.pos += len(word)
            cursor.place = (word, 0)
            cursor.blanks(final=True)
            if word == "time" and re.match(r"-p[ \t]", cursor.text[cursor.pos :]):
                cursor.pos += 2
                cursor.blanks(final=True)

    def _command(self) -> None:
        cursor = self._cursor
        word = self._reserved()
        if cursor.peek() == "(":
            self._parenthesis()
        elif word in OPENING:
            cursor.pos += len(word)
            self._compounds[word]()
        elif word:
            cursor.lost(f"{word} at this place")
        else:
            self._simple()
            return
        self._redirections()

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
        self._function_body()

    def _function_body(self) -> None:
        cursor = self._cursor
        outer, self._fed = self._fed, False
        with cursor.inside("a function"):
            cursor.newlines()
            if cursor.peek() != "(" and self._reserved() not in OPENING:
                cursor.lost("a function without { }")
            self._command()
        self._fed = outer
