"""The words that a command certainly begins with, as the shell will have read them; in doubt there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from kimi_hooks.config_hooks import CommandPart
from kimi_hooks.hooks.command import filled_in

_VARIABLE = r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})"
_PLAIN = r"[A-Za-z0-9_./@%+:,=\-]+"
_PIECE = rf"""{_PLAIN}|'[^'\n]*'|"(?:[^"$`\\\n]|{_VARIABLE})*"|{_VARIABLE}"""
_WORD = re.compile(rf"(?P<home>~(?=/))?(?P<pieces>(?:{_PIECE})+)(?:[ \t]+|\Z)")
_EACH_PIECE = re.compile(_PIECE)
_EACH_VARIABLE = re.compile(_VARIABLE)
# What joins and sends on, and yet cannot make good that the first command was not there.
_HARMLESS = re.compile(r"&&|[0-9]*[<>]&[0-9-]|&>>?")


class _UncertainError(Exception):
    """Only the shell knows what this word will be."""


def certain_words(handler: CommandPart, home: Path, environ: Mapping[str, str]) -> list[str]:
    """Return the words that are certain, from the first one on; all where no shell stands between.

    None, when something else is run if the first command cannot be: the hook may mean it so.
    """
    if handler.args is not None:
        return [filled_in(word, home) for word in (handler.command, *handler.args)]
    words, rest = _split(handler.command.strip(" \t\n"), _values(handler, home, environ))
    is_alone = not re.search(r"[;&|\n]", _HARMLESS.sub("", rest))
    return words if words and is_alone and "=" not in words[0] else []


def _values(handler: CommandPart, home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    known = {"CLAUDE_PROJECT_DIR": str(home), "KIMI_HOOKS_HOME": str(home), "HOME": environ.get("HOME", "")}
    # One that the handler's `env` names may come from elsewhere.
    return {name: value for name, value in known.items() if value and name not in handler.env}


def _split(text: str, values: Mapping[str, str]) -> tuple[list[str], str]:
    words: list[str] = []
    try:
        while found := _WORD.match(text):
            word = "".join(_read(piece, values) for piece in _EACH_PIECE.findall(found["pieces"]))
            words.append(_plain_value("HOME", values) + word if found["home"] else word)
            text = text[found.end() :]
    except _UncertainError:
        pass
    return words, text


def _read(piece: str, values: Mapping[str, str]) -> str:
    if piece[0] == "'":
        return piece[1:-1]
    if piece[0] == '"':
        return _EACH_VARIABLE.sub(lambda found: _value(found[0].strip("${}"), values), piece[1:-1])
    return _plain_value(piece.strip("${}"), values) if piece[0] == "$" else piece


def _value(name: str, values: Mapping[str, str]) -> str:
    if name not in values:
        raise _UncertainError
    return values[name]


def _plain_value(name: str, values: Mapping[str, str]) -> str:
    """Return a value that is one word also where no quotes hold it together."""
    value = _value(name, values)
    if not re.fullmatch(_PLAIN, value):
        raise _UncertainError
    return value
