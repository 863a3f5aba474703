#!/usr/bin/env python3
"""TaskCompleted: write the code blocks of the answer to files, in one folder for each task.

Names come from Kimi, so they are cleaned: no file lies outside the folder, is hidden, can be executed, or takes the
place of another. The folder appears whole or not at all; a second run for the same task finds it and does nothing.

Exit codes: 0 done, 1 try again, 2 give up with the reason on standard error.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_BLOCKS = 500
MOST_PARTS = 8
MOST_NAME_BYTES = 120
MANIFEST = "manifest.json"
LEFT_AFTER_SECONDS = 3600

ENDINGS = {
    "bash": "sh", "c": "c", "c++": "cpp", "cpp": "cpp", "cs": "cs", "csharp": "cs", "css": "css", "csv": "csv",
    "diff": "diff", "go": "go", "html": "html", "ini": "ini", "java": "java", "javascript": "js", "jinja": "j2",
    "js": "js", "json": "json", "jsx": "jsx", "kotlin": "kt", "lua": "lua", "markdown": "md", "md": "md",
    "patch": "diff", "perl": "pl", "php": "php", "py": "py", "python": "py", "python3": "py", "r": "r", "ruby": "rb",
    "rust": "rs", "scala": "scala", "sh": "sh", "shell": "sh", "sql": "sql", "swift": "swift", "toml": "toml",
    "ts": "ts", "tsx": "tsx", "typescript": "ts", "xml": "xml", "yaml": "yaml", "yml": "yaml", "zsh": "sh",
}  # fmt: skip
FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*(.*?)[ \t]*$")
PATH = r"[^\s\"'`<>|*?!:,;=(){}\[\]]{0,300}\.[A-Za-z][A-Za-z0-9_+]{0,11}|(?:\S{0,300}[/\\])?(?:Dockerfile|Makefile)"
NAME_IN_INFO = re.compile(rf"(?:^|[\s\"'=:{{])({PATH})(?=$|[\s\"'}},])")
NAME_IN_COMMENT = re.compile(
    rf"^\s*(?:#|//|--|;|%|/\*|<!--)+\s*(?:file(?:name)?\s*:?\s*)?({PATH})\s*(?:\*/|-->)?\s*$", re.IGNORECASE
)


@dataclass(frozen=True)
class Block:
    """One fenced code block: what stands after the fence, its text, and whether it was closed."""

    info: str
    text: str
    complete: bool

    @property
    def language(self) -> str:
        """The first word after the fence, if it is not a file name."""
        word = re.split(r"[\s{:,]", self.info, maxsplit=1)[0].lower()
        return word if re.fullmatch(r"[a-z0-9+#-]{1,20}", word) else ""

    @property
    def said_name(self) -> str:
        """The name that Kimi gave it: anything."""
        found = NAME_IN_INFO.search(self.info) or NAME_IN_COMMENT.match(self.text.partition("\n")[0][:400])
        return found[1] if found else ""


def main() -> int:
    event = json.load(sys.stdin.buffer)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", event["task_id"]):
        print(f"save-code: {event['task_id']!r} cannot name a folder", file=sys.stderr)
        return 2
    blocks = code_blocks(event["output"] or "")[:MOST_BLOCKS]
    if not blocks:
        print("the answer has no code block")
        return 0
    answers = Path(event["cwd"], os.environ.get("SAVE_CODE_FOLDER") or "answers")
    try:
        print(save(blocks, event, answers))
    except OSError as error:
        print(f"save-code: {answers} cannot be written ({error}); make room or mend its rights", file=sys.stderr)
        return 1
    return 0


def code_blocks(text: str) -> list[Block]:
    """Return the fenced blocks; one that is never closed goes to the end of the text."""
    blocks: list[Block] = []
    lines = iter(text.splitlines())
    for line in lines:
        found = FENCE.match(line)
        if found and not (found[2][0] == "`" and "`" in found[3]):
            blocks.append(block_from(found, lines))
    return blocks


def block_from(opening: re.Match[str], lines: Iterator[str]) -> Block:
    end = re.compile(rf"^[ \t]*{re.escape(opening[2][0])}{{{len(opening[2])},}}[ \t]*$")
    inside: list[str] = []
    for line in lines:
        if end.match(line):
            return Block(opening[3], "".join(f"{kept}\n" for kept in inside), complete=True)
        inside.append(line.removeprefix(opening[1]))
    return Block(opening[3], "".join(f"{kept}\n" for kept in inside), complete=False)


def save(blocks: list[Block], event: dict[str, Any], answers: Path) -> str:
    """Write all into a folder beside, then give it its name in one step. Raises OSError."""
    target = answers / event["task_id"]
    if target.exists():
        return f"{target} is there already"
    answers.mkdir(parents=True, exist_ok=True)
    remove_leftovers(answers)
    beside = answers / f".saving-{os.getpid()}-{time.time_ns()}"
    beside.mkdir()
    try:
        write_all(blocks, event, beside)
        # Another run of this hook may have been quicker; then there is a folder with something in it.
        if not renamed(beside, target):
            return f"{target} is there already"
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return f"{len(blocks)} code blocks are in {target}"


def renamed(beside: Path, target: Path) -> bool:
    try:
        beside.rename(target)
    except OSError:
        if target.is_dir():
            return False
        raise
    return True


def remove_leftovers(answers: Path) -> None:
    """Remove what runs left that were killed."""
    for path in answers.glob(".saving-*"):
        if path.lstat().st_mtime < time.time() - LEFT_AFTER_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def write_all(blocks: list[Block], event: dict[str, Any], folder: Path) -> None:
    names = file_names(blocks)
    for name, block in zip(names, blocks, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name, block.text)
    manifest = {
        **{key: event[key] for key in ("task_id", "task_name", "event_id", "model", "timestamp")},
        "files": [told(name, block) for name, block in zip(names, blocks, strict=True)],
    }
    write(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def write(path: Path, text: str) -> None:
    # "x": never over another file, and never through a link.
    with path.open("x", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def told(name: str, block: Block) -> dict[str, Any]:
    return {
        "file": name,
        "said_name": block.said_name or None,
        "language": block.language or None,
        "complete": block.complete,
    }


def file_names(blocks: list[Block]) -> list[str]:
    """Return one name for each block; no two are the same, also where upper and lower case do not count."""
    files, folders = {MANIFEST.casefold()}, set[str]()
    names = []
    for number, block in enumerate(blocks, start=1):
        ending = ENDINGS.get(block.language, "txt")
        name = free_name(clean_name(block.said_name) or f"block-{number}.{ending}", files, folders)
        files.add(name.casefold())
        folders.update(str(parent).casefold() for parent in Path(name).parents)
        names.append(name)
    return names


def clean_name(said: str) -> str:
    """Return a relative path of plain names, or nothing when none is left: no `..`, nothing hidden."""
    parts = [clean_part(part) for part in re.split(r"[/\\]", unicodedata.normalize("NFC", said))]
    return "/".join([part for part in parts if part][-MOST_PARTS:])


def clean_part(part: str) -> str:
    plain = re.sub(r"[^\w.+@ -]", "_", part).lstrip(".- ").rstrip(". ")
    # The end of a name tells its kind, so the beginning is cut.
    return plain.encode()[-MOST_NAME_BYTES:].decode("utf-8", "ignore").lstrip(".- ")


def free_name(name: str, files: set[str], folders: set[str]) -> str:
    """Return the name, or the first of `name-2`, `name-3`, ... that neither is taken nor lies under a file."""
    path = Path(name)
    if any(str(parent).casefold() in files for parent in path.parents):
        path = Path(name.replace("/", "_"))
    number, tried = 1, path
    while str(tried).casefold() in files or str(tried).casefold() in folders:
        number += 1
        tried = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return str(tried)


if __name__ == "__main__":
    sys.exit(main())
