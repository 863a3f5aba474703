"""Hooks that are switched off though config.yaml has them: by a person, or because their receiver is gone for good."""

from __future__ import annotations

from dataclasses import dataclass

from kimi_hooks.journal.store import Connection

BY_PERSON = "person"


@dataclass(frozen=True)
class SwitchedOff:
    """`why` is `person`, or what the hook's receiver said; `since` is in seconds since 1970."""

    hook_id: str
    why: str
    since: float


def switch_off(db: Connection, hook_id: str, why: str, now: float) -> bool:
    """Let the hook not run any more, under no event; tell whether it would have."""
    query = "INSERT OR IGNORE INTO switched_off (hook_id, why, since) VALUES (?, ?, ?)"
    return db.execute(query, (hook_id, why, now)).rowcount > 0


def switch_on(db: Connection, hook_id: str) -> bool:
    """Let the hook run again; tell whether it was switched off."""
    return db.execute("DELETE FROM switched_off WHERE hook_id = ?", (hook_id,)).rowcount > 0


def switched_off(db: Connection) -> dict[str, SwitchedOff]:
    """Return the hooks that are switched off, by their ids."""
    rows = db.execute("SELECT hook_id, why, since FROM switched_off ORDER BY hook_id")
    return {row["hook_id"]: SwitchedOff(*row) for row in rows}
