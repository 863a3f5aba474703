"""Run a hook for an event that nobody is owed, or show what would be run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kimi_hooks import config_http, settings
from kimi_hooks.config import Config
from kimi_hooks.config_hooks import CommandPart, Hook, HttpPart
from kimi_hooks.edits import LastGood
from kimi_hooks.errors import TemplateError
from kimi_hooks.events import CREATED, STOP, EventKind
from kimi_hooks.hooks import body, check, command, decision, engine, running
from kimi_hooks.hooks.command import Site
from kimi_hooks.hooks.decision import Decision, Verdict
from kimi_hooks.hooks.running import Surroundings
from kimi_hooks.process.client import Processes
from kimi_hooks.process.protocol import Finished, without_exit
from kimi_hooks.trying.occasion import Occasion, hook_input, trial_id
from kimi_hooks.workspace import Workspace

# What stands where the path of the rendered script will be.
SCRIPT = "SCRIPT"
HIDDEN = "***"


@dataclass(frozen=True)
class Plan:
    """What would be run, or posted: `problem` is why it cannot be. `timeout` is in seconds.

    `variables` are the names in its environment, `named` those that its `env`, or its headers, ask for, with whether
    they are set. No value of a variable is in it.
    """

    problem: str | None = None
    argv: tuple[str, ...] = ()
    cwd: str | None = None
    timeout: float = 0.0
    variables: tuple[str, ...] = ()
    named: tuple[tuple[str, bool], ...] = ()
    script: str | None = None
    address: str | None = None
    headers: tuple[str, ...] = ()
    body: str | None = None


@dataclass(frozen=True)
class Tried:
    """How one run went. `outcome` is that of the record; at a gate there is a decision, too."""

    finished: Finished
    outcome: str
    decision: Decision | None = None

    @property
    def went_well(self) -> bool:
        """Whether the hook did what it is there for: news arrived, or it was heard at its gate."""
        by_failure = self.decision is not None and self.decision.by_failure
        return self.outcome in {"delivered", "allowed", "blocked"} and not by_failure


@dataclass(frozen=True)
class Stage:
    """Where hooks are tried: their surroundings, the event, and the id that it has meanwhile."""

    around: Surroundings
    occasion: Occasion
    event_id: str

    def handed(self, hook: Hook) -> dict[str, Any]:
        """Return what the hook reads on stdin."""
        return hook_input(self.occasion, hook, self.event_id, str(self.around.site.home))


@contextmanager
def stage(workspace: Workspace, config: Config, occasion: Occasion, environ: Mapping[str, str]) -> Iterator[Stage]:
    """Yield a stage in the environment in which a runner that is started here and now would run hooks.

    What hooks leave lies in a folder of its own meanwhile; a hook that still runs at the end is ended.
    """
    user_home = Path(environ.get("HOME") or "/nonexistent")
    known = settings.read(workspace, config.basics.settings, environ, user_home)
    processes = Processes()
    with tempfile.TemporaryDirectory(prefix="kimi-hooks-test-") as folder:
        templates = LastGood(command.load_template)
        site = Site(workspace.home, Path(folder), config.model_dump(mode="json", by_alias=True), processes, templates)
        try:
            yield Stage(Surroundings(site, environ, known), _with_result_file(occasion, Path(folder)), trial_id())
        finally:
            processes.close()


def _with_result_file(occasion: Occasion, folder: Path) -> Occasion:
    """Give a made-up task a result file, which hooks may want to read."""
    if occasion.result is None:
        return occasion
    file = folder / f"{occasion.result['task_id']}.json"
    file.write_text(json.dumps(occasion.result, indent=2), encoding="utf-8")
    return replace(occasion, result_file=str(file))


def rehearse(hook: Hook, on: Stage) -> Tried:
    """Run the hook once, for real, and judge how it ended. Raises OSError when the machine lacks something."""
    if not hook.is_gate:
        finished = running.run(hook, on.handed(hook), on.around)
        return Tried(finished, engine.judge(finished))
    problem = _problem(hook, on)
    finished = without_exit(problem) if problem else running.run(hook, on.handed(hook), on.around)
    decided = decision.read(hook, finished)
    return Tried(finished, decided.outcome, decided)


def _problem(hook: Hook, on: Stage) -> str | None:
    """Return why the hook cannot start; at a gate that is asked before, so that it is not taken for a refusal."""
    return check.launch_problem(hook, on.around.site.home, on.around.site.templates)


def plan(hook: Hook, on: Stage) -> Plan:
    """Return what would be run for the event, without running it."""
    handler = hook.handler
    found = _posted(handler, hook, on) if isinstance(handler, HttpPart) else _run(handler, hook, on)
    return replace(found, timeout=hook.timeout, problem=found.problem or _problem(hook, on))


def _posted(handler: HttpPart, hook: Hook, on: Stage) -> Plan:
    wanted = tuple(dict.fromkeys((*handler.allowed_env_vars, handler.secret)))
    named = _set(wanted, on)
    headers = tuple(f"{name}: {HIDDEN}" for name in handler.headers)
    found = Plan(address=handler.told, named=named, headers=headers)
    missing = next((name for name in config_http.references(handler.url) if not dict(named).get(name)), None)
    if missing is not None:
        return replace(found, problem=f"{missing}, which stands in url, is not set; put it into .env.kimi")
    try:
        return replace(found, body=_body(handler, on.handed(hook)))
    except TemplateError as error:
        return replace(found, problem=str(error))


def _body(handler: HttpPart, handed: Mapping[str, Any]) -> str:
    if handler.body is not None:
        return body.render(handler.body, handed).decode("utf-8")
    return json.dumps(handed, ensure_ascii=False)


def _run(handler: CommandPart, hook: Hook, on: Stage) -> Plan:
    handed, site = on.handed(hook), on.around.site
    named = on.around.settings.chosen(handler.env, on.around.environ)
    variables = command.environment(handed, on.around.environ, named, site.home)
    found = Plan(
        cwd=str(site.home / handler.cwd if handler.cwd else site.home),
        variables=tuple(sorted(variables)),
        named=_set(handler.env, on),
    )
    try:
        template = command.script_template(handler, site.home)
        script = template.render({**handed, "config": site.config}) if template else None
    except TemplateError as error:
        return replace(found, problem=str(error))
    words = [*template.interpreter, SCRIPT] if template else []
    return replace(found, script=script, argv=tuple(command.argv(handler, words, site.home)))


def _set(names: Sequence[str], on: Stage) -> tuple[tuple[str, bool], ...]:
    chosen = on.around.settings.chosen(tuple(names), on.around.environ)
    return tuple((name, name in chosen) for name in names)


def follows(kind: EventKind, decisions: Sequence[Decision]) -> str:
    """Return in words what a gate would do after its hooks have said this."""
    verdict = decision.merge(decisions)
    if kind == STOP:
        return _after_answer(verdict, decisions)
    if verdict.is_blocked or verdict.stop_reason is not None:
        return f"the task would end failed, kind blocked: {_reasons(verdict)}"
    if kind == CREATED:
        return "the task would be accepted"
    told = f", with this before it:\n{_joined(verdict.contexts)}" if verdict.contexts else ""
    return f"Kimi would be sent the prompt{told}"


def _after_answer(verdict: Verdict, decisions: Sequence[Decision]) -> str:
    if verdict.stop_reason is not None:
        why = f": {verdict.stop_reason}" if verdict.stop_reason else ""
        return f"the answer would stand, for a hook says `continue: false`{why}"
    if verdict.by_failure:
        return f"the task would end failed, kind blocked: {_reasons(verdict)}"
    # What kept a hook from being heard is not Kimi's business.
    refused = [(each.hook_id, each.reason) for each in decisions if each.outcome == "blocked" and not each.by_failure]
    told = _joined([*refused, *verdict.contexts])
    return f"Kimi would be sent as the next message:\n{told}" if told else "the answer would be final"


def _reasons(verdict: Verdict) -> str:
    return _joined(verdict.reasons) or verdict.stop_reason or "a hook says `continue: false`"


def _joined(pairs: Sequence[tuple[str, str]]) -> str:
    return "\n\n".join(text for _, text in pairs)
