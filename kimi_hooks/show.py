"""How a result looks on a terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

import click

from kimi_hooks.results import STANDIN_WARNING
from kimi_hooks.workspace import Workspace

# The joiners are parts of emoji and of words in some scripts.
_KEPT = "\n\t\u200c\u200d"
_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def harmless(text: str) -> str:
    """Return the text without what could steer a terminal or hide on it: Kimi's answer may hold any character."""
    lines = text.replace("\r\n", "\n")
    return lines.translate({ord(char): _instead(char) for char in set(lines) if not char.isprintable()})


def as_json(value: Any, *, is_utf8: bool) -> str:
    """Return the value as indented JSON in which what could steer a terminal is written as an escape.

    Not `is_utf8`, everything but ASCII is: the value is the same.
    """
    text = json.dumps(value, ensure_ascii=not is_utf8, indent=2)
    odd = {char for char in text if not char.isprintable() and char not in _KEPT and _instead(char) != char}
    return text.translate({ord(char): json.dumps(char)[1:-1] for char in odd})


def print_result(workspace: Workspace, result: Mapping[str, Any]) -> None:
    """Print the answer on stdout, and on stderr how the task ended and where the whole of it lies."""
    if result.get("standin"):
        click.echo("*** answered by the local imitation (--standin), not by Kimi ***", err=True)
    for warning in result.get("warnings", []):
        if warning != STANDIN_WARNING:
            click.echo(f"warning: {harmless(warning)}", err=True)
    if result.get("output"):
        click.echo(harmless(result["output"]))
    click.echo(_ending(result), err=True)
    click.echo(f"result: {workspace.result_file(result['task_id'])}", err=True)


def _ending(result: Mapping[str, Any]) -> str:
    tokens = result["tokens"]
    told = f"{result['task_id']} {result['outcome']} ({result['model']}, {tokens['total']} tokens)"
    if result["error"]:
        told += f"\n{result['error']['kind']}: {result['error']['message']}"
    return harmless(told)


def _instead(char: str) -> str:
    """Return what is shown for a character that is not printable."""
    if char in _KEPT:
        return char
    category = unicodedata.category(char)
    if category == "Cf":
        # What nobody sees, such as text in tag characters, is left out.
        return "�" if char in _DIRECTIONS else ""
    return "�" if category in {"Cc", "Cs", "Zl", "Zp"} else char
