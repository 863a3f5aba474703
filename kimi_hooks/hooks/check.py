"""Whether the configured hooks can run: their files, run bits and templates."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kimi_hooks.config import Config
from kimi_hooks.config_hooks import CommandPart, Hook, HttpPart
from kimi_hooks.errors import TemplateError
from kimi_hooks.events import FIELDS
from kimi_hooks.hooks import body, condition
from kimi_hooks.hooks.command import TEMPLATE_ENDING, first_word, script_template


@dataclass(frozen=True)
class Finding:
    """What was found about one hook; an `error` keeps it from running."""

    level: Literal["ok", "error"]
    hook_id: str
    event: str
    message: str


def check(config: Config, home: Path) -> list[Finding]:
    """Look at every hook as it would be started, without starting it."""
    return [_check(hook, home) for hook in config.each_hook()]


def problems(config: Config, home: Path) -> list[Finding]:
    """Return only what keeps a hook from running."""
    return [finding for finding in check(config, home) if finding.level == "error"]


def _check(hook: Hook, home: Path) -> Finding:
    handler = hook.handler
    problem = _condition_problem(hook)
    if problem is None:
        problem = _problem(handler, home) if isinstance(handler, CommandPart) else _body_problem(handler)
    return Finding("error" if problem else "ok", hook.hook_id, hook.event_name, problem or hook.handler.told)


def _condition_problem(hook: Hook) -> str | None:
    """Tell what is wrong with its `if`."""
    try:
        if hook.handler.condition is not None:
            condition.check(hook.handler.condition, hook.kind)
    except TemplateError as error:
        return f"if: {error}"
    return None


def _body_problem(handler: HttpPart) -> str | None:
    """Tell what is wrong with the templates of what is posted."""
    try:
        body.check(handler.body or {}, FIELDS)
    except TemplateError as error:
        return str(error)
    return None


def _problem(handler: CommandPart, home: Path) -> str | None:
    word = first_word(handler)
    return _template_problem(handler, home) if word.endswith(TEMPLATE_ENDING) else _plain_problem(handler, word, home)


def _template_problem(handler: CommandPart, home: Path) -> str | None:
    try:
        script_template(handler, home)
    except TemplateError as error:
        return str(error)
    return None


def _plain_problem(handler: CommandPart, word: str, home: Path) -> str | None:
    if "{{" in handler.told:
        return f"tags are only filled in in a file that ends in {TEMPLATE_ENDING}; move the command into one"
    return _file_problem(word, home)


def _file_problem(word: str, home: Path) -> str | None:
    """Tell what is wrong with a command's first word, as far as that can be told without running it."""
    if "/" not in word:
        # A name on PATH, a shell builtin, an assignment: only the shell knows.
        return None
    if any(char in word for char in "$`'\"\\*?~="):
        return None
    file = home / word
    if not file.is_file():
        return f"{file}: there is no such file"
    if not os.access(file, os.X_OK):
        return f"{file}: the run bit is missing; chmod +x {file}"
    return _interpreter_problem(file)


def _interpreter_problem(file: Path) -> str | None:
    with file.open("rb") as opened:
        line = opened.readline(256).decode("utf-8", "replace")
    words = line.removeprefix("#!").split() if line.startswith("#!") else []
    if words and shutil.which(words[0]) is None:
        return f"{file}: its interpreter {words[0]} is not there"
    return None
