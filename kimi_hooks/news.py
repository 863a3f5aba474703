"""The news that is being delivered: which deliveries start now, in a pool of threads, and when to look again."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from kimi_hooks import crash_points, deliveries
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import DamagedJournalError, OutdatedError, StoppingError
from kimi_hooks.journal import deliveries as owed
from kimi_hooks.journal.deliveries import Delivery
from kimi_hooks.journal.standing import Standing
from kimi_hooks.logs import LOGGER
from kimi_hooks.parts import Parts
from kimi_hooks.pool import Pool

AGAIN_SECONDS = 5.0


class News:
    """Runs hooks for what they are owed. What could not be run for want of something of ours waits for another try."""

    def __init__(self, parts: Parts, pool: Pool) -> None:
        self._parts = parts
        self._pool = pool
        self._undelivered: list[Delivery] = []
        self._crowded_at: float | None = None

    @property
    def free(self) -> int:
        return self._pool.free

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits to be put back into the journal."""
        return not self._undelivered

    def settle(self, now: float) -> None:
        """Let what could not be run be tried again. Raises JournalError."""
        while self._undelivered:
            again = partial(owed.put_back, delivery=self._undelivered[0], due_at=now + AGAIN_SECONDS)
            self._parts.journal.write(again)
            del self._undelivered[0]

    def start_due(self, standing: Standing) -> None:
        """Start what is due by now, as far as there are places. Raises JournalError."""
        self._crowded_at = None
        now, due, free = standing.now, standing.news_due, self._pool.free
        if not free or due is None or due > now:
            return
        fair = len(self._parts.config.each_hook()) > 1
        started = self._parts.journal.write(lambda db: owed.start_due(db, now, free, standing.newest_news, fair=fair))
        self.start(started)
        if fair and len(started) < free:
            # What was due by now, and was not started, waits for a run of its own hook to end, which rings the bell.
            self._crowded_at = now

    def start(self, started: Iterable[Delivery]) -> None:
        """Run the hooks of deliveries that are marked as running."""
        crash_points.reached(Point.DELIVERY_STARTED)
        parts = self._parts.fixed()
        for delivery in started:
            self._pool.submit(partial(self._deliver, parts, delivery))

    def next_instant(self, standing: Standing) -> float | None:
        """Return when the next delivery is due, in seconds since 1970; None when only the bell can tell."""
        if not self._pool.free:
            return None
        held = self._crowded_at
        return standing.news_due if held is None else self._parts.journal.read(owed.next_due(held))

    def _deliver(self, parts: Parts, delivery: Delivery) -> None:
        try:
            deliveries.deliver(parts, delivery)
        except StoppingError as error:
            LOGGER.info("%s hook %s: %s", delivery.about, delivery.hook_id, error)
        except OutdatedError:
            self._undelivered.append(delivery)
        except DamagedJournalError:
            LOGGER.warning("%s hook %s: not recorded, since the journal is damaged", delivery.about, delivery.hook_id)
        except OSError as error:
            LOGGER.error("%s: hook %s could not be run just now: %s", delivery.about, delivery.hook_id, error)
            self._undelivered.append(delivery)
        except Exception:  # noqa: BLE001 - the news must not be lost to it
            LOGGER.exception("%s: hook %s could not be seen to", delivery.about, delivery.hook_id)
            self._undelivered.append(delivery)
