"""The doorbell: the kernel says that something happened in a folder. It carries no data and may ring for nothing.

This is the only door to watchdog.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
from collections.abc import Callable
from pathlib import Path

from watchdog.events import DirModifiedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver

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
            self._rings.get(timeout=seconds)
        except queue.Empty:
            return
        while not self._rings.empty():
            self._rings.get()


class _Ringer(FileSystemEventHandler):
    def __init__(self, ring: Ring, names: frozenset[str] | None) -> None:
        self._ring = ring
        self._names = names

    def on_any_event(self, event: FileSystemEvent) -> None:
        if not isinstance(event, DirModifiedEvent) and self._concerns(os.fsdecode(event.src_path)):
            self._ring()

    def _concerns(self, path: str) -> bool:
        name = os.path.basename(path)  # noqa: PTH119 - called for every event of a flood
        return not name.startswith(".") if self._names is None else name in self._names


class Watch:
    """A running watch on some folders; `stop` ends it."""

    def __init__(self) -> None:
        self._observer = _observer()

    def add(self, folder: Path, ring: Ring, *, names: frozenset[str] | None = None) -> None:
        """Ring whenever an entry of the folder is made, moved in or closed after writing, or the folder goes.

        With `names` only those entries count; without, all but dotfiles. Raises OSError when the folder cannot be
        watched (for instance when the limit of inotify watches is reached).
        """
        self._observer.schedule(_Ringer(ring, names), str(folder))

    def start(self) -> None:
        self._observer.start()

    def stop(self) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()


def _observer() -> BaseObserver:
    if sys.platform == "linux":
        from kimi_hooks.watcher_inotify import DoorbellEmitter  # noqa: PLC0415 - exists on Linux only

        return BaseObserver(DoorbellEmitter)
    from watchdog.observers import Observer  # noqa: PLC0415 - as above

    return Observer()
