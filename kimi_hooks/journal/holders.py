"""What keeps the journal from being used, in words; and who holds its file, where the system tells.

https://man7.org/linux/man-pages/man5/proc_locks.5.html, https://www.sqlite.org/walformat.html#locks
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

LOCKS = Path("/proc/locks")
# In the file beside the journal, this byte is locked by whoever writes.
WRITER_BYTE = 120
# By the first two words of SQLite's names: https://www.sqlite.org/rescode.html
_TOLD = {
    "SQLITE_FULL": ("the disk is full", "make room on it"),
    "SQLITE_READONLY": ("it may not be written", "see whose it is, and whether the disk is mounted for writing"),
    "SQLITE_CANTOPEN": ("it cannot be opened", "see whose it is, and whether too many files are open"),
    "SQLITE_IOERR": ("the disk does not take it", "see whether it is full or broken (df, dmesg)"),
    "SQLITE_PERM": ("permission denied", "see whose it is"),
}
_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")


def told(name: str, message: str, file: Path | None) -> str:
    """Return place, cause and remedy of an error with this name of SQLite's, such as `SQLITE_IOERR_WRITE`."""
    place = f"{file}: the journal cannot be used"
    name = "_".join(name.split("_")[:2])
    if name in _LOCKED:
        who = writer(file) if file is not None else None
        return f"{place}: {who or 'another program'} has locked it for long; let it finish, or end it"
    cause, remedy = _TOLD.get(name, (message, "see whether the disk is full or broken (df, dmesg)"))
    return f"{place}: {cause}; {remedy}"


def writer(file: Path) -> str | None:
    """Return which other process is writing to the journal, such as `process 4711 (sqlite3)`; None: not known."""
    try:
        found = set(_writers(file))
    except (OSError, ValueError):
        return None
    others = sorted(found - {os.getpid()})
    return f"process {others[0]}{_named(others[0])}" if others else None


def _writers(file: Path) -> Iterator[int]:
    status = file.with_name(f"{file.name}-shm").stat()
    ours = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in LOCKS.read_text("ascii").splitlines():
        if "->" in line:
            # One that waits for a lock, and has none.
            continue
        _, _, _, how, pid, which, first, last = line.split()
        if how == "WRITE" and which == ours and _covers(first, last):
            yield int(pid)


def _covers(first: str, last: str) -> bool:
    return int(first) <= WRITER_BYTE and (last == "EOF" or int(last) >= WRITER_BYTE)


def _named(pid: int) -> str:
    try:
        return f" ({Path(f'/proc/{pid}/comm').read_text('utf-8', 'replace').strip()})"
    except OSError:
        return ""
