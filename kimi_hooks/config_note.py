"""A note of what a checked config.yaml says, so that a verb that must be quick need not check the same file again.

Checking takes longer than all the rest of a dispatch. The note counts only for the very bytes that were checked, and
for the version that checked them. It is never needed: whatever is wrong with it, the file is checked anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kimi_hooks import __version__, atomic

# Far more than the values take; what is larger is not ours.
MAX_BYTES = 1024 * 1024
SETTINGS = frozenset({"KIMI_API_URL", "KIMI_MODEL", "WEBHOOK_URL", "OPENCLAW_GATEWAY_URL"})


@dataclass(frozen=True)
class Basics:
    """The plain values of a config.yaml that dispatching takes.

    `settings` is what it says for names that the environment may also set, None where it says nothing.
    """

    settings: Mapping[str, str | None]
    max_task_bytes: int
    max_context_bytes: int
    requests_per_minute: int
    context_roots: tuple[str, ...] | None


def read(file: Path, config: bytes) -> Basics | None:
    """Return what the note says of a config.yaml of these bytes; None when there is no note of ours about them."""
    try:
        note = json.loads(_own_bytes(file))
        return _basics(note["basics"]) if note["of"] == _fingerprint(config) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def write(file: Path, config: bytes, basics: Basics) -> None:
    """Leave a note about a config.yaml of these bytes, if the folder is there and the note is not; raises nothing."""
    with contextlib.suppress(OSError, ValueError):
        if file.parent.is_dir() and read(file, config) != basics:
            note = {"of": _fingerprint(config), "basics": asdict(basics)}
            atomic.write_bytes(file, json.dumps(note).encode(), mode=0o600, synced=False)


def _fingerprint(config: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(config).hexdigest(), "version": __version__}


def _own_bytes(file: Path) -> bytes:
    """Return the note's bytes. Raises OSError, also for what is no file that only we could have written."""
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        # A note that came with a clone or a shared folder is readable by others, and nobody here has checked anything.
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise PermissionError(f"{file}: not a file of ours")
        return atomic.read_up_to(fd, min(status.st_size, MAX_BYTES))
    finally:
        os.close(fd)


def _basics(said: Any) -> Basics:
    """Return the values if they can be such. Raises ValueError, TypeError and KeyError."""
    settings, roots = said["settings"], said["context_roots"]
    numbers = said["max_task_bytes"], said["max_context_bytes"], said["requests_per_minute"]
    if not (
        isinstance(settings, dict)
        and settings.keys() == SETTINGS
        and all(value is None or isinstance(value, str) for value in settings.values())
        and all(type(number) is int and number >= 1 for number in numbers)
        and (roots is None or (isinstance(roots, list) and all(isinstance(root, str) for root in roots)))
    ):
        raise ValueError("no note of ours")
    return Basics(settings, *numbers, None if roots is None else tuple(roots))
