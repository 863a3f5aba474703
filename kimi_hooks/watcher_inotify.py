"""The part of `watcher` that exists on Linux only."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_

from watchdog.events import DirDeletedEvent
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyConstants, Mask
from watchdog.observers.inotify_move_event_grouper import (
    GroupedInotifyEvent,
    InotifyMoveEventGrouper,
    PathedInotifyEvent,
)

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
NAMED_MASK = Mask(DOORBELL_MASK | InotifyConstants.IN_DELETE | InotifyConstants.IN_MOVED_FROM)


class DoorbellEmitter(InotifyEmitter):
    """Asks the kernel only for what can mean a new file, and where names count, also for one of these that goes.

    watchdog's own mask has MOVED_FROM in it, which it holds back for half a second to pair moves: every claim by
    rename would delay the next event by 440 ms. And it has OPEN and CLOSE_NOWRITE: our own reads would wake us.
    Where names count, nothing is claimed and `_Unpaired` holds nothing back.
    """

    def get_event_mask_from_filter(self) -> Mask:
        return DOORBELL_MASK if self._event_filter is None else NAMED_MASK

    def on_thread_start(self) -> None:
        super().on_thread_start()
        if self._inotify is not None:
            # What came in between is not lost: whoever sets a watch looks into the folder afterwards.
            grouper = _Unpaired(self._note_move, each_counts=self._event_filter is not None)
            self._inotify._move_event_grouper = grouper  # noqa: SLF001 - there is no other way in

    def _note_move(self) -> None:
        """Say that the folder has gone: watchdog hears of its move and tells nobody."""
        self.queue_event(DirDeletedEvent(self.watch.path))


class _Unpaired(InotifyMoveEventGrouper):
    """Hands events on as they come, and of those for plain names one at a time: it rings for all that wait.

    Unless `each_counts`, where a name is waited for among others.

    Nobody asks for the other half of a MOVED_TO, and to look for it among all events that wait would make a flood cost
    the square of its size. Dotfiles are never left out: where they count, each counts by its name.
    """

    def __init__(self, on_moved: Callable[[], None], *, each_counts: bool) -> None:
        super().__init__()
        self._on_moved = on_moved
        self._each_counts = each_counts
        self._is_waiting = False

    def get_queued_moved_from_event(self, cookie: int) -> None:  # noqa: ARG002 - watchdog's signature
        return None

    def put_event(self, event: PathedInotifyEvent) -> None:
        if event.ev.is_move_self:
            self._on_moved()
        if _is_plain(event) and not self._each_counts:
            if self._is_waiting:
                return
            self._is_waiting = True
        self._queue.put(event)

    def read_event(self) -> GroupedInotifyEvent | None:
        event = super().read_event()
        # From now on there may be something that the ring for this event comes too early for.
        self._is_waiting = False
        return event


def _is_plain(event: PathedInotifyEvent) -> bool:
    is_new = event.ev.is_create or event.ev.is_moved_to or event.ev.is_close_write
    return is_new and bool(event.ev.name) and not event.ev.name.startswith(b".")
