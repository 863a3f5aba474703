"""Which files in the outbox are complete, and taking them by rename."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kimi_hooks import atomic, crash_points, hindrances, mounts
from kimi_hooks.clock import Clock
from kimi_hooks.crash_points import Point
from kimi_hooks.logs import LOGGER, visible
from kimi_hooks.task_id import is_id, new_id

ENDINGS = frozenset({".md", ".txt", ".yaml", ".yml", ".json"})
IGNORED_ENDINGS = ("~", ".tmp", ".part", ".swp")
MAX_NAME_BYTES = 180
STAGED_PREFIX = ".claimed-"
_AGAIN = re.compile(r"again-([1-9][0-9]{0,8})\.json", re.ASCII)


@dataclass(frozen=True)
class Claim:
    """A file that is ours now: `path` in `spool/incoming/`, the id it got, and the name it was dropped under."""

    task_id: str
    path: Path
    file_name: str


@dataclass(frozen=True)
class _Stillness:
    size: int
    mtime_ns: int
    since: float


class Outbox:
    """The folder as the runner sees it. It remembers how long unfinished files have been still.

    `settle_seconds` may be set at any time.
    """

    def __init__(self, folder: Path, incoming: Path, clock: Clock, settle_seconds: float) -> None:
        self._folder = folder
        self._incoming = incoming
        self._clock = clock
        self.settle_seconds = settle_seconds
        self._still: dict[str, _Stillness] = {}
        self._warned: set[str] = set()
        self._failed: dict[str, tuple[int, ...]] = {}
        self._is_remote: dict[int, bool] = {}

    def arrived(self) -> list[str]:
        """Return the names of the files in order of arrival, whole or not. Raises OSError when there is no listing."""
        found = self._list()
        self._still = {name: self._still[name] for _, name in found if name in self._still}
        found.sort(key=lambda item: (item[0].st_mtime_ns, item[1]))
        return [name for _, name in found]

    def seconds_to_look(self) -> float | None:
        """Return in how many seconds a file that was not complete may be; None when the bell will tell.

        It does when a file that is held open is closed.
        """
        if not self._still:
            return None
        left = min(still.since for still in self._still.values()) + self.settle_seconds - self._clock.monotonic()
        return max(0.0, left) or self.settle_seconds

    def claim(self, names: Iterable[str], is_known: Callable[[str], bool]) -> list[Claim]:
        """Move those that are complete to `spool/incoming/` under their task ids and put both folders on the disk.

        A file whose stem is a well-formed id that `is_known` has never seen keeps that id.
        """
        claims: list[Claim] = []
        try:
            for name in names:
                stem = name.rpartition(".")[0]
                keeps_id = is_id(stem) and not any(claim.task_id == stem for claim in claims) and not is_known(stem)
                task_id = stem if keeps_id else new_id(self._clock.now())
                claim = self._try_to_move(name, task_id)
                claims += [claim] if claim else []
        finally:
            # Also when the next one cannot be moved: those before it get their rows all the same.
            if claims:
                # In this order: a power cut may leave a file both names, and never none.
                atomic.sync_folder(self._incoming)
                atomic.sync_folder(self._folder)
                crash_points.reached(Point.CLAIM_SYNCED)
        return claims

    def claimed_before(self) -> list[Claim]:
        """Return what a killed runner had claimed, bringing home what it was carrying between file systems."""
        for staged in self._folder.glob(f"{STAGED_PREFIX}*"):
            name = staged.name.removeprefix(STAGED_PREFIX)
            if is_id(name.partition("__")[0]) and not staged.is_dir():
                try:
                    self._carry(staged, self._incoming / name)
                except OSError as error:
                    LOGGER.error("outbox/%s cannot be taken: %s", visible(staged.name), error)
        # A copy that was cut on its way has no id in front.
        parts = ((path, *path.name.partition("__")) for path in sorted(self._incoming.iterdir()))
        claims = [Claim(task_id, path, name) for path, task_id, between, name in parts if between and is_id(task_id)]
        self._remove_second_names([claim.path for claim in claims])
        return claims

    def _remove_second_names(self, claimed: Iterable[Path]) -> None:
        """Remove from the outbox what was claimed and, after a power cut, is there under its old name as well."""
        names = {(_identity(path.lstat()), path.name.partition("__")[2]) for path in claimed}
        for path in self._folder.iterdir() if names else ():
            with contextlib.suppress(FileNotFoundError):
                if (_identity(path.lstat()), cut(path.name)) in names:
                    path.unlink()

    def _list(self) -> list[tuple[os.stat_result, str]]:
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                # Its owner may take a file back while we look.
                with contextlib.suppress(FileNotFoundError):
                    if self._is_task(entry):
                        found.append((entry.stat(follow_symlinks=False), entry.name))
        if not self._failed:
            return found
        rights = self._rights()
        return [(status, name) for status, name in found if self._failed.get(name) != (status.st_ctime_ns, *rights)]

    def _rights(self) -> tuple[int, ...]:
        """Return what decides whether files may be moved out of the one folder and into the other. Raises OSError."""
        both = self._folder.stat(), self._incoming.stat()
        return tuple(number for status in both for number in (status.st_mode, status.st_uid, status.st_gid))

    def _is_task(self, entry: os.DirEntry[str]) -> bool:
        if entry.name.startswith(".") or entry.name.endswith(IGNORED_ENDINGS) or entry.is_dir(follow_symlinks=False):
            return False
        if os.path.splitext(entry.name)[1].lower() in ENDINGS:  # noqa: PTH122 - called for every file of a flood
            return True
        if entry.name not in self._warned:
            self._warned.add(entry.name)
            LOGGER.warning(
                "outbox/%s is left alone: task files end in %s", visible(entry.name), ", ".join(sorted(ENDINGS))
            )
        return False

    def _is_complete(self, path: Path) -> bool:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return True
        # A file with two names may be the journal, which must not be opened to be asked.
        may_ask = status.st_size and status.st_nlink == 1 and not self._lies_elsewhere(status.st_dev)
        open_for_writing = atomic.held_open(path) if may_ask else None
        if open_for_writing is None:
            return self._has_settled(path.name, status)
        self._still.pop(path.name, None)
        return not open_for_writing

    def _lies_elsewhere(self, device: int) -> bool:
        """Tell whether other machines write there: of them the kernel's leases know nothing."""
        if device not in self._is_remote:
            self._is_remote[device] = mounts.network_type_of(device) is not None
        return self._is_remote[device]

    def _has_settled(self, name: str, status: os.stat_result) -> bool:
        now = self._clock.monotonic()
        known = self._still.get(name)
        if known is None or (known.size, known.mtime_ns) != (status.st_size, status.st_mtime_ns):
            self._still[name] = _Stillness(status.st_size, status.st_mtime_ns, now)
            return False
        return now - known.since >= self.settle_seconds

    def _try_to_move(self, name: str, task_id: str) -> Claim | None:
        """Claim the file unless it has gone or is not complete; one that cannot be moved is left until it changes.

        Raises OSError where the fault is not the file's.
        """
        path = self._folder / name
        try:
            return self._move(name, task_id) if self._is_complete(path) else None
        except OSError as error:
            if not self._incoming.is_dir():
                # It names both, and the file is in order.
                raise OSError(error.errno, error.strerror, str(self._incoming)) from error
            if isinstance(error, FileNotFoundError):
                return None
            if hindrances.is_want(error):
                raise
            told = hindrances.told(error)
            LOGGER.error("outbox/%s cannot be taken and stays there: %s", visible(name), visible(told))
            with contextlib.suppress(OSError):
                self._failed[name] = (path.lstat().st_ctime_ns, *self._rights())
            return None

    def _move(self, name: str, task_id: str) -> Claim:
        target = self._incoming / f"{task_id}__{cut(name)}"
        try:
            (self._folder / name).rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._move_across(name, target)
        crash_points.reached(Point.CLAIM_RENAMED)
        self._still.pop(name, None)
        return Claim(task_id, target, name)

    def _move_across(self, name: str, target: Path) -> None:
        staged = self._folder / f"{STAGED_PREFIX}{target.name}"
        (self._folder / name).rename(staged)
        # Else a power cut could leave the file here as it was, beside its copy.
        atomic.sync_folder(self._folder)
        try:
            self._carry(staged, target)
        except OSError:
            staged.rename(self._folder / name)
            raise

    def _carry(self, staged: Path, target: Path) -> None:
        """Bring a staged file from the outbox's file system to ours: its id is in its name, so never twice."""
        temporary = target.with_name(f"{atomic.TEMPORARY_PREFIX}{target.name}")
        try:
            if staged.is_symlink() or not staged.is_file():
                temporary.symlink_to("/nonexistent/not-a-plain-file")
            else:
                shutil.copyfile(staged, temporary)
                _sync_file(temporary)
            temporary.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        atomic.sync_folder(target.parent)
        staged.unlink()


