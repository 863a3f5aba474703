"""What gates decide about a task: whether it is taken on, whether it is sent, and whether an answer will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from kimi_hooks import continuing, conversation, ending, gate_events, gates
from kimi_hooks.conversation import Conversation
from kimi_hooks.ending import Failure
from kimi_hooks.events import CREATED, MAX_DESCRIPTION, PROMPT, STOP, Moment
from kimi_hooks.hooks import decision
from kimi_hooks.hooks.decision import Decision, Verdict
from kimi_hooks.journal import gates as standing
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.estimate import text_tokens
from kimi_hooks.logs import transition
from kimi_hooks.parts import Parts
from kimi_hooks.states import State
from kimi_hooks.taken import UNSENT, Call, Taken
from kimi_hooks.task import Task

LONGEST_TOLD = 200
FORCED = "a Stop hook refused the answer {count} times (limits.stop_blocks): the last answer stands; it said: {reason}"
FULL = "a Stop hook refused the answer, and the model's window has no room for another one; it said: {reason}"


class Watcher(Protocol):
    """Who is told when the time of a task begins anew."""

    def renew(self, entry: Entry) -> None: ...


def take_on(parts: Parts, entry: Entry, task: Task) -> None:
    """Ask the `TaskCreated` hooks about a task that was accepted, and let it be sent or end it."""
    if ending.carry_on(parts, entry.id):
        # It was refused, and what came between kept its row from being finished.
        return
    ending.write_transcript(parts, entry, task, Conversation([], {}))
    model = task.model or parts.settings.current.get("KIMI_MODEL")
    decided = _ask(parts, gate_events.of_created(entry.id, task, model, parts.clock.now()))
    if decided.is_blocked:
        ending.end(parts, entry, task, None, _refused(CREATED.name, decided))
        return
    parts.journal.write(lambda db: standing.admit(db, entry, _warnings(decided), after=bool(task.after)))
    parts.bell.ring()


def let_in(parts: Parts, entry: Entry, task: Task, watcher: Watcher) -> Entry | None:
    """Ask the `UserPromptSubmit` hooks before a task's first call; return it as it is sent, None when it has ended."""
    if entry.turns or entry.gate == tasks.PROMPTED or not gates.any_for(parts, PROMPT, task.name):
        return entry
    parts.journal.write(lambda db: standing.stand_at(db, entry.id, PROMPT.name))
    ending.write_transcript(parts, entry, task, Conversation([], {}))
    model = task.model or parts.settings.current.get("KIMI_MODEL")
    moment = gate_events.of_prompt(entry.id, task, model, parts.clock.now())
    decided = _ask(parts, moment)
    if decided.is_blocked or decided.stop_reason is not None:
        ending.end(parts, ending.unsent(entry), task, None, _refused(PROMPT.name, decided), UNSENT)
        return None
    now = parts.clock.now()
    told = _context(parts, moment, decided)
    parts.journal.write(lambda db: standing.let_in(db, entry, told, _warnings(decided), now))
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
    moment = _stop(parts, entry, task, answer)
    decisions = gates.ask(parts, moment)
    decided = gates.verdict(decisions)
    entry = replace(entry, warnings=_joined(entry, _warnings(decided)))
    reason = _feedback(parts, moment, decisions)
    if decided.stop_reason is not None:
        stands = (
            f"a Stop hook ended the task: {decided.stop_reason}"
            if decided.stop_reason
            else "a Stop hook ended the task"
        )
        _stands(parts, entry, task, told, stands)
    elif decided.by_failure:
        ending.end(parts, entry, task, None, _refused(STOP.name, decided), _call(answer), told)
    elif not reason:
        _stands(parts, entry, task, told, None)
    elif entry.blocks + 1 >= parts.newest_config.limits.stop_blocks:
        _stands(parts, entry, task, told, FORCED.format(count=entry.blocks + 1, reason=_short(reason)))
    elif not continuing.has_room(parts, answer["model"], _needed(answer, reason, task)):
        _stands(parts, entry, task, told, FULL.format(reason=_short(reason)))
    else:
        _send_back(parts, entry, reason)


