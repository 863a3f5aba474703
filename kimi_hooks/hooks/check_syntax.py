"""Whether a shell can read a command or a script at all: asked with -n, so that nothing of it is run."""

from __future__ import annotations

import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path

from kimi_hooks import atomic

SHELLS = ("sh", "bash", "dash")
_PATIENCE_SECONDS = 3.0
_LARGEST = 256 * 1024
_MOST_ENDS = 5
# Some scripts end here, and what follows is for others to read. On a line of its own: not in a function, a condition.
_END = re.compile(
    rb"^(?![ \t#]|trap\b|if\b|case\b|while\b|until\b|for\b|function\b|[\w-]+[ \t]*\(\))"
    rb"(?:(?!&&|\|\|)[^\n])*?\b(?:exec|exit)\b[^\n]*\n",
    re.MULTILINE,
)


class _UnknownError(Exception):
    """The shell did not answer, which says nothing of the script."""


def of_text(shell: str, text: str) -> str | None:
    """Return what the shell says of a text that it cannot read, None when it can or does not tell."""
    try:
        return _complaint(shell, text.encode("utf-8", "replace"))
    except _UnknownError:
        return None


def of_file(shell: str, file: Path) -> str | None:
    """Return what the shell says of a script, as `of_text`. Raises OSError when it cannot be looked at."""
    try:
        return _of_file(shell, file, atomic.stamp(file))
    except _UnknownError:
        return None


@lru_cache(maxsize=256)
def _of_file(shell: str, file: Path, _stamp: tuple[int, int, int] | None) -> str | None:
    """Ask once for each state of the file."""
    if not file.is_file() or file.stat().st_size > _LARGEST:
        return None
    return _complaint(shell, file.read_bytes())


@lru_cache(maxsize=256)
def _complaint(shell: str, source: bytes) -> str | None:
    # A shell reads an alias anew as the text that it stands for, with -n it does not know it.
    if b"\0" in source or b"alias" in source or not (told := _asked(shell, (), source)):
        return None
    # A script may switch these patterns of bash's on, or read a file that does.
    if _asked(shell, ("-O", "extglob"), source) is None:
        return None
    ends = [found.end() for found in _END.finditer(source)]
    return None if any(_asked(shell, (), source[:end]) is None for end in ends[:_MOST_ENDS]) else told


def _asked(shell: str, options: tuple[str, ...], source: bytes) -> str | None:
    """Return the first line of the complaint, None for a source that can be read. Raises _UnknownError."""
    # By stdin: arguments can be seen by everybody, and there may be a secret in it.
    try:
        asked = subprocess.run(
            [shell, *options, "-n"],
            input=source,
            capture_output=True,
            env={name: value for name, value in os.environ.items() if name in {"PATH", "LANG"} or name[:3] == "LC_"},
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _UnknownError from error
    told = asked.stderr.decode("utf-8", "replace").strip()
    if asked.returncode < 0 or (asked.returncode and not told):
        raise _UnknownError
    return told.splitlines()[0] if asked.returncode else None
