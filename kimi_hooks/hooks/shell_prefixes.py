"""Commands that run another command: where the other one begins in their arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Argument(Protocol):
    """What is known of one word."""

    text: str
    has_tag: bool
    splits: bool

    @property
    def literal(self) -> bool: ...


@dataclass(frozen=True)
class Prefix:
    """How its options are read, so that the command after them is found.

    `flags` are letters that stand alone, `takes` letters with an argument; a name in `long` ends in = where it has one;
    `operands` come before the command, and so do assignments if it `assigns`.
    """

    flags: str = ""
    takes: str = ""
    long: frozenset[str] = frozenset()
    operands: int = 0
    assigns: bool = False


PREFIXES: Mapping[str, Prefix] = {
    "command": Prefix(flags="p"),
    "builtin": Prefix(),
    "exec": Prefix(flags="cl", takes="a"),
    "env": Prefix(
        flags="i0v", takes="uC", long=frozenset({"--ignore-environment", "--chdir=", "--unset="}), assigns=True
    ),
    "nohup": Prefix(),
    "nice": Prefix(flags="0123456789", takes="n", long=frozenset({"--adjustment="})),
    "ionice": Prefix(flags="t", takes="cn"),
    "time": Prefix(flags="p"),
    "timeout": Prefix(
        flags="v",
        takes="sk",
        long=frozenset({"--signal=", "--kill-after=", "--foreground", "--preserve-status", "--verbose"}),
        operands=1,
    ),
    "sudo": Prefix(
        flags="nEHkSb", takes="ug", long=frozenset({"--user=", "--group=", "--non-interactive"}), assigns=True
    ),
    "doas": Prefix(flags="n", takes="u"),
    "setsid": Prefix(flags="cfw", long=frozenset({"--ctty", "--fork", "--wait"})),
    "stdbuf": Prefix(takes="ioe", long=frozenset({"--input=", "--output=", "--error="})),
    "xargs": Prefix(
        flags="0rtx", takes="nLPIdasE", long=frozenset({"--null", "--no-run-if-empty", "--max-args=", "--max-procs="})
    ),
    "flock": Prefix(flags="nxsuo", takes="wE", operands=1),
    "chroot": Prefix(operands=1),
    "busybox": Prefix(),
    "taskset": Prefix(operands=1),
    "chrt": Prefix(operands=1),
    **dict.fromkeys(("ltrace", "pkexec", "setpriv", "strace", "systemd-run", "unbuffer", "unshare"), Prefix()),
}
SSH = Prefix(flags="46AaCfGgKkMNnqsTtVvXxYy", takes="BbcDEeFIiJLlmOopQRSWw", operands=1)
ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")


class UnclearError(ValueError):
    """It cannot be told which word the command is; the argument is that word's index."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def inner_start(words: Sequence[Argument], prefix: Prefix) -> int:
    """The index of the command that is run, or the number of words where there is none."""
    index = _after_options(words, prefix)
    for _ in range(prefix.operands):
        index = _settled(words, index)
    while prefix.assigns and index < len(words) and ASSIGNED.match(words[index].text) and not words[index].splits:
        index += 1
    if index < len(words) and words[index].text.startswith("-"):
        raise UnclearError(index)
    return index


def _after_options(words: Sequence[Argument], prefix: Prefix) -> int:
    index = 1
    while index < len(words) and words[index].literal and words[index].text.startswith("-"):
        text = words[index].text
        if text == "--":
            return index + 1
        name, equals, _ = text.partition("=")
        if name + equals not in prefix.long:
            index = _cluster(words, index, prefix)
        index += 1
    return index


def _cluster(words: Sequence[Argument], index: int, prefix: Prefix) -> int:
    """Step to the last word that short options such as `-pu name` take up."""
    letters = words[index].text[1:]
    for place, letter in enumerate(letters, 1):
        if letter in prefix.takes:
            return index if place < len(letters) else _settled(words, index + 1) - 1
        if letter not in prefix.flags:
            raise UnclearError(index)
    if not letters:
        raise UnclearError(index)
    return index


def _settled(words: Sequence[Argument], index: int) -> int:
    """Pass one argument that is one word for certain and no value."""
    if index >= len(words) or words[index].has_tag or words[index].splits:
        raise UnclearError(min(index, len(words) - 1))
    return index + 1
