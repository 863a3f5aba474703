"""Answers that were cut at the cap on their length: kept, and carried on with another call.

Source: the Kimi platform's documentation of `partial`: the reply does not repeat the text that it carries on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from kimi_hooks import turns
from kimi_hooks.errors import TaskError
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.client import Request
from kimi_hooks.logs import transition
from kimi_hooks.parts import Parts
from kimi_hooks.states import State
from kimi_hooks.taken import Call, Taken

CUT = "the answer is cut at the cap on its length{after}; {remedy}"
_RAISE = "raise kimi.max_continuations in config.yaml"


def is_needed(parts: Parts, entry: Entry, turn: Mapping[str, Any], took: Taken, cap: int | None) -> bool:
    """Tell whether the answer was cut and may be carried on; `took` is of its call, `cap` the task's `max_tokens`."""
    is_cut = turn["finish_reason"] == "length" and turn["text"]
    is_allowed = entry.turns < parts.config.kimi.max_continuations
    return bool(is_cut) and is_allowed and _has_room(parts, turn["model"], took.total + (cap or 1))


def go_on(parts: Parts, entry: Entry, turn: Mapping[str, Any], call: Call) -> None:
    """Keep a cut answer and let the task wait for its next call. Raises OSError and JournalError."""
    kept = {**turn, "took": asdict(call.took), "fingerprint": call.fingerprint}
    turns.keep_turn(parts.workspace.turns, entry.id, entry.turns + 1, kept)
    _count(parts, entry, turn, call.took, call.request_id)


def of_all(parts: Parts, entry: Entry, turn: Mapping[str, Any], call: Call) -> Call:
    """Return the last call, with the fingerprint if the whole answer is one that will do for others.

    A file that goes along may have been edited between two parts: then they answer no request at all.
    """
    earlier = turns.earlier(parts.workspace.turns, entry.id, entry.turns)
    is_same = all(kept.get("fingerprint") == call.fingerprint for kept in earlier) and len(earlier) == entry.turns
    return call if turn["finish_reason"] == "stop" and is_same else replace(call, fingerprint=None)


def has_newer(parts: Parts, entry: Entry) -> bool:
    """Tell whether an answer was kept that the row does not know of yet. Raises OSError."""
    return turns.newer(parts.workspace.turns, entry.id, entry.turns) is not None


def catch_up(parts: Parts, entry: Entry) -> bool:
    """Let a task go on whose last answer was kept and could not be counted any more; tell whether that was so."""
    turn = turns.newer(parts.workspace.turns, entry.id, entry.turns)
    if turn is None:
        return False
    _count(parts, entry, turn, Taken(**turn["took"]), None)
    return True


def with_earlier(parts: Parts, entry: Entry, request: Request) -> Request:
    """Return the request that carries on the answers kept so far; the same where there are none.

    Raises TaskError when one of them is gone: nobody could carry on with what nobody has.
    """
    if not entry.turns:
        return request
    kept = turns.earlier(parts.workspace.turns, entry.id, entry.turns)
    if len(kept) < entry.turns:
        raise TaskError(
            f"a part of the answer is gone from {parts.workspace.turns / entry.id}; ask again in a new task"
        )
    so_far = turns.joined(kept)
    message = {"role": "assistant", "content": so_far["text"], "partial": True}
    if so_far["reasoning"]:
        message["reasoning_content"] = so_far["reasoning"]
    return replace(request, messages=(*request.messages, message), continues=True)


def last(entry: Entry, turn: Mapping[str, Any], cap: int | None) -> Mapping[str, Any]:
    """Return the last answer of a task, with a warning if it is still cut; `cap` is the task's `max_tokens`."""
    if turn["finish_reason"] != "length":
        return turn
    after = f", after {entry.turns} continuation{'s' if entry.turns > 1 else ''}" if entry.turns else ""
    remedy = f"{_RAISE}, or ask for less" if cap is None else f"set max_tokens higher or leave it out, or {_RAISE}"
    return {**turn, "warnings": [*turn["warnings"], CUT.format(after=after, remedy=remedy)]}


def _has_room(parts: Parts, model: str, tokens: int) -> bool:
    """Tell whether so much fits into the window: Kimi would refuse the call, and an answer with text would fail."""
    known = parts.catalogue.find(model)
    return known is None or known.context is None or tokens <= known.context


def _count(parts: Parts, entry: Entry, turn: Mapping[str, Any], took: Taken, request_id: str | None) -> None:
    now = parts.clock.now()

    def count(db: Connection) -> None:
        tasks.take(db, entry, turn["model"], took, now)
        tasks.keep_turn(db, entry.id, entry.turns + 1, now)

    parts.journal.write(count)
    parts.bell.ring()
    why = "the answer was cut at its cap and is carried on"
    transition(entry.id, State.AVAILABLE, turn=entry.turns + 1, request=request_id, why=why)
