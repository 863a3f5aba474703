"""Simple commands and redirections."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from kimi_hooks.hooks import shell_heredoc
from kimi_hooks.hooks import shell_remedies as remedies
from kimi_hooks.hooks.shell_cursor import Cursor
from kimi_hooks.hooks.shell_marks import TAG
from kimi_hooks.hooks.shell_names import DECLARING, RESERVED
from kimi_hooks.hooks.shell_rules import Command, Rules
from kimi_hooks.hooks.shell_words import Words

NAME_OF_FUNCTION = re.compile(r"[^ \t\n;&|<>()'\"`$\\\ue000\ue001]+")
NO_ARGUMENTS = re.compile(r"\([ \t]*\)")
_REDIRECTION = re.compile(r"&>>|&>|<<<|<<-|<<|<>|<&|>>|>&|>\||<|>")
_DESCRIPTOR = re.compile(r"[0-9]+(?=[<>])|\{[A-Za-z_][A-Za-z0-9_]*\}(?=[<>])")


class SimpleCommands(ABC):
    """Reads one simple command to its end and has it judged; function bodies go on in the grammar."""

    def __init__(self, cursor: Cursor, reading_functions: frozenset[str]) -> None:
        self._cursor = cursor
        self._words = Words(cursor, self._body)
        self._rules = Rules(cursor, reading_functions)

    @abstractmethod
    def _body(self, kind: str, *stops: str) -> str:
        """Read commands up to one of the stop words, which is passed and returned."""

    @abstractmethod
    def _function_body(self, name: str) -> None:
        """Read the compound command that is a function's body."""

    def _simple(self) -> None:
        cursor = self._cursor
        command, blocks, serial = Command(cursor.pos), cursor.blocks, cursor.serial()
        while self._element(command):
            cursor.place = ("arguments" if command.words else "assigned", serial)
            cursor.blanks()
            if cursor.peek() == "(":
                self._defined(command)
                return
        if cursor.pos == command.pos:
            cursor.lost("a place where a command is missing")
        command.has_block = cursor.blocks > blocks
        if command.words and command.words[0].bare in RESERVED - ({"in"} if cursor.bash else {"in", "time"}):
            cursor.lost(f"{command.words[0].bare} at this place", command.pos)
        self._rules.check(command)

    def _element(self, command: Command) -> bool:
        if self._redirection(command):
            return True
        if not self._words.begins:
            return False
        first = not command.words
        declares = not first and command.words[0].text in DECLARING
        word = self._words.word(first=first, declares=declares, argument=True)
        if first and word.assigns:
            command.assigns = True
            self._rules.check_assigned(word)
        else:
            command.words.append(word)
        return True

    def _defined(self, command: Command) -> None:
        """A parenthesis after a word begins a function, or what cannot be followed."""
        cursor = self._cursor
        arguments = NO_ARGUMENTS.match(cursor.text, cursor.pos)
        plain = len(command.words) == 1 and not command.assigns and NAME_OF_FUNCTION.fullmatch(command.words[0].bare)
        if arguments is None or not plain:
            cursor.lost("a ( after a word")
        cursor.pos = arguments.end()
        self._function_body(command.words[0].bare)

    def _redirections(self) -> bool:
        """Those after a compound command; whether one of them reads a value."""
        cursor = self._cursor
        command = Command(cursor.pos)
        cursor.place = ("after", cursor.serial())
        cursor.blanks()
        while self._redirection(command):
            cursor.blanks()
        return command.reads_tag

    def _redirection(self, command: Command) -> bool:
        """Pass one redirection, if there is one."""
        cursor = self._cursor
        descriptor = _DESCRIPTOR.match(cursor.text, cursor.pos)
        found = _REDIRECTION.match(cursor.text, descriptor.end() if descriptor else cursor.pos)
        if found is None or cursor.starts("<(", ">("):
            return False
        if found[0].startswith(("&", "<<<")) or (descriptor and descriptor[0].startswith("{")):
            cursor.bash_only(f"{found[0]} here")
        cursor.pos = found.start()
        cursor.operator(len(found[0]))
        if found[0] in ("<<", "<<-"):
            shell_heredoc.begin(cursor, tabs=found[0] == "<<-")
        else:
            self._target(command, found[0])
        return True

    def _target(self, command: Command, operator: str) -> None:
        cursor = self._cursor
        outer, cursor.place = cursor.place, ("target", cursor.serial())
        cursor.blanks(final=True)
        if not self._words.begins:
            cursor.lost("a redirection without a target")
        word = self._words.word()
        if word.has_tag and operator in (">&", "<&"):
            # bash expands this word a second time when it is not a number.
            cursor.refuse_tag(cursor.text.index(TAG, word.pos), f"is the target of {operator}", remedies.TARGET)
        command.reads_tag = command.reads_tag or (word.has_tag and operator.startswith("<"))
        cursor.place = outer
