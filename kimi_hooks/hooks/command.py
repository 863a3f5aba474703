"""Run one command hook: what it sees, where it runs, how it ended."""

from __future__ import annotations

import contextlib
import json
import random
import re
import shlex
import shutil
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from kimi_hooks import atomic
from kimi_hooks.config_hooks import CommandPart, Hook
from kimi_hooks.edits import LastGood, Stamp
from kimi_hooks.errors import LaunchError
from kimi_hooks.events import FIELDS
from kimi_hooks.hooks import template
from kimi_hooks.process.client import Processes
from kimi_hooks.process.outputs import KEPT_BYTES
from kimi_hooks.process.protocol import TOLD_BYTES, Finished

PASSED_ON = ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR")
# So that hooks find `kimi-hooks`.
_OWN_FOLDER = sysconfig.get_path("scripts")
TEMPLATE_ENDING = ".sh.j2"
REFUSED_CODE = 2
TEMPLATE_NAMES = FIELDS | {"config"}
# Words on one line that every shell takes as they are.
_PLAIN_WORDS = re.compile(r"(?P<words>[A-Za-z0-9_./@%+:,\- \t]*)\n*")
_FIRST_WORD = re.compile(r"\s*(?P<word>\S+)(?P<rest>.*)", re.DOTALL)
# Claude Code fills this in itself, in the parts that no shell reads.
_PROJECT = "${CLAUDE_PROJECT_DIR}"
# How a file of the project is written before the shell has seen it, quoted or not.
_PROJECT_FILE = re.compile(r'^(?P<q>"?)\$(?:CLAUDE_PROJECT_DIR|\{CLAUDE_PROJECT_DIR\})(?P=q)(?=/)')


@dataclass(frozen=True)
class Site:
    """Where hooks run: the workspace, the folder for their runs, and the values of config.yaml for templates.

    `templates` knows the last good state of each.
    """

    home: Path
    runs: Path
    config: Mapping[str, Any]
    processes: Processes
    templates: LastGood[template.ScriptTemplate]


def run(
    hook: Hook,
    handler: CommandPart,
    hook_input: Mapping[str, Any],
    env: Mapping[str, str],
    site: Site,
    hidden: Sequence[str] = (),
) -> Finished:
    """Run the handler's command with the input as one line of JSON on stdin; wait for its end or its time-out.

    A rendered script and the outputs of a run that fails lie in a folder of the run's own, for whoever looks for the
    fault. Of a gate all is told that it prints, up to a MiB: it may decide. What is `hidden` is masked.
    Raises TemplateError when its template cannot be rendered, and what `Processes.run` raises.
    """
    folder = site.runs / f"{hook_input['event_id']}.{random.getrandbits(40):010x}"
    script = _rendered(handler, {**hook_input, "config": site.config}, folder, site)
    run_it = partial(
        site.processes.run,
        keep=folder,
        stdin=json.dumps(hook_input, ensure_ascii=False).encode("utf-8", "replace") + b"\n",
        env=env,
        cwd=site.home / handler.cwd if handler.cwd else site.home,
        timeout=hook.timeout,
        told=KEPT_BYTES if hook.is_gate else TOLD_BYTES,
        hidden=hidden,
    )
    finished = _without_shell(handler, script, run_it) or run_it(argv(handler, script, site.home))
    if (script and finished.exit_code == 0 and not finished.timed_out) or _has_refused(hook, finished):
        shutil.rmtree(folder, ignore_errors=True)
    return finished


def _has_refused(hook: Hook, finished: Finished) -> bool:
    """Tell whether a gate's hook said no, which is no fault that anybody would look for."""
    return hook.is_gate and finished.exit_code == REFUSED_CODE and bool(finished.stderr.strip())


def environment(
    hook_input: Mapping[str, Any], environ: Mapping[str, str], named: Mapping[str, str], home: Path
) -> dict[str, str]:
    """Return all that a hook may see: a clean base, the event's own variables, and what its `env:` names.

    A variable that does not apply is empty.
    """
    base = {name: value for name, value in environ.items() if name in PASSED_ON or name.startswith("LC_")}
    return {
        **base,
        "PATH": search_path(environ),
        "KIMI_EVENT": hook_input["hook_event_name"],
        "KIMI_EVENT_ID": hook_input["event_id"],
        "KIMI_TASK_ID": hook_input["task_id"] or "",
        "KIMI_TASK_NAME": hook_input["task_name"] or "",
        "KIMI_TASK_STATUS": hook_input["status"] or "",
        "KIMI_RESULT_FILE": hook_input["result_file"] or "",
        "KIMI_HOOKS_HOME": str(home),
        "CLAUDE_PROJECT_DIR": str(home),
        **named,
    }


