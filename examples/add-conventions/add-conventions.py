#!/usr/bin/env python3
"""UserPromptSubmit: give Kimi the conventions of a repository along with the prompt.

Exit codes: 0 with JSON on standard output when there is something to add, 1 when the folder cannot be used.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

NAMES = ("CONVENTIONS.md", "AGENTS.md", "CLAUDE.md")
# What is longer than 10,000 characters in all does not reach Kimi whole.
MOST_CHARACTERS = 9000


def main() -> int:
    event = json.load(sys.stdin.buffer)
    folder = folder_of(event)
    if folder is None:
        return 1
    texts = conventions(folder)
    if not texts:
        print(f"add-conventions: none of {', '.join(NAMES)} is in {folder}", file=sys.stderr)
        return 0
    said = {"hookEventName": "UserPromptSubmit", "additionalContext": joined(texts)}
    print(json.dumps({"hookSpecificOutput": said}))
    return 0


def folder_of(event: dict[str, Any]) -> Path | None:
    """Return the folder that `metadata.repo` names, else the workspace; None, and a word on stderr, if it may not be.

    A task may come from anybody, so it cannot make us read just any folder: see CONVENTIONS_ROOTS in README.md.
    """
    home = Path(event["cwd"]).resolve()
    named = (event.get("metadata") or {}).get("repo")
    folder = (home / with_home(str(named).replace("\0", "?"))).resolve() if named else home
    if not any(folder.is_relative_to(root) for root in roots(home)):
        print(
            f"add-conventions: metadata.repo: {named!r} is not in an allowed folder; add one to CONVENTIONS_ROOTS in "
            ".env.kimi",
            file=sys.stderr,
        )
    elif not folder.is_dir():
        print(f"add-conventions: metadata.repo: there is no folder {named!r}; write its whole path", file=sys.stderr)
    else:
        return folder
    return None


def roots(home: Path) -> list[Path]:
    """Return the folders in which repositories may lie: the workspace, and those of CONVENTIONS_ROOTS."""
    more = os.environ.get("CONVENTIONS_ROOTS", "").split(":")
    return [home, *(Path(with_home(root)).resolve() for root in more if root)]


def with_home(path: str) -> str:
    return os.path.expanduser(path)  # noqa: PTH111 - pathlib stops at a `~name` that nobody has


def conventions(folder: Path) -> dict[str, str]:
    """Return the texts that there are, each once. A link counts only if it leads to such a file in the same folder."""
    found: dict[Path, str] = {}
    for name in NAMES:
        path = (folder / name).resolve()
        if path.is_file() and path.parent == folder and path.suffix == ".md":
            found.setdefault(path, name)
    return {name: start_of(path).strip() for path, name in found.items()}


def start_of(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(MOST_CHARACTERS + 1)


def joined(texts: dict[str, str]) -> str:
    parts = [f"The file {name} of this repository; keep to it:\n\n{text}" for name, text in texts.items() if text]
    text = "\n\n".join(parts)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}\n(cut here)"


if __name__ == "__main__":
    sys.exit(main())
