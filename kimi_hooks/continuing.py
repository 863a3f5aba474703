"""Answers that were cut at the cap on their length: kept, and carried on with another call.

Source: the Kimi platform's documentation of `partial`: the reply does not repeat the text that it carries on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from kimi_hooks import turns
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.client import Request
from kimi_hooks.logs import transition
from kimi_hooks.parts import Parts
from kimi_hooks.states import State
from kimi_hooks.taken import Taken

CUT = "the answer is cut at the cap on its length{after}; set max_tokens higher, or leave it out"


def is_needed(parts: Parts, entry: Entry, turn: Mapping[str, Any]) -> bool:
    """Tell whether the answer was cut and may be carried on."""
    is_cut = turn["finish_reason"] == "length" and turn["text"]
    return bool(is_cut) and entry.turns < parts.config.kimi.max_continuations


def go_on(parts: Parts, entry: Entry, turn: Mapping[str, Any], took: Taken, request_id: str | None) -> None:
    """Keep a cut answer and let the task wait for its next call. Raises OSError and JournalError."""
    turns.keep_turn(parts.workspace.turns, entry.id, entry.turns + 1, {**turn, "took": asdict(took)})
    _count(parts, entry, turn, took, request_id)


def catch_up(parts: Parts, entry: Entry) -> bool:
    """Let a task go on whose last answer was kept just before the runner died; tell whether that was so."""
    turn = turns.newer(parts.workspace.turns, entry.id, entry.turns)
    if turn is None:
        return False
    _count(parts, entry, turn, Taken(**turn["took"]), None)
    return True


def with_earlier(parts: Parts, entry: Entry, request: Request) -> Request:
    """Return the request that carries on the answers kept so far; the same where there are none."""
    if not entry.turns:
        return request
    so_far = turns.joined(turns.earlier(parts.workspace.turns, entry.id, entry.turns))
    message = {"role": "assistant", "content": so_far["text"], "partial": True}
    if so_far["reasoning"]:
        message["reasoning_content"] = so_far["reasoning"]
    return replace(request, messages=(*request.messages, message), continues=True)


def last(entry: Entry, turn: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the last answer of a task, with a warning if it is still cut."""
    if turn["finish_reason"] != "length":
        return turn
    after = f", after {entry.turns} continuations" if entry.turns else ""
    return {**turn, "warnings": [*turn["warnings"], CUT.format(after=after)]}


def _count(parts: Parts, entry: Entry, turn: Mapping[str, Any], took: Taken, request_id: str | None) -> None:
    now = parts.clock.now()

    def count(db: Connection) -> None:
        tasks.take(db, entry, turn["model"], took, now)
        tasks.keep_turn(db, entry.id, entry.turns + 1, now)

    parts.journal.write(count)
    parts.bell.ring()
    why = "the answer was cut at its cap and is carried on"
    transition(entry.id, State.AVAILABLE, turn=entry.turns + 1, request=request_id, why=why)
