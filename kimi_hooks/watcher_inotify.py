"""The part of `watcher` that exists on Linux only."""

from __future__ import annotations

from functools import reduce
from operator import or_

from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyConstants, Mask

DOORBELL_MASK = Mask(
    reduce(
        or_,
        [
            InotifyConstants.IN_CREATE,
            InotifyConstants.IN_MOVED_TO,
            InotifyConstants.IN_CLOSE_WRITE,
            InotifyConstants.IN_DELETE_SELF,
            InotifyConstants.IN_MOVE_SELF,
        ],
    )
)


class DoorbellEmitter(InotifyEmitter):
    """Asks the kernel only for what can mean a new file.

    watchdog's own mask has MOVED_FROM in it, which it holds back for half a second to pair moves: every claim by
    rename would delay the next event by 440 ms. And it has OPEN and CLOSE_NOWRITE: our own reads would wake us.
    """

    def get_event_mask_from_filter(self) -> Mask:
        return DOORBELL_MASK
