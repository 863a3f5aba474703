"""What the machine does to us, in words: the place, the cause, and what to do about it."""

from __future__ import annotations

import errno
import os

_MEMORY = ("no memory is left", "end what takes so much of it")
_RIGHTS = ("permission denied", "see whose it is, and give the user of the runner the right to it")
_IN_THE_WAY = ("something else is there where a folder belongs", "move it away")

# The cause, and the remedy.
_TOLD = {
    errno.ENOSPC: ("the disk is full", "make room on it"),
    errno.EDQUOT: ("the quota is used up", "make room, or have it raised"),
    errno.EFBIG: ("the file may not grow any more", "raise the limit (ulimit -f)"),
    errno.EROFS: ("the file system is read-only", "mount it for writing; dmesg may say why it is not"),
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EMFILE: ("too many open files", "raise the limit (ulimit -n; LimitNOFILE= of a service)"),
    errno.ENFILE: ("too many open files on this machine", "raise fs.file-max, or end what holds so many"),
    errno.EAGAIN: (
        "no more processes or threads may be started",
        "raise the limit (ulimit -u; TasksMax= of a service)",
    ),
    errno.ENOMEM: _MEMORY,
    errno.ENOBUFS: _MEMORY,
    errno.EIO: ("the disk cannot be read or written", "look with dmesg what is wrong with it"),
    errno.ESTALE: ("the other machine has lost it", "mount the file system again"),
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.ELOOP: ("links that lead in a circle", "mend the links"),
    errno.ENOENT: ("it is gone", "put it back"),
}
# What this process or the machine lacks just now: no fault of a file, and likely to pass.
WANTS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EMFILE,
        errno.ENFILE,
        errno.EAGAIN,
        errno.ENOMEM,
        errno.ENOBUFS,
        errno.EIO,
        errno.ESTALE,
    }
)


def told(error: Exception) -> str:
    """Return place, cause and remedy of an error of the system, in one line; of any other error what it says."""
    known = _TOLD.get(error.errno or 0) if isinstance(error, OSError) else None
    if known is None:
        return str(error)
    cause, remedy = known
    place = _place(error)
    return f"{place}: {cause}; {remedy}" if place else f"{cause}; {remedy}"


def kind(error: Exception) -> str:
    """Return what is the same for errors that have one cause, whichever file they name in one folder."""
    if not isinstance(error, OSError):
        return str(error)
    return f"{error.errno} {os.path.dirname(_place(error))}"  # noqa: PTH120 - it may be no path at all


def is_want(error: OSError) -> bool:
    """Tell whether this is for want of something of ours, and no fault of the file that it names."""
    return error.errno in WANTS


def _place(error: Exception) -> str:
    name = getattr(error, "filename", None)
    return os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""
