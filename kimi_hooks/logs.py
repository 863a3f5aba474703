"""One line for each transition, in the log file and on the console; never a secret."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kimi_hooks.log_file import LogFile, Rotation

LOGGER = logging.getLogger("kimi_hooks")
MIN_SECRET_CHARACTERS = 6


class _OneLine(logging.Formatter):
    """UTC times; control characters are shown and not sent, so that a task's name cannot write log lines."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        # File and console say the same: the second handler takes what was made for the first.
        line = getattr(record, "kimi_hooks_line", None)
        if line is None:
            record.kimi_hooks_line = line = self._line(record)
        return str(line)

    def _line(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets():
            if len(secret) >= MIN_SECRET_CHARACTERS:
                line = line.replace(secret, "***")
        return line if record.exc_info else visible(line)


class _Lines(logging.StreamHandler[Any]):
    """Writes lines without waiting for another thread: whoever is writing takes the lines of the others along.

    With a hundred threads at work, a lock around each write costs more than all the writes; and a terminal that was
    stopped holds up one thread, not all.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._lines: deque[str] = deque()
        self._writing = threading.Lock()

    def handle(self, record: logging.LogRecord) -> bool:
        """Have no lock around `emit`: many may call it at once."""
        self.emit(record)
        return True

    def flush(self) -> None:
        """Do nothing: each write is flushed, and two at once would disturb each other."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, or leave it to the thread that is writing."""
        try:
            self._lines.append(f"{self.format(record)}\n")
            # Asked again when the lock is free: a line that came in between has no other writer.
            while self._lines and self._writing.acquire(blocking=False):
                try:
                    lines = "".join(self._lines.popleft() for _ in range(len(self._lines)))
                    self.stream.write(lines)
                    self.stream.flush()
                finally:
                    self._writing.release()
        except OSError:
            # A full disk, a terminal that is gone: told where it hurts, not here for each line.
            pass
        except Exception:  # noqa: BLE001 - what cannot be logged must not stop the work
            self.handleError(record)


def visible(text: str) -> str:
    """Return the text with every control character written as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def set_up(
    file: Path | None,
    *,
    console: bool,
    secrets: Callable[[], Iterable[str]],
    rotation: Callable[[], Rotation] | None = None,
) -> None:
    """Send the log to the file and, if wanted, to stderr. What `secrets` returns is masked wherever it turns up.

    `rotation` says when the file is put aside; who writes a line or two leaves that to the runner.
    """
    formatter = _OneLine(secrets)
    # What a line does not show need not be looked up for it.
    # https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None  # noqa: SLF001 - the documented way
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    LOGGER.handlers.clear()
    if file is not None:
        _attach(_Lines(LogFile(file, rotation)), formatter)
    # There is none when the runner was started with stderr closed.
    if console and sys.stderr is not None:
        _attach(_Lines(sys.stderr), formatter)


def transition(task_id: str, state: str, **details: object) -> None:
    """Log that the task is now in this state."""
    told = " ".join(f"{key}={value}" for key, value in details.items() if value is not None)
    LOGGER.info("%s %s%s", task_id, state, f" {told}" if told else "")


def _attach(handler: logging.Handler, formatter: logging.Formatter) -> None:
    handler.setFormatter(formatter)
    LOGGER.addHandler(handler)
