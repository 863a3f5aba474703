"""How a result looks on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from kimi_hooks.results import STANDIN_WARNING
from kimi_hooks.workspace import Workspace


def harmless(text: str) -> str:
    """Return the text without what could steer a terminal: Kimi's answer may hold any character."""
    return "".join(char if char in "\n\t" or not _steers(char) else "�" for char in text)


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
        told += f"\n{result['error']['kind']}: {harmless(result['error']['message'])}"
    return told


def _steers(char: str) -> bool:
    return (
        ord(char) < ord(" ")
        or "\x7f" <= char <= "\x9f"
        or char in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
