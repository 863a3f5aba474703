"""`kimi-hooks hooks`: what is configured and whether it is sound; its other verbs have modules of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from kimi_hooks import settings
from kimi_hooks.clock import iso
from kimi_hooks.commands import Home, json_option, print_json
from kimi_hooks.commands.hooks_explain import explain_command
from kimi_hooks.commands.hooks_import import import_command
from kimi_hooks.commands.hooks_runs import replay_command, runs_command
from kimi_hooks.commands.hooks_shared import switched_off
from kimi_hooks.commands.hooks_switch import disable_command, enable_command
from kimi_hooks.commands.hooks_test import test_command
from kimi_hooks.commands.telling import spelt
from kimi_hooks.config import Config
from kimi_hooks.config_hooks import CommandPart, Hook
from kimi_hooks.hooks import check
from kimi_hooks.hooks.engine import off_because
from kimi_hooks.journal import switches
from kimi_hooks.journal.switches import SwitchedOff
from kimi_hooks.logs import visible
from kimi_hooks.reports import check as report_check
from kimi_hooks.show import harmless
from kimi_hooks.workspace import Workspace, read_config

WIDEST = 40


@click.group("hooks", short_help="List, check, try and look back on your hooks.")
def hooks_command() -> None:
    """List, check, try and look back on the user's hooks."""


@hooks_command.command("list", short_help="List the hooks in the order of config.yaml.")
@json_option
@click.pass_obj
def list_command(home: Home, as_json: bool) -> None:
    """List the configured hooks in the order of config.yaml, event by event, also those that are off."""
    workspace = home.find()
    config = read_config(workspace)
    off = switched_off(workspace)
    hooks = config.named_hooks()
    if as_json:
        print_json([_row(hook, config, off) for hook in hooks])
        return
    if config.disable_all_hooks:
        click.echo("disableAllHooks is on: none of them runs" if hooks else "no hooks: disableAllHooks is on")
    elif not hooks:
        click.echo("no hooks are configured")
    for event, under in groupby(hooks, lambda hook: hook.event_name):
        _print(workspace, event, list(under), off)


def _row(hook: Hook, config: Config, off: Mapping[str, SwitchedOff]) -> dict[str, Any]:
    handler = hook.handler
    switched = off.get(hook.hook_id)
    return {
        "id": hook.hook_id,
        "event": hook.event_name,
        "matcher": hook.group.matcher or "*",
        "type": handler.type,
        "command": handler.told,
        "timeout": hook.timeout,
        "retries": handler.retries,
        "env": list(handler.env if isinstance(handler, CommandPart) else handler.allowed_env_vars),
        "gate": hook.is_gate,
        "async": handler.is_async,
        "if": handler.condition,
        "onFailure": handler.on_failure,
        "sequential": hook.group.sequential,
        "enabled": handler.enabled and not config.disable_all_hooks,
        "off": {"why": switched.why, "since": iso(switched.since)} if switched else None,
        "description": handler.description,
    }


def _print(workspace: Workspace, event: str, hooks: Sequence[Hook], off: Mapping[str, SwitchedOff]) -> None:
    click.echo(f"{event} (a gate)" if hooks[0].kind.is_gate else event)
    rows = [(hook.hook_id, visible(hook.group.matcher or "*"), visible(hook.handler.told)) for hook in hooks]
    widths = [min(WIDEST, max(map(len, column))) for column in zip(*rows, strict=True)]
    for hook, cells in zip(hooks, rows, strict=True):
        padded = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        click.echo(f"  {padded}  {', '.join(_remarks(workspace, hook, off))}")


def _remarks(workspace: Workspace, hook: Hook, off: Mapping[str, SwitchedOff]) -> list[str]:
    """Say what is particular about a hook, what keeps it from running first."""
    handler = hook.handler
    switched = off.get(hook.hook_id)
    found = [
        "" if handler.enabled else "OFF: enabled: false",
        _off(workspace, switched) if switched else "",
        f"{hook.timeout:g} s",
        "" if hook.is_gate else "1 retry" if handler.retries == 1 else f"{handler.retries} retries",
        "http" if handler.type == "http" else "",
        "async" if handler.is_async else "",
        "blocks on failure" if hook.is_gate and handler.on_failure == "block" else "",
        "one after the other" if hook.group.sequential else "",
        f"if {visible(handler.condition)}" if handler.condition else "",
    ]
    return [remark for remark in found if remark]


def _off(workspace: Workspace, switched: SwitchedOff) -> str:
    told = f"OFF: {off_because(switched)}"
    # Who said so knows the way back.
    way_back = f"; back with: {spelt(workspace, f'hooks enable {switched.hook_id}')}"
    return told if switched.why == switches.BY_PERSON else told + way_back


@hooks_command.command("check", short_help="Check config.yaml, hook files and templates.")
@json_option
@click.pass_obj
def check_command(home: Home, as_json: bool) -> None:
    """Check config.yaml, the hook files, their run bits and templates, and your own templates for reports.

    Variables that hooks name are looked for as the runner would here. Exit code 1 when something is wrong.
    """
    workspace = home.find()
    config = read_config(workspace)
    found = settings.read(workspace, config.basics.settings, os.environ, Path.home())
    variables = partial(found.chosen, environ=os.environ)
    findings = [*check.check(config, workspace.home, variables), *report_check.check(workspace.hooks)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        if not findings:
            click.echo(_nothing_to_check(config))
        for finding in findings:
            click.echo(f"{finding.level:<5} {finding.event} {finding.hook_id}: {harmless(finding.message)}")
    sys.exit(int(any(finding.level == "error" for finding in findings)))


def _nothing_to_check(config: Config) -> str:
    if not config.named_hooks():
        return "no hooks are configured"
    return "nothing to check: " + ("disableAllHooks is on" if config.disable_all_hooks else "no hook is enabled")


for verb in (
    import_command,
    test_command,
    explain_command,
    runs_command,
    replay_command,
    disable_command,
    enable_command,
):
    hooks_command.add_command(verb)
