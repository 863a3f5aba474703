"""Rules over one simple command: with which words its tags may stand, and what may read a value."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from kimi_hooks.hooks import shell_languages, shell_operands, shell_readers
from kimi_hooks.hooks import shell_remedies as remedies
from kimi_hooks.hooks.shell_cursor import Cursor
from kimi_hooks.hooks.shell_marks import PLACEHOLDERS, TAG
from kimi_hooks.hooks.shell_names import DECLARING, EVALUATING, REMOTE, SPECIAL, STRINGS
from kimi_hooks.hooks.shell_prefixes import ASSIGNED, PREFIXES, Prefix, UnclearError, inner_start
from kimi_hooks.hooks.shell_quotes import ASSIGNMENT, Word

_POSITIONAL = frozenset({"printf", "test", "[", "set", "find", *PREFIXES})
_INTEGER = frozenset("in")


@dataclass
class Command:
    """A simple command: its words without assignments and redirections."""

    pos: int
    words: list[Word] = field(default_factory=list)
    assigns: bool = False
    reads_tag: bool = False
    has_block: bool = False

    @property
    def tagged(self) -> bool:
        return any(word.has_tag for word in self.words)


@dataclass(frozen=True)
class Reader:
    """A command that would run what it reads, at its place."""

    pos: int
    name: str


class Rules:
    """Judges each simple command when it ends, and remembers what only the whole template shows."""

    def __init__(self, cursor: Cursor, reading_functions: frozenset[str]) -> None:
        self._cursor = cursor
        self._guarded = cursor.script.has_tags
        self._reading_functions = reading_functions
        self.readers: list[Reader] = []
        self.exec_reads = False

    def check(self, command: Command) -> None:
        if command.words and self._guarded:
            self._check_words(command, command.words)

    def check_assigned(self, word: Word) -> None:
        """A word such as `name=value` before a command."""
        found = ASSIGNMENT.match(word.bare)
        if found and (found[2] or found[3]):
            self._cursor.bash_only("a subscript or += in an assignment")
        if found and word.has_tag and SPECIAL.fullmatch(found[1]):
            self._refuse(
                [word], f"is assigned to {found[1]}, which the shell itself evaluates or uses", remedies.SPECIAL
            )

    def refuse_readers(self, start: int = 0) -> None:
        """A value comes in on the standard input of all commands since then: none may run it."""
        for reader in self.readers[start:]:
            self._cursor.refuse(reader.pos, f"a value comes in here, and {reader.name} could run it", remedies.ALONE)

    def _check_words(self, command: Command, words: Sequence[Word]) -> None:
        tagged = any(word.has_tag for word in words)
        name = self._name(words[0], tagged=tagged)
        self._check_settings(name, words)
        if tagged and command.has_block and (name in _POSITIONAL or shell_languages.language(name)):
            self._refuse(words, f"stands with a block in {name}, whose words depend on each other", remedies.WHOLE)
        if tagged and name in EVALUATING:
            remedy = remedies.DECLARE if name in DECLARING else remedies.EVALUATED
            self._refuse(words, f"is an argument of {name}, which can evaluate it", remedy)
        if name in PREFIXES:
            self._check_prefix(name, command, words, tagged=tagged)
        elif tagged:
            self._check_named(name, command, words)
        self._check_shells(name, command, words, tagged=tagged)
        self._check_input(name, command, words)

    def _name(self, word: Word, *, tagged: bool) -> str:
        """The command's name without folders, or "" for one that is not known and need not be."""
        if word.literal:
            return word.text if word.text in (".", "[") else word.text.rpartition("/")[2]
        if word.has_tag:
            self._refuse([word], "stands at command position", remedies.COMMAND)
        tail = re.split(f"[{''.join(PLACEHOLDERS)}]", word.text)[-1]
        name = tail.rpartition("/")[2]
        if "/" in tail and name and not set("*?[{") & set(word.bare) and not word.has_block:
            return name
        if tagged:
            self._cursor.lost("a command whose name is not written out", word.pos, remedies.COMMAND)
        return ""

    def _check_settings(self, name: str, words: Sequence[Word]) -> None:
        """What changes how the rest of the script is read, with or without a tag of its own."""
        texts = [word.text for word in words[1:]]
        if name == "alias":
            self._cursor.lost("alias", words[0].pos, "use a function instead")
        if name == "shopt" and any(text in ("extglob", "expand_aliases", "keyword") for text in texts):
            self._cursor.lost("shopt with extglob, expand_aliases or keyword", words[0].pos)
        if name == "set" and any(re.match(r"-[A-Za-z]*k|keyword$", text) for text in texts):
            self._cursor.lost("set -k", words[0].pos)
        if name in DECLARING and any(self._may_calculate(name, word) for word in words[1:]):
            remedy = "leave out -i and -n, and calculate with $(( )) where it is needed"
            self._cursor.lost(f"{name} with -i or -n, after which assignments are evaluated,", words[0].pos, remedy)

    def _may_calculate(self, name: str, word: Word) -> bool:
        if word.text.startswith("-"):
            return bool(_INTEGER & set(word.text)) or not word.literal
        return name not in ("export", "readonly") and word.text[:1] in PLACEHOLDERS and not word.has_tag

    def _check_prefix(self, name: str, command: Command, words: Sequence[Word], *, tagged: bool) -> None:
        if words[0].text == "command" and len(words) > 1 and words[1].text in ("-v", "-V"):
            return
        start = self._inner_start(PREFIXES[name], words, tagged=tagged)
        self._check_before(words[:start])
        if start < len(words):
            self._check_words(command, words[start:])
        elif name == "exec" and command.reads_tag:
            self.exec_reads = True

    def _inner_start(self, prefix: Prefix, words: Sequence[Word], *, tagged: bool) -> int:
        try:
            return inner_start(words, prefix)
        except UnclearError as unclear:
            if tagged:
                cause = f"stands where {words[0].text} may take it for an option"
                self._refuse(words[unclear.index :], cause, remedies.COMMAND)
            return len(words)

    def _check_before(self, words: Sequence[Word]) -> None:
        for word in words:
            assigned = ASSIGNED.match(word.text)
            if word.has_tag and assigned and SPECIAL.fullmatch(assigned[1]):
                self._refuse([word], f"is assigned to {assigned[1]}, which programs act on", remedies.SPECIAL)

    def _check_named(self, name: str, command: Command, words: Sequence[Word]) -> None:
        if name in REMOTE:
            self._refuse(words, f"is an argument of {name}, which can run it", remedies.EVALUATED)
        if name == "printf" and not shell_operands.is_plain_printf(words):
            self._refuse(words, "stands in a printf without a plain written format", remedies.FORMAT)
        if name in ("test", "["):
            self._check_test(name, words)
        if name == "set" and words[1].text != "--":
            self._refuse(words, "may be taken for an option of set", remedies.SET)
        if known := shell_languages.language(name):
            self._check_language(name, known, words)
        self._check_find(name, command, words)

    def _check_test(self, name: str, words: Sequence[Word]) -> None:
        operands = list(words[1:])
        if name == "[" and (not operands or operands.pop().text != "]"):
            self._refuse(words, "stands in a [ that does not end with ]", remedies.TEST)
        if not shell_operands.is_safe_test(operands):
            self._refuse(words, f"stands in a {name} that could be read in another way", remedies.TEST)

    def _check_language(self, name: str, known: shell_languages.Language, words: Sequence[Word]) -> None:
        if word := shell_languages.value_in_program(words, known):
            self._refuse([word], f"could become a program or an option of {name}", remedies.PROGRAM)

    def _check_find(self, name: str, command: Command, words: Sequence[Word]) -> None:
        for word, following in itertools.pairwise(words):
            if word.text in shell_operands.RUNS and following.has_tag:
                self._refuse([following], f"is the command run by {word.text}", remedies.COMMAND)
        for inner in shell_operands.run_by(words):
            self._check_words(command, inner)
        if name == "find" and (loose := shell_operands.loose_in_find(words)):
            self._refuse([loose], "could become an action of find", remedies.FIND)

    def _check_shells(self, name: str, command: Command, words: Sequence[Word], *, tagged: bool) -> None:
        """A shell among the words may run a value, unless its script is written out before any value."""
        if not tagged or name in STRINGS:
            return
        if shell := shell_readers.shell_without_script(words, has_block=command.has_block, reads=False):
            self._refuse(words, f"could become a script of {shell}", remedies.SHELL)

    def _check_input(self, name: str, command: Command, words: Sequence[Word]) -> None:
        if words[0].literal and words[0].text in self._reading_functions:
            reader = words[0].text
        else:
            reader = shell_readers.runs_input(name, words, has_block=command.has_block)
        if not reader:
            return
        self.readers.append(Reader(command.pos, reader))
        if command.reads_tag or self._cursor.fed:
            self.refuse_readers(len(self.readers) - 1)

    def _tag_at(self, word: Word) -> int:
        return self._cursor.text.index(TAG, word.pos)

    def _refuse(self, words: Sequence[Word], cause: str, remedy: str) -> NoReturn:
        tagged = next((word for word in words if word.has_tag), None)
        if tagged is None:
            self._cursor.refuse(words[0].pos, f"a value {cause}", remedies.spell(remedy, "value"))
        self._cursor.refuse_tag(self._tag_at(tagged), cause, remedy)
