"""Whether the configured hooks can run: their files, interpreters, templates and shell text; nothing is run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kimi_hooks.config import Config
from kimi_hooks.config_hooks import CommandPart, Hook, HttpPart
from kimi_hooks.edits import LastGood
from kimi_hooks.errors import TemplateError
from kimi_hooks.events import FIELDS
from kimi_hooks.hooks import (
    body,
    check_files,
    check_http,
    check_settings,
    check_syntax,
    check_variables,
    check_words,
    condition,
)
from kimi_hooks.hooks.check_files import Place
from kimi_hooks.hooks.check_variables import Variables
from kimi_hooks.hooks.command import (
    TEMPLATE_ENDING,
    TEMPLATE_NAMES,
    first_word,
    load_template,
    search_path,
    template_file,
)
from kimi_hooks.hooks.template import ScriptTemplate

Templates = LastGood[ScriptTemplate]
_TAG = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Finding:
    """What was found about one hook; an `error` keeps it from running, of a `warning` somebody should know."""

    level: Literal["ok", "warning", "error"]
    hook_id: str
    event: str
    message: str


def check(config: Config, home: Path, variables: Variables | None = None) -> list[Finding]:
    """Look at every hook as it would be started, without starting it.

    `variables` returns the values of those that are set: with it hooks are told of that name others.
    """
    hooks = config.each_hook()
    return [finding for hook in hooks for finding in _findings(hook, hooks, home, variables)]


def problems(config: Config, home: Path) -> list[Finding]:
    """Return only what is not in order."""
    return [finding for finding in check(config, home) if finding.level != "ok"]


def launch_problem(hook: Hook, home: Path, templates: Templates | None = None) -> str | None:
    """Return why the hook certainly cannot start, and what to do; None in doubt.

    Cheap: what takes a shell to tell is asked once for each state of a file. `templates` knows the last good states of
    templates, which are as good as sound ones.
    """
    if not isinstance(hook.handler, CommandPart):
        return None
    try:
        return _launch_problem(hook.handler, home, templates)
    except (OSError, ValueError):
        # What may not be looked at may yet be run, or says itself why not.
        return None


def _findings(hook: Hook, hooks: Sequence[Hook], home: Path, variables: Variables | None) -> Iterator[Finding]:
    problem = _text_of_ours_problem(hook) or check_http.problem(hook) or launch_problem(hook, home)
    warnings = [*check_settings.warnings(hook, hooks), *check_http.warnings(hook)]
    if variables is not None:
        warnings += check_variables.warnings(hook, variables)
    if problem:
        yield Finding("error", hook.hook_id, hook.event_name, problem)
    for warning in warnings:
        yield Finding("warning", hook.hook_id, hook.event_name, warning)
    if not problem and not warnings:
        yield Finding("ok", hook.hook_id, hook.event_name, hook.handler.told)


def _text_of_ours_problem(hook: Hook) -> str | None:
    return _condition_problem(hook) or _body_problem(hook) or _tag_problem(hook)


def _condition_problem(hook: Hook) -> str | None:
    """Tell what is wrong with its `if`."""
    try:
        if hook.handler.condition is not None:
            condition.check(hook.handler.condition, hook.kind)
    except TemplateError as error:
        return f"if: {error}"
    return None


def _body_problem(hook: Hook) -> str | None:
    """Tell what is wrong with the templates of what is posted."""
    try:
        if isinstance(hook.handler, HttpPart):
            body.check(hook.handler.body or {}, FIELDS)
    except TemplateError as error:
        return str(error)
    return None


def _tag_problem(hook: Hook) -> str | None:
    handler = hook.handler
    if not isinstance(handler, CommandPart) or first_word(handler).endswith(TEMPLATE_ENDING):
        return None
    # Other programs have braces of their own, such as docker's `{{.ID}}`.
    if not any(name in TEMPLATE_NAMES for name in _TAG.findall(handler.told)):
        return None
    return f"tags are only filled in in a file that ends in {TEMPLATE_ENDING}; move the command into one"


def _launch_problem(handler: CommandPart, home: Path, templates: Templates | None) -> str | None:
    # A PATH that the handler names is not the one that hooks have.
    path = None if "PATH" in handler.env else search_path(os.environ)
    place = Place(home / handler.cwd if handler.cwd else home, path)
    if not place.cwd.is_dir():
        return f"{place.cwd}: there is no such folder to start in; make it or mend `cwd`"
    file = template_file(handler, home)
    if file:
        problem = _template_problem(file, place, templates or LastGood(load_template))
    else:
        problem = _words_problem(handler, home, place)
    return problem or (_text_problem(handler, place) if handler.args is None else None)


def _template_problem(file: Path, place: Place, templates: Templates) -> str | None:
    try:
        script = templates.get(file)
    except TemplateError as error:
        return str(error)
    return check_files.interpreter_problem(file, script.interpreter, place)


def _words_problem(handler: CommandPart, home: Path, place: Place) -> str | None:
    words = check_words.certain_words(handler, home, os.environ)
    if not words:
        return None
    if words[0].endswith(TEMPLATE_ENDING):
        return f"{words[0]}: a template in quotes is not filled in; write it as the first word without quotes"
    return check_files.words_problem(words, place, by_shell=handler.args is None)


def _text_problem(handler: CommandPart, place: Place) -> str | None:
    shell = place.located(handler.shell)
    told = check_syntax.of_text(shell, handler.command) if shell else None
    return f"{handler.shell} cannot read the command: {told}; mend it in config.yaml" if told else None
