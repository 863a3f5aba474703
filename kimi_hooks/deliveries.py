"""News to hooks: each (event, hook) until it is delivered or given up, every run recorded."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from kimi_hooks import crash_points, events, notifying, results
from kimi_hooks.config_hooks import Hook
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import OutdatedError
from kimi_hooks.events import COMPLETED, FAILED, KINDS, NOTIFICATION, Event, TaskEvent
from kimi_hooks.hooks import command, engine, running, statuses
from kimi_hooks.journal import deliveries, moments, notifications
from kimi_hooks.journal.deliveries import Delivery, HookRun, RunOutcome
from kimi_hooks.journal.store import Connection
from kimi_hooks.logs import LOGGER
from kimi_hooks.parts import Parts
from kimi_hooks.process.protocol import Finished, without_exit

GONE = "the hook {hook!r} is no longer in config.yaml, or disableAllHooks is on: nobody is told this by it any more"
EARLIER = "{task_id} was run again since: what it had ended with then is not on the disk any more"
OFF = "the hook {hook!r} is switched off ({why}); switch it on with: kimi-hooks hooks enable {hook}"


def deliver(parts: Parts, delivery: Delivery) -> None:
    """Run the hook that this news is owed to, and record how that went.

    Raises OutdatedError when an edit that we have not read may have brought the hook: a verb may have read it already.
    """
    hook = engine.find(parts.config, delivery)
    if hook is None and parts.is_outdated():
        raise OutdatedError(f"{parts.workspace.config_file}: edited meanwhile; look at it again")
    event = _event(parts, delivery)
    is_of_earlier_run = event is not None and event.event_id != delivery.event_id
    if delivery.off is not None:
        # Whoever switched it off knows, and of a receiver that is gone a notification has told.
        _record(
            parts, delivery, without_exit(OFF.format(hook=delivery.hook_id, why=delivery.off)), "gave_up", quiet=True
        )
    elif hook is None:
        _give_up(parts, delivery, GONE.format(hook=delivery.hook_id))
    elif is_of_earlier_run:
        _record(parts, delivery, without_exit(EARLIER.format(task_id=delivery.task_id)), "gave_up", quiet=True)
    elif event is None:
        told = f"results/{delivery.task_id}.json" if delivery.task_id else delivery.event_id
        # It may come back: a folder on another machine is away for a moment.
        finished = without_exit(f"{told} is gone")
        _record(parts, delivery, finished, _outcome(delivery, hook, finished))
    else:
        finished = _run(parts, delivery, hook, event)
        crash_points.reached(Point.DELIVERY_RUN)
        _record(parts, delivery, finished, _outcome(delivery, hook, finished))


def _event(parts: Parts, delivery: Delivery) -> Event | None:
    """Return the event that this delivery tells of, None when what told of it is gone."""
    kind = KINDS.get(delivery.event)
    if kind is NOTIFICATION:
        return parts.journal.read(partial(notifications.get, event_id=delivery.event_id))
    if kind in (COMPLETED, FAILED) and delivery.task_id is not None:
        result = results.read(parts.workspace.results, delivery.task_id)
        return None if result is None else events.of_result(result)
    return parts.journal.read(partial(moments.get, event_id=delivery.event_id))


def _run(parts: Parts, delivery: Delivery, hook: Hook, event: Event) -> Finished:
    about = events.own_fields(event).get("task_id")
    hook_input = events.hook_input(
        event,
        name=delivery.event,
        attempt=delivery.attempts,
        prompt=delivery.prompt,
        home=str(parts.workspace.home),
        result_file=_existing(parts.workspace.result_file(about), event) if about else None,
        transcript=_transcript(parts, hook, about) if about else None,
    )
    return running.run(hook, hook_input, parts.surroundings)


def _transcript(parts: Parts, hook: Hook, task_id: str) -> str | None:
    """Return the path of the task's transcript; without gates it is looked for only where the hook may speak of it."""
    file = parts.workspace.transcript_file(task_id)
    may_be_there = any(other.kind.is_gate for other in parts.config.each_hook()) or command.may_mention(
        hook, "transcript", parts.workspace.home
    )
    return str(file) if may_be_there and file.exists() else None


def _existing(file: Path, event: Event) -> str | None:
    """Return the path of a file that is there; an answered task has left its result, and looking takes its time."""
    is_there = isinstance(event, TaskEvent) and event.result["turns"]
    return str(file) if is_there or file.exists() else None


def _outcome(delivery: Delivery, hook: Hook, finished: Finished) -> RunOutcome:
    outcome = engine.judge(finished)
    return "gave_up" if outcome == "retry" and delivery.tries > hook.handler.retries else outcome


def _record(parts: Parts, delivery: Delivery, finished: Finished, outcome: RunOutcome, *, quiet: bool = False) -> None:
    now = parts.clock.now()
    wait = max(parts.pause_after(delivery.tries), finished.retry_after or 0.0)
    run = HookRun(
        hook_id=delivery.hook_id,
        event=delivery.event,
        event_id=delivery.event_id,
        task_id=delivery.task_id,
        attempt=delivery.attempts,
        outcome=outcome,
        exit_code=None if finished.timed_out else finished.exit_code,
        duration_ms=finished.duration_ms,
        stdout=finished.stdout,
        stderr=finished.stderr
        + (f"\nended by its time-out after {finished.duration_ms} ms" if finished.timed_out else ""),
        ended_at=now,
        http_status=finished.http_status,
    )
    retry_at = now + wait if outcome == "retry" else None
    parts.journal.write(lambda db: _keep(db, parts, run, retry_at, quiet=quiet))
    crash_points.reached(Point.DELIVERY_RECORDED)
    # Before the line: what the log goes to may be a terminal that was stopped.
    parts.bell.ring()
    _log(run, finished)


def _keep(db: Connection, parts: Parts, run: HookRun, retry_at: float | None, *, quiet: bool) -> None:
    """Record the run and, in the same transaction, the news that its hook gave up or is switched off."""
    deliveries.record(db, run, retry_at)
    if run.http_status == statuses.GONE:
        notifying.receiver_gone(db, parts.newest_config, run)
    elif run.outcome == "gave_up" and not quiet:
        notifying.gave_up(db, parts.newest_config, run)


def _give_up(parts: Parts, delivery: Delivery, reason: str) -> None:
    _record(parts, delivery, without_exit(reason), "gave_up")


def _log(run: HookRun, finished: Finished) -> None:
    how = "timed out" if finished.timed_out else "no exit code" if run.exit_code is None else f"exit={run.exit_code}"
    if run.http_status is not None:
        how = f"http={run.http_status}"
    said = (
        f" ({run.stderr.strip().splitlines()[-1][:200]})" if run.outcome != "delivered" and run.stderr.strip() else ""
    )
    log = LOGGER.info if run.outcome == "delivered" else LOGGER.warning
    log("%s hook %s %s: %s, attempt=%d, %d ms%s", run.about, run.hook_id, run.outcome, how, run.attempt,
        run.duration_ms, said)  # fmt: skip
