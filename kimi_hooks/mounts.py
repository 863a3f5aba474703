"""On what kind of file system a folder lies: on those of other machines the kernel tells of what we do, and no more.

https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
"""

from __future__ import annotations

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
# fmt: off
_NETWORK = frozenset({
    "9p", "afs", "afpfs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "gfs2", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb2", "smb3", "smbfs", "vboxsf",
    "virtiofs", "vmhgfs", "webdav",
})
# fmt: on
_FUSE = "fuse."
# Served by a process of this machine from a disk of this machine.
_LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.unionfs", "fuse.lxcfs", "fuse.portal"})


def network_type(folder: Path) -> str | None:
    """Return the type of the network file system that the folder lies on, such as `nfs4`; None when it is local."""
    try:
        return network_type_of(folder.stat().st_dev)
    except OSError:
        return None


def network_type_of(device: int) -> str | None:
    """Return the type of the network file system with this `st_dev`; None when it is local, or nobody says."""
    try:
        return found(MOUNTS.read_text("utf-8", "replace"), device)
    except OSError:
        return None


def found(mounts: str, device: int) -> str | None:
    """Look the device up in the text of `mountinfo`."""
    ours = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2:3] == [ours]:
            kind = after.partition(" ")[0]
            return kind if _is_remote(kind) else None
    return None


def _is_remote(kind: str) -> bool:
    return kind in _NETWORK or (kind.startswith(_FUSE) and kind not in _LOCAL_FUSE)
