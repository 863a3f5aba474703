"""The first line of a script template: only shells whose grammar is known."""

from __future__ import annotations

import re

from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks.shell_marks import MarkedScript

_MARKS = re.compile("[\ue000\ue001]")
_LATE = re.compile("[\ue000\ue001]+#!")
_ENV = re.compile(r"/(?:[\w.-]+/)*env", re.ASCII)
_SHELL = re.compile(r"(?:/(?:[\w.-]+/)*)?(sh|bash|dash)", re.ASCII)
_FLAGS = re.compile(r"-|--|-[aefhmuvxpCET]+|--(?:norc|noprofile|posix)")
_NAMED = re.compile(r"-[aefhmuvxpCET]*o")
_OPTIONS = frozenset({"errexit", "nounset", "noglob", "noclobber", "pipefail", "posix", "xtrace", "verbose"})


def read(script: MarkedScript, where: str) -> tuple[bool, tuple[str, ...], bool]:
    """Whether there is a shebang line, the argument list it stands for, and whether the shell is bash for certain."""
    first = script.text.partition("\n")[0]
    if _LATE.match(first) or (first.startswith("#!") and _MARKS.search(first)):
        raise TemplateError(f"{where}:{script.line(0)}: a tag stands in the shebang line; write the interpreter out")
    if not first.startswith("#!"):
        return False, ("/bin/sh",), False
    words = _split(first[2:].strip(" \t"))
    shell = _shell(words)
    if shell is None:
        remedy = "use #!/usr/bin/env bash, #!/bin/sh or another of bash, sh and dash, or drop .j2 from the file's name"
        raise TemplateError(f"{where}:1: {first} is no shell that a template can be checked for; {remedy}")
    return True, words, shell == "bash"


def _split(line: str) -> tuple[str, ...]:
    """As the kernel does it: one argument at most; env -S divides it further."""
    program, *rest = line.split(None, 1) or [""]
    if _ENV.fullmatch(program) and rest and re.match(r"-S[ \t]+", rest[0]):
        return (program, *rest[0].split()[1:])
    return (program, *rest)


def _shell(words: tuple[str, ...]) -> str | None:
    if _ENV.fullmatch(words[0]):
        words = words[1:]
    elif not words[0].startswith("/"):
        return None
    found = _SHELL.fullmatch(words[0]) if words else None
    return found[1] if found and _are_plain(list(words[1:])) else None


def _are_plain(options: list[str]) -> bool:
    while options:
        option = options.pop(0)
        if _NAMED.fullmatch(option) and options and options.pop(0) in _OPTIONS:
            continue
        if not _FLAGS.fullmatch(option):
            return False
    return True