def _ask(parts: Parts, moment: Moment) -> Verdict:
    return gates.verdict(gates.ask(parts, moment))


def _stop(parts: Parts, entry: Entry, task: Task, answer: Any) -> Moment:
    now = parts.clock.now()
    took = int((now - (entry.started_at or now)) * 1000)
    return gate_events.of_stop(entry.id, task, answer, entry.taken, blocks=entry.blocks, duration_ms=took, now=now)


def _stands(parts: Parts, entry: Entry, task: Task, told: Conversation, warning: str | None) -> None:
    """End the task with its last answer. One that stands with a warning was not accepted: it will not do for others.

    What was said was read before the hooks were asked: they may have removed it since.
    """
    warned = replace(entry, warnings=_joined(entry, [warning] if warning else []))
    call = _call(told.answer)
    ending.end(parts, warned, task, None, None, replace(call, fingerprint=None) if warning else call, told)


def _send_back(parts: Parts, entry: Entry, reason: str) -> None:
    now = parts.clock.now()

    def send_back(db: Connection) -> None:
        standing.send_back(db, entry, reason, (), now)

    parts.journal.write(send_back)
    parts.bell.ring()
    why = "the answer was refused at its gate; Kimi is sent back"
    transition(entry.id, State.AVAILABLE, turn=entry.turns, blocks=entry.blocks + 1, why=why)


def _call(answer: Any) -> Call:
    """Return the last call, of which the bill is written already."""
    return Call(Taken(), fingerprint=answer.get("fingerprint"), request_id=answer.get("request_id"))


def _needed(answer: Any, reason: str, task: Task) -> int:
    """Guess the tokens of a call that goes on after this answer."""
    return int(answer["took"]["total"]) + text_tokens(reason) + (task.max_tokens or 1)


def _context(parts: Parts, moment: Moment, decided: Verdict) -> str:
    """Return what the hooks add to the prompt, each text in its own paragraph."""
    return "\n\n".join(_capped(parts, moment, hook_id, text) for hook_id, text in decided.contexts if text.strip())


def _feedback(parts: Parts, moment: Moment, decisions: Sequence[Decision]) -> str:
    """Return what Kimi is told: the reasons of those that refused, and what others have to say to it.

    What kept a hook from being heard is not Kimi's business.
    """
    refused = [(each.hook_id, each.reason) for each in decisions if each.outcome == "blocked" and not each.by_failure]
    added = [(each.hook_id, each.context) for each in decisions if each.context.strip()]
    return "\n\n".join(_capped(parts, moment, hook_id, text) for hook_id, text in [*refused, *added])


def _capped(parts: Parts, moment: Moment, hook_id: str, text: str) -> str:
    return decision.capped(text.strip(), _rest_file(parts.workspace.hook_runs, moment, hook_id))


def _rest_file(folder: Path, moment: Moment, hook_id: str) -> Path:
    return folder / f"{moment.event_id}.{hook_id}.txt"


def _refused(event: str, decided: Verdict) -> Failure:
    """Return the failure of a task that a gate has refused."""
    told = [f"{hook_id}: {reason}" for hook_id, reason in decided.reasons]
    if decided.stop_reason is not None:
        told = [decided.stop_reason or "a hook said `continue: false`"]
    return Failure("blocked", f"refused at {event}: {'; '.join(told)}"[:MAX_DESCRIPTION])


def _warnings(decided: Verdict) -> list[str]:
    """Return what the result tells of hooks that had something to say, or could not be heard."""
    said = [f"hook {hook_id}: {message}"[:MAX_DESCRIPTION] for hook_id, message in decided.messages]
    unheard = [f"hook {hook_id} could not be heard: {why}"[:MAX_DESCRIPTION] for hook_id, why in decided.failures]
    return [*said, *unheard]


def _joined(entry: Entry, warnings: Sequence[str]) -> tuple[str, ...]:
    return (*entry.warnings, *(told for told in warnings if told not in entry.warnings))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TOLD else f"{line[:LONGEST_TOLD]} ..."
