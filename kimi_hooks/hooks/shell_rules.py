"""Rules over one simple command: with which words its tags may stand."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from kimi_hooks.hooks import shell_remedies as remedies
from kimi_hooks.hooks.shell_cursor import Cursor
from kimi_hooks.hooks.shell_marks import PLACEHOLDERS, TAG
from kimi_hooks.hooks.shell_names import DECLARING, EVALUATING, REMOTE, SHELLS, SPECIAL, STRINGS
from kimi_hooks.hooks.shell_prefixes import ASSIGNED, PREFIXES, Prefix, UnclearError, inner_start
from kimi_hooks.hooks.shell_quotes import Word

_UNARY = frozenset(
    [
        "-n",
        "-z",
        "-e",
        "-f",
        "-d",
        "-r",
        "-w",
        "-x",
        "-s",
        "-L",
        "-h",
        "-p",
        "-S",
        "-b",
        "-c",
        "-g",
        "-k",
        "-u",
        "-O",
        "-G",
        "-N",
    ]
)
_BINARY = frozenset(["=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"])
_SHELL_FLAG = re.compile(r"-[efhmuvxnabCEpT]+|--(norc|noprofile|posix)")
_COMMAND_OPTION = re.compile(r"[-+][A-Za-z]*c")
_FORMAT_WRITES = re.compile(r"%[^A-Za-z%]*n")
_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
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
    fed: bool = False


class Rules:
    """Judges each simple command when it ends, and remembers what only the whole template shows."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._guarded = cursor.script.has_tags

    def check(self, command: Command) -> None:
        if command.words and self._guarded:
            self._check_words(command, command.words)

    def _check_words(self, command: Command, words: Sequence[Word]) -> None:
        tagged = any(word.has_tag for word in words)
        name = self._name(words[0], tagged=tagged)
        self._check_settings(name, words)
        if tagged and command.has_block and name in _POSITIONAL:
            self._refuse(words, f"stands with a block in {name}, whose words depend on each other", remedies.WHOLE)
        if name in EVALUATING:
            self._check_evaluating(name, command, words, tagged=tagged)
        elif name in PREFIXES:
            self._check_prefix(PREFIXES[name], command, words, tagged=tagged)
        elif tagged:
            self._check_named(name, words)
        if (tagged or command.reads_tag or command.fed) and name not in STRINGS:
            self._check_shells(command, words)

    def _name(self, word: Word, *, tagged: bool) -> str:
        """The command's name without folders, or "" for one that is not known and need not be."""
        tail = re.split(f"[{''.join(PLACEHOLDERS)}]", word.text)[-1]
        if word.literal:
            return word.text if word.text in (".", "[") else word.text.rpartition("/")[2]
        if word.has_tag:
            self._refuse([word], "stands at command position", remedies.COMMAND)
        if not tagged:
            return ""
        name = tail.rpartition("/")[2]
        if "/" not in tail or not name or set("*?[{") & set(word.bare) or word.has_block:
            self._cursor.lost("a command whose name is not written out", word.pos, remedies.COMMAND)
        return name

    def _check_settings(self, name: str, words: Sequence[Word]) -> None:
        """What changes how the rest of the script is read, with or without a tag of its own."""
        texts = [word.text for word in words[1:]]
        if name == "alias":
            self._cursor.lost("alias", words[0].pos, "use a function instead")
        if name == "shopt" and any(text in ("extglob", "expand_aliases") for text in texts):
            self._cursor.lost("shopt -s extglob or expand_aliases", words[0].pos)
        if name == "set" and any(re.match(r"-[A-Za-z]*k|keyword$", text) for text in texts):
            self._cursor.lost("set -k", words[0].pos)
        if name in DECLARING and any(self._may_calculate(name, word) for word in words[1:]):
            remedy = "leave out -i and -n, and calculate with $(( )) where it is needed"
            self._cursor.lost(f"{name} with -i or -n, after which assignments are evaluated,", words[0].pos, remedy)

    def _may_calculate(self, name: str, word: Word) -> bool:
        if word.text.startswith("-"):
            return bool(_INTEGER & set(word.text)) or not word.literal
        return name not in ("export", "readonly") and word.text[:1] in PLACEHOLDERS and not word.has_tag

    def _check_evaluating(self, name: str, command: Command, words: Sequence[Word], *, tagged: bool) -> None:
        remedy = remedies.DECLARE if name in DECLARING else remedies.EVALUATED
        if tagged:
            self._refuse(words, f"is an argument of {name}, which can evaluate it", remedy)
        if command.reads_tag and name in (".", "source"):
            self._cursor.refuse(words[0].pos, f"a value is read as a script by {name}", remedies.ALONE)

    def _check_prefix(self, prefix: Prefix, command: Command, words: Sequence[Word], *, tagged: bool) -> None:
        if words[0].text == "command" and len(words) > 1 and words[1].text in ("-v", "-V"):
            return
        try:
            start = inner_start(words, prefix)
        except UnclearError as unclear:
            if not tagged:
                return
            self._refuse(
                words[unclear.index :], f"stands where {words[0].text} may take it for an option", remedies.COMMAND
            )
        self._check_before(words[:start])
        if start < len(words):
            self._check_words(command, words[start:])

    def _check_before(self, words: Sequence[Word]) -> None:
        for word in words:
            assigned = ASSIGNED.match(word.text)
            if word.has_tag and assigned and SPECIAL.fullmatch(assigned[1]):
                self._refuse([word], f"is assigned to {assigned[1]}, which programs act on", remedies.SPECIAL)

    def _check_named(self, name: str, words: Sequence[Word]) -> None:
        if name in REMOTE:
            self._refuse(words, f"is an argument of {name}, which gives it to a shell", remedies.EVALUATED)
        if name == "printf":
            self._check_printf(words)
        if name in ("test", "["):
            self._check_test(name, words)
        if name == "set" and words[1].text != "--":
            self._refuse(words, "may be taken for an option of set", remedies.SET)
        for word, following in itertools.pairwise(words):
            if word.text in _RUNS and following.has_tag:
                self._refuse([following], f"is the command run by {word.text}", remedies.COMMAND)

    def _check_printf(self, words: Sequence[Word]) -> None:
        form = words[2:3] if words[1].text == "--" else words[1:2]
        text = form[0].text if form else ""
        if not form or not form[0].literal or text.startswith("-") or _FORMAT_WRITES.search(text):
            self._refuse(words, "stands in a printf without a plain written format", remedies.FORMAT)

    def _check_test(self, name: str, words: Sequence[Word]) -> None:
        operands = list(words[1:])
        if name == "[" and (not operands or operands.pop().text != "]"):
            self._refuse(words, "stands in a [ that does not end with ]", remedies.TEST)
        if len(operands) > 1 and operands[0].literal and operands[0].text == "!" and operands[1].text not in _BINARY:
            operands.pop(0)
        if any(word.splits for word in operands) or not self._is_safe_test(operands):
            self._refuse(words, f"stands in a {name} that could be read in another way", remedies.TEST)

    def _is_safe_test(self, operands: Sequence[Word]) -> bool:
        match operands:
            case [_]:
                return True
            case [operator, _]:
                return operator.literal and operator.text in _UNARY
            case [_, operator, _]:
                return operator.literal and operator.text in _BINARY
        return False

    def _check_shells(self, command: Command, words: Sequence[Word]) -> None:
        """A shell among the words may run a value, unless its script is written out before any value."""
        for index, word in enumerate(words):
            if word.text.rpartition("/")[2] in SHELLS and not self._has_script(command, words, index):
                cause = f"a value could become a script of {word.text.rpartition('/')[2]}"
                tag = next((self._tag_at(each) for each in words if each.has_tag), None)
                if tag is None:
                    self._cursor.refuse(command.pos, cause, remedies.ALONE)
                self._cursor.refuse(tag, cause, remedies.spell(remedies.SHELL, self._cursor.script.marks[tag].label))

    def _has_script(self, command: Command, words: Sequence[Word], index: int) -> bool:
        if command.has_block or command.reads_tag:
            return False
        rest = list(words[index + 1 :])
        while rest and rest[0].literal and _SHELL_FLAG.fullmatch(rest[0].text):
            rest.pop(0)
        if [word.text for word in rest[:2]] == ["-s", "--"] and not command.fed:
            return True
        if not rest or rest[0].text.startswith(("-", "+")) or rest[0].has_tag or rest[0].splits:
            return False
        # In `find -exec sh script {} ;` and the like another -c could still be meant for another shell.
        return index == 0 or not any(_COMMAND_OPTION.match(word.text) for word in rest[1:] if not word.has_tag)

    def _tag_at(self, word: Word) -> int:
        return self._cursor.text.index(TAG, word.pos)

    def _refuse(self, words: Sequence[Word], cause: str, remedy: str) -> NoReturn:
        tagged = next((word for word in words if word.has_tag), None)
        if tagged is None:
            self._cursor.refuse(words[0].pos, f"a value {cause}", remedies.spell(remedy, "value"))
        self._cursor.refuse_tag(self._tag_at(tagged), cause, remedy)