def cut(name: str) -> str:
    """Cut a file name at 180 bytes, at a character, keeping its ending."""
    raw = os.fsencode(name)
    if len(raw) <= MAX_NAME_BYTES:
        return name
    ending = os.fsencode(os.path.splitext(name)[1])  # noqa: PTH122 - bytes
    kept = raw[: MAX_NAME_BYTES - len(ending)].decode("utf-8", "ignore")
    return kept + os.fsdecode(ending)


def again_name(task_id: str, retried: int) -> str:
    """Return the name in `spool/accepted/` of a task that a person has run again, for the nth time."""
    return f"{task_id}__again-{retried}.json"


def again_in(name: str) -> int:
    """Return how often the task of a file in `spool/accepted/` was run again, as its name says; 0 for a dropped one."""
    found = _AGAIN.fullmatch(name.partition("__")[2])
    return int(found[1]) if found else 0


def accepted_name(name: str) -> str:
    """Return the name under which a claimed file is put away: never one that says that its task was run again."""
    task_id, _, dropped = name.partition("__")
    return f"{task_id}__dropped-{dropped}" if again_in(name) else name


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def dropped(folder: Path) -> list[str]:
    """Return the names of the task files that no runner has taken yet."""
    files = (path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.name[0] != ".")
    return [path.name for path in files if path.is_symlink() or not path.is_dir()]


def is_dropped(folder: Path, task_id: str) -> bool:
    """Tell whether a file that will keep this id waits in the outbox."""
    return bool(dropped_as(folder, task_id))


def dropped_as(folder: Path, task_id: str) -> list[str]:
    """Return the names of the files in the outbox that will keep this id, as far as it is one."""
    names = [f"{task_id}{ending}" for ending in sorted(ENDINGS)] if is_id(task_id) else []
    return [name for name in names if (folder / name).exists()]


def is_claimed(folder: Path, incoming: Path, task_id: str) -> bool:
    """Tell whether a runner has claimed a file under this id and not yet put it away."""
    staged = f"{STAGED_PREFIX}{task_id}__*"
    return is_id(task_id) and (any(folder.glob(staged)) or any(incoming.glob(f"{task_id}__*")))
