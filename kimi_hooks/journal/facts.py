"""Single facts about the queue that must survive a restart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from kimi_hooks.journal.store import Connection

# Reasons for a pause that are no error of Kimi's; the others are error kinds.
PAUSED = "paused"
BY_PERSON = "person"
NO_KEY = "no_key"
BUDGET = "budget"
# Until when the day's budget does not count, since a person has let the queue go on.
WAIVED = "budget_waived"
SLOWED = "slowed"
# How the wall clock stood to the time since boot when it was last looked at, and in which boot.
CLOCK = "clock"
# The number that the newest `retry` took among those of the endings, so that none is given twice.
RUN_AGAIN = "run_again"
# The files whose newest state cannot be used, and what is wrong with it.
BROKEN = "broken"


@dataclass(frozen=True)
class Pause:
    """Why no task is sent: `why` is for people, `mark` stands for the key and address that were refused, or for
    the budget that was used up.

    `until` is the instant, in seconds since 1970, at which it ends by itself, None when it does not.
    """

    reason: str
    why: str = ""
    mark: str = ""
    until: float | None = None

    @property
    def is_by_person(self) -> bool:
        """Whether somebody said so, and not an error of Kimi's."""
        return self.reason == BY_PERSON


def pause_of(db: Connection) -> Pause | None:
    """Return the pause of the queue, None when it is not paused."""
    return parse_pause(value(db, PAUSED))


def parse_pause(text: str | None) -> Pause | None:
    """Read the fact's value; None is no pause."""
    return None if text is None else Pause(**json.loads(text))


def paused(db: Connection) -> str | None:
    """Return the reason why the queue is paused, None when it is not."""
    pause = pause_of(db)
    return pause.reason if pause else None


def pause(db: Connection, given: Pause) -> None:
    """Pause the queue. What a person has paused stays paused by that person, whatever goes wrong meanwhile."""
    if paused(db) != BY_PERSON:
        put(db, PAUSED, json.dumps(asdict(given)))


def resume(db: Connection) -> bool:
    """Let the queue go on; tell whether it was paused."""
    return db.execute("DELETE FROM facts WHERE key = ?", (PAUSED,)).rowcount > 0


@dataclass(frozen=True)
class Slowed:
    """How a queue goes that Kimi has asked for patience: nothing leaves before `until`, then `room` calls at once.

    `since` is when it was slowed last, `times` how often in a row; calls that left before it tell nothing new.
    """

    until: float
    since: float
    times: int = 1
    room: int = 1


def slowed(db: Connection) -> Slowed | None:
    """Return how the queue is slowed, None when it is not."""
    return parse_slowed(value(db, SLOWED))


def parse_slowed(text: str | None) -> Slowed | None:
    """Read the fact's value; None is a queue that is not slowed."""
    return None if text is None else Slowed(**json.loads(text))


def slow(db: Connection, given: Slowed | None) -> None:
    """Slow the queue; None lets it go at its own pace again."""
    if given is None:
        db.execute("DELETE FROM facts WHERE key = ?", (SLOWED,))
    else:
        put(db, SLOWED, json.dumps(asdict(given)))


@dataclass(frozen=True)
class BrokenEdit:
    """What is wrong with a file whose content has this mark (see `edits.content_mark`)."""

    mark: str
    message: str


def broken_edits(db: Connection) -> dict[str, BrokenEdit]:
    """Return the files that the runner found broken while it worked, and what is wrong with each."""
    return {file: BrokenEdit(**told) for file, told in json.loads(value(db, BROKEN) or "{}").items()}


def note_broken_edits(db: Connection, given: Mapping[str, BrokenEdit]) -> None:
    """Write down which files are broken now; no others are."""
    if given:
        put(db, BROKEN, json.dumps({file: asdict(edit) for file, edit in given.items()}))
    else:
        db.execute("DELETE FROM facts WHERE key = ?", (BROKEN,))


def value(db: Connection, key: str) -> str | None:
    row = db.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
    return row["value"] if row else None


def put(db: Connection, key: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (key, value))
