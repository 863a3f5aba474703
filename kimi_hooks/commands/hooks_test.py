"""`kimi-hooks hooks test`: run the hooks of an event now, or show what would be run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from kimi_hooks.commands import Home, completing, json_option, print_json
from kimi_hooks.commands.hooks_shared import (
    event_argument,
    fixture_option,
    indented,
    occasion_of,
    require_hook,
    task_option,
)
from kimi_hooks.config import Config
from kimi_hooks.config_hooks import Hook
from kimi_hooks.errors import UnknownHookError
from kimi_hooks.events import KINDS, EventKind
from kimi_hooks.hooks import engine
from kimi_hooks.hooks.decision import Decision
from kimi_hooks.hooks.engine import Considered
from kimi_hooks.journal import switches
from kimi_hooks.journal.store import open_existing
from kimi_hooks.show import harmless
from kimi_hooks.trying import rehearsal
from kimi_hooks.trying.occasion import Occasion
from kimi_hooks.trying.rehearsal import Plan, Stage, Tried
from kimi_hooks.workspace import Workspace, read_config

FOR_REAL = "kimi-hooks: hooks are run for real: what they send is sent, what they change is changed; --dry-run shows"
WHAT_NEXT = {
    "retry": "then: the runner would try again after a pause, {retries} times at most",
    "gave_up": "then: the runner would give up at once, and tell hooks under Notification",
}


@dataclass(frozen=True)
class _Shown:
    """One hook, and what became of it here: it was run, or planned, or neither."""

    considered: Considered
    tried: Tried | None = None
    plan: Plan | None = None

    @property
    def refused(self) -> bool:
        decided = self.tried.decision if self.tried is not None else None
        return decided is not None and (decided.outcome == "blocked" or decided.stop_reason is not None)

    @property
    def is_good(self) -> bool:
        if self.plan is not None:
            return self.plan.problem is None
        return self.tried is None or self.tried.went_well


@click.command("test", short_help="Try the hooks of an event, now and by hand.")
@event_argument
@task_option
@fixture_option
@click.option("--hook", metavar="ID", shell_complete=completing.hook_ids, help="Only this hook.")
@click.option("--dry-run", is_flag=True, help="Run nothing: show what would be run, and what it would be handed.")
@json_option
@click.pass_obj
def test_command(
    home: Home, event: str, task: str | None, fixture: str | None, hook: str | None, dry_run: bool, as_json: bool
) -> None:
    """Run the hooks of EVENT now, one after the other, and show what each says and what would follow.

    Without --task and --fixture the event is made up, and says so. The hooks are run for real, in the environment of
    this shell: what they send is sent. But no task is touched, nothing is put on record, and no runner need be there.
    KIMI_EVENT_ID begins with test-.

    Exit code 1 when no hook would run, or one of them fails: it cannot be started, runs into its time-out, or ends in
    such a way that its news would be tried again or given up, or that nobody could hear it at its gate. A gate's hook
    that refuses does what it is there for.
    """
    workspace = home.find()
    config = read_config(workspace)
    occasion, considered = _looked_up(workspace, config, event, task, fixture)
    chosen = _only(config, considered, event, hook)
    runs = [item for item in chosen if item.why_not is None]
    if not as_json:
        click.echo(f"{event} {harmless(occasion.told)}")
    if runs and not dry_run:
        click.echo(FOR_REAL, err=True)
    with rehearsal.stage(workspace, config, occasion, os.environ) as stage:
        shown = _shown(chosen, stage, dry_run=dry_run, quiet=as_json)
        _tell(event, occasion, stage, shown, as_json=as_json)
    sys.exit(int(not runs or not all(item.is_good for item in shown)))


def _looked_up(
    workspace: Workspace, config: Config, event: str, task: str | None, fixture: str | None
) -> tuple[Occasion, list[Considered]]:
    journal = open_existing(workspace.journal_file)
    try:
        occasion = occasion_of(workspace, journal, event, task, fixture)
        return occasion, engine.consider(config, occasion.event, journal.read(switches.switched_off))
    finally:
        journal.close()


def _only(config: Config, considered: list[Considered], event: str, hook_id: str | None) -> list[Considered]:
    if hook_id is None:
        return considered
    require_hook(config, hook_id)
    found = [item for item in considered if item.hook.hook_id == hook_id]
    if not found:
        elsewhere = [hook.event_name for hook in config.named_hooks() if hook.hook_id == hook_id]
        there = " and ".join(dict.fromkeys(elsewhere))
        raise UnknownHookError(f"{hook_id}: not under {event}; it stands under {there}: try that event")
    return found


def _shown(chosen: Sequence[Considered], stage: Stage, *, dry_run: bool, quiet: bool) -> list[_Shown]:
    """Try one after the other; in a sequential group of a gate nobody is asked after a refusal."""
    shown: list[_Shown] = []
    for item in chosen:
        before = next((each for each in shown if each.refused and _is_next(each.considered.hook, item.hook)), None)
        if before is not None and item.why_not is None:
            why_not = f"it comes after {before.considered.hook.hook_id} in its group, which refused"
            shown.append(_show(replace(item, why_not=why_not), stage, dry_run=dry_run, quiet=quiet))
        else:
            shown.append(_show(item, stage, dry_run=dry_run, quiet=quiet))
    return shown


def _is_next(before: Hook, hook: Hook) -> bool:
    place = before.event_name, before.number
    return hook.is_gate and hook.group.sequential and place == (hook.event_name, hook.number)


def _show(item: Considered, stage: Stage, *, dry_run: bool, quiet: bool) -> _Shown:
    """Try one hook, or plan it, and say so at once: the next one may take long."""
    if item.why_not is not None:
        shown = _Shown(item)
    elif dry_run:
        shown = _Shown(item, plan=rehearsal.plan(item.hook, stage))
    else:
        shown = _Shown(item, tried=rehearsal.rehearse(item.hook, stage))
    if not quiet:
        _print(shown)
    return shown


def _print(shown: _Shown) -> None:
    hook = shown.considered.hook
    name = f"\n{hook.hook_id} ({harmless(hook.handler.told)})"
    if shown.considered.why_not is not None:
        click.echo(f"{name}: would not run: {shown.considered.why_not}")
    if shown.tried is not None:
        click.echo(f"{name}: {shown.tried.outcome}, {_ending(shown.tried)}")
        _print_run(shown.tried, retries=hook.handler.retries)
    if shown.plan is not None:
        click.echo(f"{name}: would {'not be started' if shown.plan.problem else 'run'}")
        _print_plan(shown.plan)
    if shown.considered.remark:
        click.echo(indented(f"note: {shown.considered.remark}"))
    sys.stdout.flush()


def _ending(tried: Tried) -> str:
    finished = tried.finished
    how = "could not be started" if finished.exit_code is None else f"exit {finished.exit_code}"
    if finished.http_status is not None:
        how = f"HTTP {finished.http_status}"
    if finished.timed_out:
        how = "ended by its time-out"
    return f"{how}, {finished.duration_ms} ms"


def _print_run(tried: Tried, *, retries: int) -> None:
    for label, text in (("stdout", tried.finished.stdout), ("stderr", tried.finished.stderr)):
        if text.strip():
            click.echo(f"    {label}:\n{indented(text, 6)}")
    if tried.decision is not None:
        _print_decision(tried.decision, tried.finished.stderr.strip())
    elif tried.outcome in WHAT_NEXT:
        click.echo(indented(WHAT_NEXT[tried.outcome].format(retries=retries)))


def _print_decision(decision: Decision, told: str) -> None:
    """Print what the hook's words mean; `told` stands above already."""
    for label, text in (("reason", decision.reason), ("context", decision.context), ("message", decision.message)):
        if text and text != told:
            click.echo(f"    {label}:\n{indented(text, 6)}")
    if decision.by_failure:
        click.echo("    it blocks for it failed: `onFailure: block`")


