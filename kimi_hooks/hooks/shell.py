"""Follows a shell script with tags and blocks in it, and refuses it where a value could be evaluated or broken.

What cannot be followed is refused as well: a template is accepted only when every tag in it is known to be one whole
argument, or part of one, of a command that does not evaluate it.
"""

from __future__ import annotations

import re

from kimi_hooks.hooks import shell_remedies as remedies
from kimi_hooks.hooks.shell_compounds import Compounds
from kimi_hooks.hooks.shell_cursor import LIST, Cursor
from kimi_hooks.hooks.shell_marks import BLOCK, MarkedScript
from kimi_hooks.hooks.shell_names import CLOSING, OPENING

_END = "the end of the file"
_CASE_END = re.compile(r";;&|;;|;&")


def check(script: MarkedScript, where: str, *, bash: bool) -> None:
    """Raise TemplateError for the first tag or block that may not stand where it does."""
    known: frozenset[str] | None = None
    found = frozenset[str]()
    # A function may be called above the one that it calls, so what is learned of functions is applied from the top.
    while script.marks and found != known:
        known = found
        found = _Grammar(Cursor(script, where, bash=bash), known).script()


class _Grammar(Compounds):
    """Lists and pipelines, read to the end of the script; the cursor refuses."""

    def script(self) -> frozenset[str]:
        """Read it all; the functions in it that would run what they read."""
        self._body("the script", _END)
        if self._rules.exec_reads:
            self._rules.refuse_readers()
        return self._reading_functions

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
        if stop in (";&", ";;&"):
            cursor.bash_only(stop)
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
        cursor, outer, before = self._cursor, self._cursor.fed, self._cursor.tags
        self._modifiers()
        self._command()
        while cursor.peek() == "|" and not cursor.starts("||"):
            if cursor.starts("|&"):
                cursor.bash_only("|&")
            cursor.operator(2 if cursor.starts("|&") else 1)
            cursor.fed = outer or cursor.tags > before
            cursor.place = ("pipe", 0)
            cursor.newlines()
            self._command()
        cursor.fed = outer

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
        cursor, readers = self._cursor, len(self._rules.readers)
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
        if self._redirections():
            self._rules.refuse_readers(readers)