def search_path(environ: Mapping[str, str]) -> str:
    """Return the PATH of hooks."""
    return f"{_OWN_FOLDER}:{environ.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"


def may_mention(hook: Hook, word: str, home: Path) -> bool:
    """Tell whether a hook may have to do with something by this name: in doubt it has.

    It has not if its command is plain words, some of them files, and the word stands in none of all these.
    """
    handler = hook.handler
    if not isinstance(handler, CommandPart) or word in handler.told or _PLAIN_WORDS.fullmatch(handler.told) is None:
        return True
    place = home / (handler.cwd or "")
    held = [_holds(file, atomic.stamp(file), word.encode()) for file in map(place.joinpath, handler.told.split())]
    known = [holds for holds in held if holds is not None]
    return not known or any(known)


@lru_cache(maxsize=256)
def _holds(file: Path, stamp: Stamp, word: bytes) -> bool | None:
    """Look once into each state of a file; None for what is no file that can be read."""
    with contextlib.suppress(OSError):
        return word in file.read_bytes() if stamp is not None and file.is_file() else None
    return None


def first_word(handler: CommandPart) -> str:
    """Return the file or program that the command starts with."""
    if handler.args is not None:
        return handler.command
    found = _FIRST_WORD.match(handler.command)
    return found["word"] if found else ""


def script_template(handler: CommandPart, home: Path) -> template.ScriptTemplate | None:
    """Return the checked template of a handler that starts with one, None for a plain command.

    Raises TemplateError when a tag stands where its value could be evaluated, or the file cannot be read.
    """
    file = template_file(handler, home)
    return load_template(file, atomic.stamp(file)) if file else None


def template_file(handler: CommandPart, home: Path) -> Path | None:
    """Return the template that a handler starts with, None for a plain command."""
    word = _PROJECT_FILE.sub(lambda _: str(home), first_word(handler))
    return home / word if word.endswith(TEMPLATE_ENDING) else None


def filled_in(text: str, home: Path) -> str:
    """Return a word of a command that no shell reads, with the workspace for `${CLAUDE_PROJECT_DIR}`."""
    return text.replace(_PROJECT, str(home))


@lru_cache(maxsize=128)
def load_template(path: Path, _stamp: Stamp) -> template.ScriptTemplate:
    """Load a template once for each state of its file: to check it takes longer than to run a short script."""
    return template.load(path, TEMPLATE_NAMES)


def _rendered(handler: CommandPart, values: Mapping[str, Any], folder: Path, site: Site) -> list[str]:
    """Return the words that run the handler's template, rendered into the folder; none for a plain command."""
    file = template_file(handler, site.home)
    if file is None:
        return []
    script = site.templates.get(file)
    text = script.render(values)
    folder.mkdir(mode=0o700)
    rendered = folder / "script"
    rendered.write_text(text, encoding="utf-8")
    # The interpreter is named and the file only read: executing a file that another thread's fork still holds open
    # for writing fails with "text file busy".
    return [*script.interpreter, str(rendered)]


def argv(handler: CommandPart, script: Sequence[str], home: Path) -> list[str]:
    """Return what is run for a handler; `script` are the words that run its rendered template, none without one."""
    if handler.args is not None:
        return [*(script or [filled_in(handler.command, home)]), *(filled_in(word, home) for word in handler.args)]
    if not script:
        return [handler.shell, "-c", handler.command]
    return [handler.shell, "-c", f"{shlex.join(script)}{_rest(handler)}"]


def _rest(handler: CommandPart) -> str:
    found = _FIRST_WORD.match(handler.command)
    return found["rest"] if found else ""


def _without_shell(
    handler: CommandPart, script: Sequence[str], run_it: Callable[[Sequence[str]], Finished]
) -> Finished | None:
    """Run a command that is a file and plain words without a shell around it: one process less, the same end.

    None when the shell must judge: the command says more, or the file cannot be executed as it is.
    """
    # After the template's name a line end is the end of the command; before the first word it is nothing.
    text = _rest(handler).lstrip(" \t") if script else handler.command.lstrip(" \t\n")
    plain = _PLAIN_WORDS.fullmatch(text)
    if handler.args is not None or plain is None:
        return None
    words = [*script, *plain["words"].split()]
    # A first word with a slash is neither a builtin nor a keyword.
    if not words or ("/" not in words[0] and not script):
        return None
    try:
        return run_it(words)
    except LaunchError:
        return None
