"""What may be left of a disk when the power goes: played from the record of a run, up to any instant of it.

What a file holds is certain only if the file was fsynced since; a name (made, renamed, removed) only if its folder was.
Anything else may be there or not, each name by itself: so a rename from one folder to another may have happened in the
one and not in the other, and the file has both names, or after an fsync of the folder that it came from alone, none.
Before that fsync no file system drops the old name sooner than it has written the new one: journals write both at once,
and soft updates never reset the old pointer to a live resource before the new one has been set.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from kimi_hooks.atomic import TEMPORARY_PREFIX
from tests.power.recording import Op

Content = Literal["lost", "torn", "kept"]
# What is made anew, or only tells. Its states are tried as they come along with those of what counts.
_DERIVED = ("results/latest.json", "results/pending-wake.json", "results/task-output.txt")
_UNNEEDED = (*_DERIVED, "spool/bell/", "spool/logs/", "spool/transcripts/", "spool/lock", "spool/config-")


@dataclass(eq=False)
class Node:
    """A file or folder. `content` is what it holds, `synced` what of that is certain; likewise the names of a folder."""

    is_folder: bool = False
    content: bytes = b""
    synced: bytes = b""
    names: dict[str, Node] = field(default_factory=dict)
    synced_names: dict[str, Node] = field(default_factory=dict)

    def left(self, what: Content) -> bytes:
        """Return what may be left of a file."""
        if what == "kept" or self.content == self.synced:
            return self.content
        return self.synced if what == "lost" else self.content[: len(self.content) // 2]


@dataclass(eq=False)
class Change:
    """What was done to the names of one folder and not fsynced: None is a name that was removed.

    `after` is the other half of a rename, which is not written later than this one, unless an fsync demands it. Where it
    `counts` it is tried alone.
    """

    folder: Node
    names: dict[str, Node | None]
    counts: bool
    after: Change | None = None


@dataclass(frozen=True)
class Left:
    """One state that the disk may be in. `files` by their path, each with an identity that is shared by hard links."""

    files: dict[str, tuple[int, bytes]]
    folders: frozenset[str]
    commits: int
    journal: tuple[bytes, bytes] | None

    def lay_out(self, home: Path) -> None:
        """Make a folder that holds just this."""
        for folder in sorted(self.folders):
            (home / folder).mkdir()
        links: dict[int, Path] = {}
        for path, (node, data) in self.files.items():
            if node in links:
                os.link(links[node], home / path)
            else:
                (home / path).write_bytes(data)
                links[node] = home / path
        if self.journal:
            for name, data in zip(("journal.db", "journal.db-wal"), self.journal, strict=True):
                (home / "spool" / name).write_bytes(data)

    @property
    def digest(self) -> bytes:
        """Return the same for states that differ in nothing that counts."""
        links: dict[int, int] = {}
        counting = [(path, file) for path, file in sorted(self.files.items()) if _counts(path)]
        files = [(path, links.setdefault(node, len(links)), data) for path, (node, data) in counting]
        return hashlib.sha256(repr((self.commits, sorted(self.folders), files)).encode()).digest()


class Disk:
    """The disk while the run is played."""

    def __init__(self) -> None:
        self.root = Node(is_folder=True)
        self.open: list[Change] = []
        self._nodes: dict[int, Node] = {}
        self._journal: tuple[bytes, bytes] | None = None
        self._commits = 0

    def play(self, op: Op) -> bool:
        """Do what was done; tell whether the disk may be in other states since."""
        if op.what == "make":
            self._make(op)
        elif op.what in {"append", "empty"}:
            node = self._nodes.get(op.ino)
            if node is not None:
                node.content = node.content + op.data if op.what == "append" else b""
        elif op.what == "sync":
            self._sync(self._nodes.get(op.ino))
        elif op.what == "rename":
            self._rename(op)
        elif op.what == "remove":
            folder, name = self._place(op.path)
            folder.names.pop(name)
            self.open.append(Change(folder, {name: None}, _counts(op.path)))
        elif op.what == "commit":
            self._journal, self._commits = (op.data, op.log), self._commits + 1
        return op.what not in {"point", "told", "dropped"}

    def left(self) -> Iterator[Left]:
        """Yield the states that the disk may be in, the worst first: names by themselves, what files hold by itself."""
        everything = set(self.open)
        yield self._left(set(), "lost")
        for content in ("kept", "torn", "lost"):
            yield self._left(everything, content)
        for change in (change for change in self.open if change.counts):
            yield self._left(everything - {change}, "lost")

    def _make(self, op: Op) -> None:
        folder, name = self._place(op.path)
        node = self._nodes[op.ino] = folder.names[name] = Node(op.is_folder)
        self.open.append(Change(folder, {name: node}, _counts(op.path)))

    def _rename(self, op: Op) -> None:
        (source, old), (target, new) = self._place(op.path), self._place(op.to)
        node = target.names[new] = source.names.pop(old)
        if source is target:
            self.open.append(Change(source, {old: None, new: node}, _counts(op.to)))
        else:
            added = Change(target, {new: node}, _counts(op.to))
            self.open += [added, Change(source, {old: None}, _counts(op.path), after=added)]

    def _sync(self, node: Node | None) -> None:
        if node is None:
            # The workspace itself has no name in the record.
            node = self.root
        node.synced = node.content
        node.synced_names = dict(node.names)
        self.open = [change for change in self.open if change.folder is not node]

    def _place(self, path: str) -> tuple[Node, str]:
        *folders, name = PurePosixPath(path).parts
        folder = self.root
        for each in folders:
            folder = folder.names[each]
        return folder, name

    def _left(self, kept: Collection[Change], content: Content) -> Left:
        changes = [change for change in self.open if change in kept and self._may_be(change, kept)]
        files: dict[str, tuple[int, bytes]] = {}
        folders: set[str] = set()
        for path, node in _walk(self.root, changes):
            if node.is_folder:
                folders.add(path)
            else:
                files[path] = id(node), node.left(content)
        has_journal = "spool" in folders
        return Left(files, frozenset(folders), self._commits * has_journal, self._journal if has_journal else None)

    def _may_be(self, change: Change, kept: Collection[Change]) -> bool:
        return change.after is None or change.after in kept or change.after not in self.open


def _walk(folder: Node, changes: Iterable[Change], at: str = "") -> Iterator[tuple[str, Node]]:
    names = dict(folder.synced_names)
    for change in changes:
        if change.folder is folder:
            names.update({name: node for name, node in change.names.items() if node is not None})
            for name in (name for name, node in change.names.items() if node is None):
                names.pop(name, None)
    for name, node in names.items():
        yield f"{at}{name}", node
        if node.is_folder:
            yield from _walk(node, changes, f"{at}{name}/")


def _counts(path: str) -> bool:
    return not path.startswith(_UNNEEDED) and not PurePosixPath(path).name.startswith(TEMPORARY_PREFIX)
