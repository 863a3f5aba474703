"""The doorbell: the kernel says that something happened in a folder. It carries no data and may ring for nothing.

This is the only door to watchdog.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from watchdog.events import DirDeletedEvent, DirModifiedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver, ObservedWatch

Ring = Callable[[], None]

# At the end of a watch its threads complain of each other's end; a lost event costs us nothing, we list the folder.
logging.getLogger("watchdog").addHandler(logging.NullHandler())


class Bell:
    """Wakes one waiting thread. It may be rung from any thread and from a signal handler.

    A SimpleQueue and not a threading.Event: its `put` is reentrant, so a signal that arrives while the main thread
    is inside `wait` cannot deadlock (https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put).
    """

    def __init__(self) -> None:
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        """Wake the waiter. A ring that nobody has heard yet stands for this one too."""
        if self._rings.empty():
            self._rings.put(None)

    def wait(self, seconds: float | None) -> None:
        """Block until the bell rings or the time is over; None waits for ever without waking."""
        try:
            self._rings.get(timeout=None if seconds is None else min(seconds, threading.TIMEOUT_MAX))
        except queue.Empty:
            return
        while not self._rings.empty():
            self._rings.get()


class _Ringer(FileSystemEventHandler):
    def __init__(self, ring: Ring, names: frozenset[str] | None) -> None:
        self._ring = ring
        self._names = names
        self.path = ""
        self.folder_has_gone = False

    @property
    def filter(self) -> list[type[FileSystemEvent]] | None:
        """All events: where names count, each does, and one may not stand for many."""
        return None if self._names is None else [FileSystemEvent]

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, DirDeletedEvent) and os.fsdecode(event.src_path) == self.path:
            # One made anew may well get the same inode.
            self.folder_has_gone = True
            self._ring()
        elif not isinstance(event, DirModifiedEvent) and self._concerns(os.fsdecode(event.src_path)):
            self._ring()

    def _concerns(self, path: str) -> bool:
        name = os.path.basename(path)  # noqa: PTH119 - called for every event of a flood
        return not name.startswith(".") if self._names is None else name in self._names


@dataclass
class _Watched:
    """One folder: which one it was when the watch was set, and the watch."""

    folder: Path
    handler: _Ringer
    identity: tuple[int, int] | None = None
    watch: ObservedWatch | None = None


class Watch:
    """A running watch on some folders; `stop` ends it."""

    def __init__(self) -> None:
        self._observer = _observer()
        self._watched: list[_Watched] = []

    def add(self, folder: Path, ring: Ring, *, names: frozenset[str] | None = None) -> None:
        """Ring whenever an entry of the folder is made, moved in or closed after writing, or the folder goes.

        With `names` only those entries count, also when they go; without, all but dotfiles. Raises OSError when the
        folder cannot be watched (for instance when the limit of inotify watches is reached).
        """
        watched = _Watched(folder, _Ringer(ring, names))
        self._watched.append(watched)
        self._set(watched)

    def start(self) -> None:
        self._observer.start()

    def renew(self) -> bool:
        """Set the watch anew on each folder that was removed and made again; tell whether there was one.

        Raises OSError while such a folder is not there.
        """
        gone = [watched for watched in self._watched if _has_gone(watched)]
        for watched in gone:
            if watched.watch is not None:
                self._observer.unschedule(watched.watch)
                watched.watch = None
            self._set(watched)
        return bool(gone)

    def stop(self) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()
        else:
            # One that could not be started may have set some of its watches.
            self._observer.unschedule_all()

    def _set(self, watched: _Watched) -> None:
        identity = _identity(watched.folder)
        watched.handler.folder_has_gone = False
        # watchdog does not follow links, and outbox/ or results/ may well be one.
        path = watched.handler.path = os.path.realpath(watched.folder)
        watched.watch = self._observer.schedule(watched.handler, path, event_filter=watched.handler.filter)
        watched.identity = identity


def _has_gone(watched: _Watched) -> bool:
    """Tell whether the watch is none any more, or could not be set the last time."""
    is_unset = watched.watch is None or watched.handler.folder_has_gone
    return is_unset or _identity(watched.folder) != watched.identity


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _observer() -> BaseObserver:
    if sys.platform == "linux":
        from kimi_hooks.watcher_inotify import DoorbellEmitter  # noqa: PLC0415 - exists on Linux only

        return BaseObserver(DoorbellEmitter)
    from watchdog.observers import Observer  # noqa: PLC0415 - as above

    return Observer()
