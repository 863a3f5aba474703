"""Answers that are kept: those that were cut at the cap on their length, to be carried on with another call, and whole
ones, to be judged at a gate.

Source: the Kimi platform's documentation of `partial`: the reply does not repeat the text that it carries on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from kimi_hooks import conversation, crash_points, turns
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import TaskError
from kimi_hooks.events import STOP
from kimi_hooks.journal import gates, tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.client import Request
from kimi_hooks.logs import transition
from kimi_hooks.parts import Parts
from kimi_hooks.states import State
from kimi_hooks.taken import Call, Taken

CUT = "the answer is cut at the cap on its length{after}; {remedy}"
_RAISE = "raise kimi.max_continuations in config.yaml"


def is_needed(parts: Parts, turn: Mapping[str, Any], earlier: int, took: Taken, cap: int | None) -> bool:
    """Tell whether the answer was cut and may be carried on.

    `earlier` counts its parts before this one, `took` is of its call, `cap` the task's `max_tokens`.
    """
    is_cut = turn["finish_reason"] == "length" and turn["text"]
    is_allowed = earlier < parts.config.kimi.max_continuations
    return bool(is_cut) and is_allowed and has_room(parts, turn["model"], took.total + (cap or 1))


def go_on(parts: Parts, entry: Entry, turn: Mapping[str, Any], call: Call) -> None:
    """Keep a cut answer and let the task wait for its next call. Raises OSError and JournalError."""
    _keep(parts, entry, turn, call)
    _count(parts, entry, turn, call.took, call.request_id)


def keep_whole(parts: Parts, entry: Entry, turn: Mapping[str, Any], call: Call) -> Entry:
    """Keep a whole answer for a gate; return the task as it waits there. Raises OSError and JournalError."""
    _keep(parts, entry, {**turn, "whole": True, "told": entry.warnings}, call)
    return _stand(parts, entry, turn, call.took)


def keep_untaken(parts: Parts, entry: Entry, turn: Mapping[str, Any], call: Call) -> None:
    """Keep an answer of which the journal could not be told anything, as a part or as a whole. Raises OSError."""
    is_cut = turn["finish_reason"] == "length" and turn["text"]
    _keep(parts, entry, turn if is_cut else {**turn, "whole": True, "told": entry.warnings}, call)


def of_all(parts: Parts, entry: Entry, turn: Mapping[str, Any], call: Call) -> Call:
    """Return the last call, with the fingerprint if the whole answer is one that will do for others.

    A file that goes along may have been edited between two parts: then they answer no request at all. An answer that a
    gate has asked for answers another request than the prompt.
    """
    earlier = turns.earlier(parts.workspace.turns, entry.id, entry.turns, entry.retried)
    is_same = all(kept.get("fingerprint") == call.fingerprint for kept in earlier) and len(earlier) == entry.turns
    is_usable = turn["finish_reason"] == "stop" and is_same and not entry.blocks
    return call if is_usable else replace(call, fingerprint=None)


def has_newer(parts: Parts, entry: Entry) -> bool:
    """Tell whether an answer was kept that the row does not know of yet. Raises OSError."""
    return turns.newer(parts.workspace.turns, entry.id, entry.turns, entry.retried) is not None


def catch_up(parts: Parts, entry: Entry, *, is_started: bool = False) -> Entry | None:
    """Let a task go on whose last answer was kept and could not be counted any more; None when there was none.

    A task whose answer is whole is returned as it stands at its gate. `is_started`: it was started once more for what
    needs no call; of a cut answer that start is taken back here, before the next one.
    """
    turn = turns.newer(parts.workspace.turns, entry.id, entry.turns, entry.retried)
    if turn is None:
        return None
    took = Taken(**turn["took"])
    if turns.is_whole(turn):
        return _stand(parts, replace(entry, warnings=tuple(turn.get("told", entry.warnings))), turn, took)
    _count(parts, entry, turn, took, None, is_started=is_started)
    return entry


def with_earlier(parts: Parts, entry: Entry, request: Request) -> Request:
    """Return the request that goes on after the answers kept so far; the same where there are none.

    Raises TaskError when one of them is gone: nobody could carry on with what nobody has.
    """
    if not entry.turns:
        return request
    told = conversation.read(parts, entry)
    if len(told.kept) < entry.turns:
        raise TaskError(
            f"a part of the answer is gone from {parts.workspace.turns / entry.id}; ask again in a new task"
        )
    messages = (*request.messages, *conversation.messages(told))
    return replace(request, messages=messages, continues=not turns.is_whole(told.kept[-1]))


def last(turn: Mapping[str, Any], earlier: int, cap: int | None) -> Mapping[str, Any]:
    """Return the last part of an answer, with a warning if it is still cut; the others as in `is_needed`."""
    if turn["finish_reason"] != "length":
        return turn
    after = f", after {earlier} continuation{'s' if earlier > 1 else ''}" if earlier else ""
    remedy = f"{_RAISE}, or ask for less" if cap is None else f"set max_tokens higher or leave it out, or {_RAISE}"
    return {**turn, "warnings": [*turn["warnings"], CUT.format(after=after, remedy=remedy)]}


def has_room(parts: Parts, model: str, tokens: int) -> bool:
    """Tell whether so much fits into the window: Kimi would refuse the call, and an answer with text would fail."""
    known = parts.catalogue.find(model)
    return known is None or known.context is None or tokens <= known.context


def _keep(parts: Parts, entry: Entry, turn: Mapping[str, Any], call: Call) -> None:
    kept = {**turn, "took": asdict(call.took), "fingerprint": call.fingerprint, "retried": entry.retried}
    turns.keep_turn(parts.workspace.turns, entry.id, entry.turns + 1, kept)
    crash_points.reached(Point.TURN_WRITTEN)


def _count(
    parts: Parts,
    entry: Entry,
    turn: Mapping[str, Any],
    took: Taken,
    request_id: str | None,
    *,
    is_started: bool = False,
) -> None:
    now = parts.clock.now()

    def count(db: Connection) -> None:
        tasks.take(db, entry, turn["model"], took, now)
        if is_started:
            gates.not_called(db, entry.id)
        tasks.keep_turn(db, entry.id, entry.turns + 1, now)

    parts.journal.write(count)
    crash_points.reached(Point.TURN_COUNTED)
    parts.bell.ring()
    why = "the answer was cut at its cap and is carried on"
    transition(entry.id, State.AVAILABLE, turn=entry.turns + 1, request=request_id, why=why)


def _stand(parts: Parts, entry: Entry, turn: Mapping[str, Any], took: Taken) -> Entry:
    def stand(db: Connection) -> None:
        tasks.take(db, entry, turn["model"], took, parts.clock.now())
        tasks.keep_whole(db, entry, STOP.name)

    parts.journal.write(stand)
    crash_points.reached(Point.TURN_COUNTED)
    return replace(entry, turns=entry.turns + 1, taken=entry.taken + took, gate=STOP.name)
