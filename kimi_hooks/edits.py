"""Files that their owner edits while we work with them: of one that is broken, the last good state counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from kimi_hooks import atomic, workspace
from kimi_hooks.clock import Clock
from kimi_hooks.config import Config
from kimi_hooks.errors import ConfigError, TemplateError, WorkspaceError
from kimi_hooks.workspace import Workspace

T = TypeVar("T")
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class Broken:
    """A file whose newest state, the one with this stamp, cannot be used; `message` tells the place and the remedy."""

    file: Path
    stamp: Stamp
    message: str


def content_mark(file: Path) -> str:
    """Return a short stand-in for a file's content; empty when it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


class LastGood(Generic[T]):
    """What was made of some files, each in its newest state that could be used. May be asked by any thread."""

    def __init__(self, load: Callable[[Path, Stamp], T]) -> None:
        """`load` raises TemplateError for a state that cannot be used."""
        self._load = load
        self._good: dict[Path, tuple[Stamp, T]] = {}
        self._broken: dict[Path, Broken] = {}

    def get(self, file: Path) -> T:
        """Return what the file says now, else what it said last. Raises TemplateError where that is nothing."""
        stamp, known = atomic.stamp(file), self._good.get(file)
        if known is not None and known[0] == stamp:
            self._broken.pop(file, None)
            return known[1]
        broken = self._broken.get(file)
        # While somebody writes it, half of it may look like a whole one.
        if known is not None and ((broken is not None and broken.stamp == stamp) or atomic.held_open(file)):
            return known[1]
        return self._look_again(file, stamp, known)

    def broken(self) -> list[Broken]:
        """Look again at the files that were broken, and return those that still are."""
        for file in list(self._broken):
            self.get(file)
        return list(self._broken.values())

    def keep_only(self, files: Collection[Path]) -> None:
        """Forget all other files."""
        for file in {*self._good, *self._broken}.difference(files):
            self._good.pop(file, None)
            self._broken.pop(file, None)

    def _look_again(self, file: Path, stamp: Stamp, known: tuple[Stamp, T] | None) -> T:
        try:
            loaded = self._load(file, stamp)
        except TemplateError as error:
            if known is None:
                raise
            self._broken[file] = Broken(file, stamp, str(error))
            return known[1]
        self._good[file] = stamp, loaded
        self._broken.pop(file, None)
        return loaded


@dataclass
class _Edit:
    """A state of config.yaml that is looked at, first seen `since` (a time of clock.monotonic)."""

    stamp: Stamp
    since: float
    is_held_open: bool = False
    data: bytes = b""
    said: Config | str | None = None


class ConfigFile:
    """config.yaml as it was when `look` was last called: `config` is its last good state, made of `data`.

    A state counts at once when it is in order and nobody holds the file open for writing. One that is broken, empty or
    gone may be half of what an editor does, so it is `broken` only when it was still for `settle_seconds`.
    """

    def __init__(self, found: Workspace, clock: Clock) -> None:
        """Read it. Raises WorkspaceError when there is none, ConfigError when it is wrong."""
        self._workspace = found
        self._clock = clock
        self._judged = atomic.stamp(found.config_file)
        self.data = workspace.config_bytes(found)
        self.config = workspace.checked(found, self.data)
        self.broken: Broken | None = None
        self._edit: _Edit | None = None

    def look(self) -> None:
        """Look whether the file has changed; costs one call to the system when it has not."""
        stamp = atomic.stamp(self._workspace.config_file)
        if stamp == self._judged:
            self._edit = None
            return
        if self._edit is None or self._edit.stamp != stamp:
            self._edit = _Edit(stamp, self._clock.monotonic())
        self._judge(self._edit)

    def is_outdated(self) -> bool:
        """Tell whether the file is not in the state any more that was looked at last. May be asked by any thread."""
        return atomic.stamp(self._workspace.config_file) != self._judged

    def seconds_to_look(self) -> float | None:
        """Return in how many seconds an edit may be whole; None when there is none, or the bell will tell."""
        if self._edit is None or self._edit.is_held_open:
            return None
        return max(0.0, self._edit.since + self.config.settle_seconds - self._clock.monotonic())

    def _judge(self, edit: _Edit) -> None:
        held_open = atomic.held_open(self._workspace.config_file)
        edit.is_held_open = bool(held_open)
        if held_open or (edit.said is None and not self._read(edit)):
            return
        is_still = self._clock.monotonic() - edit.since >= self.config.settle_seconds
        if isinstance(edit.said, Config):
            if is_still or held_open is False:
                self._take(edit, edit.said)
        elif is_still:
            self._judged, self._edit = edit.stamp, None
            self.broken = Broken(self._workspace.config_file, edit.stamp, edit.said or "")

    def _read(self, edit: _Edit) -> bool:
        """Read what the edit says; tell whether the file has stood still meanwhile."""
        try:
            edit.data = workspace.config_bytes(self._workspace)
            edit.said = self.config if edit.data == self.data else workspace.checked(self._workspace, edit.data)
        except ConfigError as error:
            edit.said = str(error)
        except WorkspaceError as error:
            is_gone = edit.stamp is None
            edit.said = workspace.GONE.format(file=self._workspace.config_file) if is_gone else str(error)
        if atomic.stamp(self._workspace.config_file) != edit.stamp:
            edit.said = None
        return edit.said is not None

    def _take(self, edit: _Edit, said: Config) -> None:
        self._judged, self._edit, self.broken, self.data = edit.stamp, None, None, edit.data
        if said != self.config:
            self.config = said
