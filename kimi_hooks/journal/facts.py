"""Single facts about the queue that must survive a restart."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from kimi_hooks.journal.store import Connection

# Reasons for a pause that are no error of Kimi's; the others are error kinds.
PAUSED = "paused"
BY_PERSON = "person"
NO_KEY = "no_key"
BUDGET = "budget"


@dataclass(frozen=True)
class Pause:
    """Why no task is sent: `why` is for people, `mark` stands for the key and address that were refused."""

    reason: str
    why: str = ""
    mark: str = ""

    @property
    def is_by_person(self) -> bool:
        """Whether somebody said so, and not an error of Kimi's."""
        return self.reason == BY_PERSON


def pause_of(db: Connection) -> Pause | None:
    """Return the pause of the queue, None when it is not paused."""
    row = db.execute("SELECT value FROM facts WHERE key = ?", (PAUSED,)).fetchone()
    return parse_pause(row["value"] if row else None)


def parse_pause(value: str | None) -> Pause | None:
    """Read the fact's value; None is no pause."""
    return None if value is None else Pause(**json.loads(value))


def paused(db: Connection) -> str | None:
    """Return the reason why the queue is paused, None when it is not."""
    pause = pause_of(db)
    return pause.reason if pause else None


def pause(db: Connection, given: Pause) -> None:
    """Pause the queue. What a person has paused stays paused by that person, whatever goes wrong meanwhile."""
    if paused(db) != BY_PERSON:
        db.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (PAUSED, json.dumps(asdict(given))))


def resume(db: Connection) -> bool:
    """Let the queue go on; tell whether it was paused."""
    return db.execute("DELETE FROM facts WHERE key = ?", (PAUSED,)).rowcount > 0
