"""A bounded number of threads, made when first needed, that never keep the process from leaving."""

from __future__ import annotations

import _thread
import errno
import queue
import threading
from collections.abc import Callable

from kimi_hooks.logs import LOGGER

Work = Callable[[], None]


class Pool:
    """Runs work in up to `size` threads; what runs when the pool shrinks is finished.

    Not concurrent.futures: that joins its threads at exit, and a call may last an hour. Nobody waits for these, and the
    journal makes it safe to leave one behind.
    """

    def __init__(self, name: str, size: int, on_done: Work) -> None:
        """`on_done` is called, in the thread, each time that a place has become free."""
        self._name = name
        self._size = size
        self._on_done = on_done
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0

    @property
    def busy(self) -> int:
        """How many pieces of work were submitted and have not ended."""
        return self._busy

    @property
    def free(self) -> int:
        """How many pieces of work would start at once."""
        return max(0, self._size - self._busy)

    def submit(self, work: Work) -> None:
        with self._lock:
            self._busy += 1
            is_short = self._busy > self._threads and self._threads < self._size
            self._threads += is_short
        self._work.put(work)
        if is_short:
            try:
                self._start_thread()
            except OSError:
                # What was submitted waits for a thread; whoever is rung looks after that.
                self._on_done()

    def start_missing(self) -> None:
        """Start the threads that could not be started when there was work for them. Raises OSError."""
        while self._busy > self._threads and self._threads < self._size:
            with self._lock:
                self._threads += 1
            self._start_thread()

    def _start_thread(self) -> None:
        """Start one that is counted already. Raises OSError, with it not counted any more."""
        try:
            # Not threading.Thread: its start() waits until the new thread has run, which takes long when many do.
            _thread.start_new_thread(self._serve, ())
        except RuntimeError as error:
            with self._lock:
                self._threads -= 1
            raise OSError(errno.EAGAIN, str(error)) from error

    def resize(self, size: int) -> None:
        """Let the pool grow, or end threads as soon as they have nothing to do."""
        with self._lock:
            self._size = size
            leaving = max(0, self._threads - size)
            # Counted as gone already: so many will take a None, whichever they are.
            self._threads -= leaving
        for _ in range(leaving):
            self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:  # noqa: BLE001 - a thread must outlive what it was given
                LOGGER.exception("a bug: work in a %s thread raised", self._name)
            finally:
                with self._lock:
                    self._busy -= 1
                self._on_done()