def _print_plan(plan: Plan) -> None:
    if plan.problem:
        click.echo(indented(f"problem: {plan.problem}"))
    if plan.argv:
        click.echo(indented(f"command: {' '.join(_word(word) for word in plan.argv)}"))
    if plan.address:
        click.echo(indented(f"post to: {plan.address}/{rehearsal.HIDDEN}"))
    for line in plan.headers:
        click.echo(indented(f"header: {line}"))
    if plan.cwd:
        click.echo(indented(f"folder: {plan.cwd}"))
    click.echo(f"    timeout: {plan.timeout:g} s")
    if plan.variables:
        click.echo(indented(f"variables: {' '.join(plan.variables)}"))
    for name, is_set in plan.named:
        click.echo(f"    {name}: {'set' if is_set else 'not set'}")
    for label, text in (("script", plan.script), ("body", plan.body)):
        if text:
            click.echo(f"    {label}:\n{indented(text, 6)}")


def _word(word: str) -> str:
    import shlex  # noqa: PLC0415 - only where a plan is printed

    return word if word == rehearsal.SCRIPT else shlex.quote(word)


def _tell(event: str, occasion: Occasion, stage: Stage, shown: Sequence[_Shown], *, as_json: bool) -> None:
    """Say what would follow of all of it; with `as_json`, all of it."""
    then = _then(KINDS[event], shown)
    if as_json:
        rows = [_row(item) for item in shown]
        about = {"event": event, "event_id": stage.event_id, "origin": occasion.origin, "about": occasion.told}
        print_json({**about, "hooks": rows, "then": then})
    elif then:
        click.echo(f"\nthen: {harmless(then)}")
    elif all(item.considered.why_not is not None for item in shown):
        click.echo("\nno hook would run" if shown else "no hook is configured for this event")


def _then(kind: EventKind, shown: Sequence[_Shown]) -> str | None:
    decisions = [item.tried.decision for item in shown if item.tried is not None and item.tried.decision is not None]
    return rehearsal.follows(kind, decisions) if decisions else None


def _row(shown: _Shown) -> dict[str, Any]:
    hook = shown.considered.hook
    row: dict[str, Any] = {
        "hook_id": hook.hook_id,
        "event": hook.event_name,
        "type": hook.handler.type,
        "command": hook.handler.told,
    }
    row |= {"why_not": shown.considered.why_not, "remark": shown.considered.remark or None}
    if shown.plan is not None:
        row |= {**asdict(shown.plan), "named": dict(shown.plan.named)}
    if shown.tried is not None:
        said = asdict(shown.tried.decision) if shown.tried.decision else {}
        row |= {"outcome": shown.tried.outcome, **asdict(shown.tried.finished), "decision": said or None}
    return row
