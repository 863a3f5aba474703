"""Ask the hooks of a gate: all that want the event, side by side unless their group is sequential, each recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from queue import SimpleQueue
from typing import Any

from kimi_hooks import crash_points, events, notifying, owing
from kimi_hooks.config_hooks import Hook
from kimi_hooks.crash_points import Point
from kimi_hooks.events import EventKind, Moment
from kimi_hooks.hooks import check, decision, engine, running, statuses
from kimi_hooks.hooks.decision import Decision, Verdict
from kimi_hooks.journal import deliveries, switches
from kimi_hooks.journal.deliveries import HookRun
from kimi_hooks.journal.store import Connection
from kimi_hooks.logs import LOGGER, visible
from kimi_hooks.parts import Parts
from kimi_hooks.process.protocol import TOLD_BYTES, Finished, without_exit

_LONGEST_TOLD = 300


@dataclass(frozen=True)
class Asked:
    """One hook that was asked: how it ended, when (seconds since 1970), and what it decided."""

    hook: Hook
    finished: Finished
    decision: Decision
    at: float


def any_for(parts: Parts, kind: EventKind, text: str) -> bool:
    """Tell quickly whether a hook may want this kind of event; `text` is what its matcher is compared with."""
    return any(hook.kind == kind and hook.group.accepts(text) for hook in parts.newest_config.each_hook())


def ask(parts: Parts, moment: Moment) -> tuple[Decision, ...]:
    """Ask the hooks that want this event, and return what each decided, in the order of the config.

    Those that only want to be told are owed it. A gate that is asked again after a crash is asked with the same
    `event_id`. Raises StoppingError when the runner leaves, OSError when we lack something, and JournalError.
    """
    # The event happens now, and not when the call began that it is about.
    parts = parts.fixed()
    off = parts.journal.read(switches.switched_off)
    hooks = engine.choose(parts.config, moment, off)
    if not all(hook.is_gate for hook in hooks):
        parts.journal.write(lambda db: owing.owe(db, parts.config, moment, parts.clock.now()))
        parts.bell.ring()
    asked = _ask_all(parts, moment, [hook for hook in hooks if hook.is_gate])
    if asked:
        parts.journal.write(lambda db: _record(db, parts, moment, asked))
        crash_points.reached(Point.GATE_ASKED)
    for each in asked:
        _log(moment, each)
    return tuple(each.decision for each in asked)


def _ask_all(parts: Parts, moment: Moment, hooks: Sequence[Hook]) -> list[Asked]:
    """Run each group of hooks in the pool for gates and wait for all of them; raise what one of them raised."""
    jobs = [partial(_ask_group, parts, moment, group) for group in _groups(hooks)]
    ended: SimpleQueue[tuple[int, list[Asked] | Exception]] = SimpleQueue()
    for number, job in enumerate(jobs):
        parts.gates.submit(partial(_put, ended, number, job))
    found = dict(ended.get() for _ in jobs)
    results = [found[number] for number in range(len(jobs))]
    for result in results:
        if isinstance(result, Exception):
            raise result
    return [asked for result in results if not isinstance(result, Exception) for asked in result]


def _groups(hooks: Sequence[Hook]) -> list[list[Hook]]:
    """Return what may run side by side: a sequential group as one, any other hook by itself."""
    found: list[list[Hook]] = []
    for _, members in groupby(hooks, lambda hook: (hook.event_name, hook.number)):
        group = list(members)
        found += [group] if group[0].group.sequential else [[hook] for hook in group]
    return found


def _put(ended: SimpleQueue[tuple[int, list[Asked] | Exception]], number: int, job: Callable[[], list[Asked]]) -> None:
    try:
        ended.put((number, job()))
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        ended.put((number, error))


def _ask_group(parts: Parts, moment: Moment, hooks: Sequence[Hook]) -> list[Asked]:
    """Ask one after the other; after a refusal the rest need not be asked."""
    asked: list[Asked] = []
    for hook in hooks:
        asked.append(_ask_one(parts, moment, hook))
        if asked[-1].decision.outcome == "blocked" or asked[-1].decision.stop_reason is not None:
            break
    return asked


def _ask_one(parts: Parts, moment: Moment, hook: Hook) -> Asked:
    if hook.handler.status_message:
        LOGGER.info("%s %s %s: %s", moment.task_id, hook.event_name, hook.hook_id, visible(hook.handler.status_message))
    problem = check.launch_problem(hook, parts.workspace.home, parts.templates)
    with parts.processes.owned_by(moment.task_id or ""):
        given = _input(parts, moment, hook)
        finished = without_exit(problem) if problem else running.run(hook, given, parts.surroundings)
    decided = decision.shortened(decision.read(hook, finished), parts.workspace.hook_runs, moment.event_id)
    return Asked(hook, finished, decided, parts.clock.now())


def _input(parts: Parts, moment: Moment, hook: Hook) -> Mapping[str, Any]:
    transcript = parts.workspace.transcript_file(moment.task_id or "")
    return events.hook_input(
        moment,
        name=hook.event_name,
        attempt=1,
        home=str(parts.workspace.home),
        transcript=str(transcript) if transcript.exists() else None,
    )


def _record(db: Connection, parts: Parts, moment: Moment, asked: Sequence[Asked]) -> None:
    for each in asked:
        run = _run_of(moment, each)
        deliveries.keep(db, run)
        if run.http_status == statuses.GONE:
            notifying.receiver_gone(db, parts.newest_config, run)


def _run_of(moment: Moment, asked: Asked) -> HookRun:
    finished = asked.finished
    return HookRun(
        hook_id=asked.hook.hook_id,
        event=asked.hook.event_name,
        event_id=moment.event_id,
        task_id=moment.task_id,
        attempt=1,
        outcome=asked.decision.outcome,
        exit_code=None if finished.timed_out else finished.exit_code,
        duration_ms=finished.duration_ms,
        stdout=finished.stdout[-TOLD_BYTES:],
        stderr=finished.stderr[-TOLD_BYTES:],
        ended_at=asked.at,
        http_status=finished.http_status,
        reason=asked.decision.reason[:TOLD_BYTES] or None,
    )


def _log(moment: Moment, asked: Asked) -> None:
    decided = asked.decision
    log = LOGGER.info if decided.outcome == "allowed" else LOGGER.warning
    why = f": {visible(decided.reason)[:_LONGEST_TOLD]}" if decided.reason else ""
    log("%s %s %s %s, %d ms%s", moment.task_id, asked.hook.event_name, asked.hook.hook_id, decided.outcome,
        asked.finished.duration_ms, why)  # fmt: skip


def verdict(decisions: Sequence[Decision]) -> Verdict:
    """Return what all of them together mean."""
    return decision.merge(decisions)
