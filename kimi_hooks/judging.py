"""What gates decide about a task: whether it is taken on, whether it is sent, and whether an answer will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from kimi_hooks import continuing, conversation, crash_points, ending, gate_events, gates
from kimi_hooks.conversation import Conversation, Turn
from kimi_hooks.crash_points import Point
from kimi_hooks.ending import CANCELLED, Failure
from kimi_hooks.events import CREATED, PROMPT, STOP, Moment
from kimi_hooks.hooks.decision import Decision, Verdict
from kimi_hooks.journal import gates as standing
from kimi_hooks.journal import steering, tasks
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.estimate import text_tokens
from kimi_hooks.logs import transition
from kimi_hooks.parts import Parts
from kimi_hooks.states import State
from kimi_hooks.taken import UNSENT, Call, Taken
from kimi_hooks.task import Task

LONGEST_TOLD = 200
FORCED = "a Stop hook refused the answer {count} times (limits.stop_blocks): the last answer stands; it said: {reason}"
# The record tells people that a refusal without a word may be none; Kimi could do nothing with that.
SILENT = "Your answer was refused, and no reason was given. Look it over once more, and answer again."
FULL = "a Stop hook refused the answer, and the model's window has no room for another one; it said: {reason}"


class Watcher(Protocol):
    """Who is told when the time of a task begins anew."""

    def renew(self, entry: Entry) -> None: ...


def take_on(parts: Parts, entry: Entry, task: Task) -> None:
    """Ask the `TaskCreated` hooks about a task that was accepted, and let it be sent or end it."""
    if ending.carry_on(parts, entry):
        # It was refused, and what came between kept its row from being finished.
        return
    ending.write_transcript(parts, entry, task, Conversation([], {}))
    model = task.model or parts.settings.current.get("KIMI_MODEL")
    decided = _ask(parts, gate_events.of_created(entry.id, task, model, parts.clock.now(), entry.retried))
    if _is_cancelled(parts, entry):
        # Whoever started this ends it: it waits, as before.
        return
    if decided.is_blocked:
        ending.end(parts, entry, task, None, _refused(CREATED.name, decided))
        return
    admitted = _warned(entry, _warnings(decided))
    parts.journal.write(lambda db: standing.admit(db, admitted, after=bool(task.after)))
    crash_points.reached(Point.GATE_SETTLED)
    parts.bell.ring()


def let_in(parts: Parts, entry: Entry, task: Task, watcher: Watcher) -> Entry | None:
    """Ask the `UserPromptSubmit` hooks before a task's first call; return it as it is sent, None when it has ended."""
    if entry.turns or entry.gate == tasks.PROMPTED or not gates.any_for(parts, PROMPT, task.name):
        return entry
    parts.journal.write(lambda db: standing.stand_at(db, entry.id, PROMPT.name))
    ending.write_transcript(parts, entry, task, Conversation([], {}))
    model = task.model or parts.settings.current.get("KIMI_MODEL")
    decided = _ask(parts, gate_events.of_prompt(entry.id, task, model, parts.clock.now(), entry.retried))
    if _is_cancelled(parts, entry):
        ending.end(parts, ending.unsent(entry), task, None, CANCELLED, UNSENT)
        return None
    if decided.is_blocked or decided.stop_reason is not None:
        ending.end(parts, ending.unsent(entry), task, None, _refused(PROMPT.name, decided), UNSENT)
        return None
    now = parts.clock.now()
    let_in = _warned(entry, _warnings(decided))
    parts.journal.write(lambda db: standing.let_in(db, let_in, _context(decided), now))
    crash_points.reached(Point.GATE_SETTLED)
    sent = parts.journal.read(lambda db: tasks.get(db, entry.id)) or entry
    watcher.renew(sent)
    return sent


def judge(parts: Parts, entry: Entry, task: Task) -> None:
    """Ask the `Stop` hooks about the last answer of a task, and end the task or send Kimi back to work."""
    told = conversation.read(parts, entry)
    answer = told.answer
    if answer is None or len(told.kept) < entry.turns:
        gone = f"an answer is gone from {parts.workspace.turns / entry.id}; ask again in a new task"
        ending.end(parts, entry, task, None, Failure("unknown", gone))
        return
    ending.write_transcript(parts, entry, task, told)
    # Twice: a hook may take its time, and one that nobody waits for any more need not begin.
    decisions = () if _is_cancelled(parts, entry) else gates.ask(parts, _stop(parts, entry, task, answer))
    if _is_cancelled(parts, entry):
        ending.end(parts, entry, task, None, CANCELLED, replace(_call(answer), fingerprint=None), told)
        return
    decided = gates.verdict(decisions)
    entry = _warned(entry, _warnings(decided))
    if decided.by_failure and decided.stop_reason is None:
        ending.end(parts, entry, task, None, _refused(STOP.name, decided), _call(answer), told)
        return
    reason = _feedback(decisions)
    stands = _why_it_stands(parts, entry, task, answer, decided, reason)
    if reason and stands is None:
        _send_back(parts, entry, reason)
    else:
        _accept(parts, entry, task, told, stands)


