"""Commands that run what they read: refused where a value may come in on standard input."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kimi_hooks.hooks.shell_languages import has_program, language
from kimi_hooks.hooks.shell_names import REMOTE, SHELLS, SPECIAL, STORING, STRINGS
from kimi_hooks.hooks.shell_prefixes import PREFIXES, SSH, UnclearError, inner_start
from kimi_hooks.hooks.shell_quotes import Word

_SHELL_FLAG = re.compile(r"-[efhmuvxnabCEpT]+|--(norc|noprofile|posix)")
_SHELL_CODE = re.compile(r"-[efhmuvxnabCEpT]*c")
_COMMAND_OPTION = re.compile(r"[-+][A-Za-z]*c")
# A script for sh -c that may itself hand its input to a shell.
_PASSES_ON = re.compile(
    rf"\b(?:{'|'.join(sorted(SHELLS))}|eval|source|xargs|exec|read|ssh)\b|(?:^|[\s;&|(])\.\s|`|\$\("
)
_RUNS_INPUT = frozenset({"eval", ".", "source", "let", "at", "batch", "crontab", "make", "gmake"})


def runs_input(name: str, words: Sequence[Word], *, has_block: bool) -> str:
    """The word that would run what comes in, or "" when none does; `name` is "" where it is not written out."""
    if name in STRINGS:
        return ""
    if name == "" or name in _RUNS_INPUT or name in REMOTE - {"ssh"}:
        return name or "a command that is not written out"
    if name in STORING and any(_stores_specially(word) for word in words[1:]):
        return name
    known = language(name)
    if (name == "ssh" and not _runs_remotely(words)) or (known and not has_program(words, known)):
        return name
    if name == "xargs" and _makes_commands(words):
        return name
    return shell_without_script(words, has_block=has_block, reads=True)


def shell_without_script(words: Sequence[Word], *, has_block: bool, reads: bool) -> str:
    """The first shell among the words that could find its script in a value: its input, if it `reads` one."""
    for index, word in enumerate(words):
        shell = word.text.rpartition("/")[2]
        if shell in SHELLS and (has_block or not _has_script(words, index, reads=reads)):
            return shell
    return ""


def _has_script(words: Sequence[Word], index: int, *, reads: bool) -> bool:
    rest = list(words[index + 1 :])
    while rest and rest[0].literal and _SHELL_FLAG.fullmatch(rest[0].text):
        rest.pop(0)
    if [word.text for word in rest[:2]] == ["-s", "--"] and not reads:
        return True
    if index == 0 and _is_harmless_code(rest):
        return True
    if not rest or rest[0].text.startswith(("-", "+", "/dev/", "/proc/")) or rest[0].has_tag or rest[0].splits:
        return False
    # In `find -exec sh script {} ;` and the like another -c could still be meant for another shell.
    return index == 0 or not any(_COMMAND_OPTION.match(word.text) for word in rest[1:] if not word.has_tag)


def _is_harmless_code(words: Sequence[Word]) -> bool:
    """`-c` with a script that is written out and does not read another one; no value beside it."""
    match words:
        case [option, script, *_] if _SHELL_CODE.fullmatch(option.text) and script.literal:
            return not any(word.has_tag for word in words) and not _PASSES_ON.search(script.text)
    return False


def _stores_specially(word: Word) -> bool:
    """`mapfile -C` runs a command with each line; some variables run or choose what runs."""
    return SPECIAL.fullmatch(word.text) is not None or (word.text.startswith("-") and "C" in word.text)


def _runs_remotely(words: Sequence[Word]) -> bool:
    try:
        return inner_start(words, SSH) < len(words)
    except UnclearError:
        return False


def _makes_commands(words: Sequence[Word]) -> bool:
    """Whether what xargs reads becomes the name of a command or an option of one that runs others."""
    try:
        start = inner_start(words, PREFIXES["xargs"])
    except UnclearError:
        return True
    name = words[start].text.rpartition("/")[2] if start < len(words) else "echo"
    return not name or name in PREFIXES or name in REMOTE or name == "find" or language(name) is not None
