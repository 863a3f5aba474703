"""The watch on some folders. Where the kernel has none left to give, somebody has to look every few seconds."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path

from kimi_hooks.clock import Clock
from kimi_hooks.watcher import Ring, Watch

AGAIN_SECONDS = 60.0
# The folder's fault, and not for want of a watch.
_OF_THE_FOLDER = (FileNotFoundError, NotADirectoryError, PermissionError)
_LIMITS = {
    errno.EMFILE: "the kernel gives no more inotify instances: raise fs.inotify.max_user_instances, or ulimit -n",
    errno.ENOSPC: "the kernel gives no more inotify watches: raise fs.inotify.max_user_watches",
}
POLLING = "folders cannot be watched, they are looked at every few seconds now: %s"
WATCHED = "folders are watched by the kernel again"


class Watching:
    """A watch on folders that comes back by itself. `why_polling` says why there is none just now."""

    def __init__(
        self,
        folders: Mapping[Path, frozenset[str] | None],
        ring: Ring,
        clock: Clock,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Watch these folders: for all names but dotfiles, or for some. `warn` is told when that changes."""
        self._folders = folders
        self._ring = ring
        self._clock = clock
        self._warn = warn
        self._watch: Watch | None = None
        self._again_at = 0.0
        self.why_polling: str | None = None

    def begin(self) -> None:
        """Set the watch, or be without. Raises OSError when a folder is not there or may not be seen."""
        watch = Watch()
        try:
            for folder, names in self._folders.items():
                watch.add(folder, self._ring, names=names)
            watch.start()
        except OSError as error:
            watch.stop()
            self._do_without(error)
            return
        self._watch = watch
        if self.why_polling is not None:
            self.why_polling = None
            self._warn(WATCHED)

    def renew(self) -> bool:
        """Set the watch anew on folders that were made again, or now and then where there was none; tell if so.

        What happened before that made no sound. Raises OSError as `begin`.
        """
        if self._watch is None:
            if self._clock.monotonic() < self._again_at:
                return False
            self.begin()
            return self._watch is not None
        try:
            return self._watch.renew()
        except OSError as error:
            self._do_without(error)
            return True

    def seconds_to_look(self, poll_seconds: float) -> float | None:
        """Return in how many seconds somebody has to look; None while the kernel tells."""
        return None if self.why_polling is None else poll_seconds

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def _do_without(self, error: OSError) -> None:
        """Go on without a watch. Raises the error again where the folder is at fault, with the watch as it was."""
        if isinstance(error, _OF_THE_FOLDER):
            raise error
        self.stop()
        self._again_at = self._clock.monotonic() + AGAIN_SECONDS
        why = _LIMITS.get(error.errno or 0, str(error))
        if why != self.why_polling:
            self.why_polling = why
            self._warn(POLLING % why)