def _why_it_stands(parts: Parts, entry: Entry, task: Task, answer: Turn, decided: Verdict, reason: str) -> str | None:
    """Tell why an answer is the last one though somebody has something to say; None when it need not be."""
    if decided.stop_reason is not None:
        return f"a Stop hook ended the task{': ' if decided.stop_reason else ''}{decided.stop_reason}"
    if reason and entry.blocks + 1 >= parts.newest_config.limits.stop_blocks:
        return FORCED.format(count=entry.blocks + 1, reason=_short(reason))
    if reason and not continuing.has_room(parts, answer["model"], _needed(answer, reason, task)):
        return FULL.format(reason=_short(reason))
    return None


def _accept(parts: Parts, entry: Entry, task: Task, told: Conversation, warning: str | None) -> None:
    """End the task with its last answer. One that stands with a warning was not accepted: it will not do for others.

    What was said was read before the hooks were asked: they may have removed it since.
    """
    warned = _warned(entry, [warning] if warning else [])
    call = _call(told.answer or {})
    ending.end(parts, warned, task, None, None, replace(call, fingerprint=None) if warning else call, told)


def _is_cancelled(parts: Parts, entry: Entry) -> bool:
    """Tell whether somebody has asked for the task's end meanwhile: what hooks say of it does not count any more."""
    return parts.journal.read(lambda db: steering.is_cancelled(db, entry.id))


def _ask(parts: Parts, moment: Moment) -> Verdict:
    return gates.verdict(gates.ask(parts, moment))


def _stop(parts: Parts, entry: Entry, task: Task, answer: Turn) -> Moment:
    now = parts.clock.now()
    took = int((now - (entry.started_at or now)) * 1000)
    return gate_events.of_stop(
        entry.id, task, answer, entry.taken, blocks=entry.blocks, duration_ms=took, now=now, retried=entry.retried
    )


def _send_back(parts: Parts, entry: Entry, reason: str) -> None:
    now = parts.clock.now()
    parts.journal.write(lambda db: standing.send_back(db, entry, reason, now))
    crash_points.reached(Point.GATE_SETTLED)
    parts.bell.ring()
    why = "the answer was refused at its gate; Kimi is sent back"
    transition(entry.id, State.AVAILABLE, turn=entry.turns, blocks=entry.blocks + 1, why=why)


def _call(answer: Turn) -> Call:
    """Return the last call, of which the bill is written already."""
    return Call(Taken(), fingerprint=answer.get("fingerprint"), request_id=answer.get("request_id"))


def _needed(answer: Turn, reason: str, task: Task) -> int:
    """Guess the tokens of a call that goes on after this answer."""
    return int(answer["took"]["total"]) + text_tokens(reason) + (task.max_tokens or 1)


def _context(decided: Verdict) -> str:
    """Return what the hooks add to the prompt, each text in its own paragraph."""
    return "\n\n".join(text.strip() for _, text in decided.contexts if text.strip())


def _feedback(decisions: Sequence[Decision]) -> str:
    """Return what Kimi is told: the reasons of those that refused, and what others have to say to it.

    What kept a hook from being heard is not Kimi's business.
    """
    blocking = [each for each in decisions if each.outcome == "blocked" and not each.by_failure]
    refused = [SILENT if each.is_suspect else each.reason for each in blocking]
    added = [each.context for each in decisions]
    return "\n\n".join(text.strip() for text in [*refused, *added] if text.strip())


def _refused(event: str, decided: Verdict) -> Failure:
    """Return the failure of a task that a gate has refused."""
    told = [f"{hook_id}: {reason}" for hook_id, reason in decided.reasons]
    if decided.stop_reason is not None:
        told = [decided.stop_reason or "a hook said `continue: false`"]
    return Failure("blocked", f"refused at {event}: {'; '.join(told)}")


def _warnings(decided: Verdict) -> list[str]:
    """Return what the result tells of hooks that had something to say, or could not be heard."""
    said = [f"hook {hook_id}: {message}" for hook_id, message in decided.messages]
    return [*said, *(f"hook {hook_id} could not be heard: {why}" for hook_id, why in decided.failures)]


def _warned(entry: Entry, warnings: Sequence[str]) -> Entry:
    return replace(entry, warnings=(*entry.warnings, *(told for told in warnings if told not in entry.warnings)))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TOLD else f"{line[:LONGEST_TOLD]} ..."
