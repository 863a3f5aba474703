"""News to hooks: each (event, hook) until it is delivered or given up, every run recorded."""

from __future__ import annotations

from typing import Any

from kimi_hooks import events, results
from kimi_hooks.config import Hook
from kimi_hooks.errors import LaunchError, TemplateError
from kimi_hooks.hooks import command, engine
from kimi_hooks.journal import deliveries
from kimi_hooks.journal.deliveries import Delivery, HookRun, RunOutcome
from kimi_hooks.logs import LOGGER
from kimi_hooks.parts import Parts
from kimi_hooks.process.protocol import Finished, without_exit


def deliver(parts: Parts, delivery: Delivery) -> None:
    """Run the hook that this news is owed to, and record how that went."""
    hook = engine.find(parts.config, delivery)
    result = results.read(parts.workspace.results, delivery.task_id)
    if hook is None:
        _give_up(parts, delivery, f"the hook {delivery.hook_id!r} is no longer in config.yaml")
    elif result is None:
        _give_up(parts, delivery, f"results/{delivery.task_id}.json is gone")
    else:
        finished = _run(parts, delivery, hook, result)
        _record(parts, delivery, finished, _outcome(delivery, hook, finished))


def _run(parts: Parts, delivery: Delivery, hook: Hook, result: dict[str, Any]) -> Finished:
    hook_input = events.hook_input(
        events.of_result(result),
        name=delivery.event,
        attempt=delivery.attempts,
        prompt=delivery.prompt,
        home=str(parts.workspace.home),
        result_file=str(parts.workspace.result_file(delivery.task_id)),
    )
    named = parts.settings.current.chosen(hook.handler.env, parts.environ)
    env = command.environment(hook_input, parts.environ, named, parts.workspace.home)
    try:
        return command.run(hook.handler, hook_input, env, parts.site)
    except (LaunchError, TemplateError) as error:
        return without_exit(str(error))


def _outcome(delivery: Delivery, hook: Hook, finished: Finished) -> RunOutcome:
    outcome = engine.judge(finished)
    return "gave_up" if outcome == "retry" and delivery.attempts - delivery.crashes > hook.handler.retries else outcome


def _record(parts: Parts, delivery: Delivery, finished: Finished, outcome: RunOutcome) -> None:
    now = parts.clock.now()
    wait = parts.pause_after(delivery.attempts)
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
    )
    parts.journal.write(lambda db: deliveries.record(db, run, now + wait if outcome == "retry" else None))
    # Before the line: what the log goes to may be a terminal that was stopped.
    parts.bell.ring()
    _log(run, finished)


def _give_up(parts: Parts, delivery: Delivery, reason: str) -> None:
    _record(parts, delivery, without_exit(reason), "gave_up")


def _log(run: HookRun, finished: Finished) -> None:
    how = "timed out" if finished.timed_out else "no exit code" if run.exit_code is None else f"exit={run.exit_code}"
    said = (
        f" ({run.stderr.strip().splitlines()[-1][:200]})" if run.outcome != "delivered" and run.stderr.strip() else ""
    )
    log = LOGGER.info if run.outcome == "delivered" else LOGGER.warning
    log("%s hook %s %s: %s, attempt=%d, %d ms%s", run.task_id, run.hook_id, run.outcome, how, run.attempt,
        run.duration_ms, said)  # fmt: skip
