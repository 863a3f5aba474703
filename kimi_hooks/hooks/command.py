"""Run one command hook: what it sees, where it runs, how it ended."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kimi_hooks.config import HandlerPart
from kimi_hooks.events import FIELDS
from kimi_hooks.hooks import template
from kimi_hooks.process import Finished, Processes

PASSED_ON = ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR")
TEMPLATE_ENDING = ".sh.j2"
TEMPLATE_NAMES = FIELDS | {"config"}
_FIRST_WORD = re.compile(r"\s*(?P<word>\S+)(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True)
class Site:
    """Where hooks run: the workspace, the folder for their runs, and the values of config.yaml for templates."""

    home: Path
    runs: Path
    config: Mapping[str, Any]
    processes: Processes


def run(handler: HandlerPart, hook_input: Mapping[str, Any], env: Mapping[str, str], site: Site) -> Finished:
    """Run the handler's command with the input as one line of JSON on stdin; wait for its end or its time-out.

    The run has a private folder, removed after success. Raises LaunchError when the command cannot be started, and
    TemplateError when its template cannot be rendered.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{hook_input['event_id']}.", dir=site.runs))
    argv = _argv(handler, {**hook_input, "config": site.config}, folder, site.home)
    finished = site.processes.run(
        argv,
        folder=folder,
        stdin=json.dumps(hook_input, ensure_ascii=False).encode("utf-8", "replace") + b"\n",
        env=env,
        cwd=site.home,
        timeout=handler.timeout,
    )
    if finished.exit_code == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        # Script and outputs stay for whoever looks for the fault; the input is the result file over again.
        (folder / "stdin").unlink(missing_ok=True)
    return finished


def environment(
    hook_input: Mapping[str, Any], environ: Mapping[str, str], named: Mapping[str, str], home: Path
) -> dict[str, str]:
    """Return all that a hook may see: a clean base, the event's own variables, and what its `env:` names."""
    base = {name: value for name, value in environ.items() if name in PASSED_ON or name.startswith("LC_")}
    return {
        **base,
        "PATH": f"{sysconfig.get_path('scripts')}:{environ.get('PATH', '/usr/local/bin:/usr/bin:/bin')}",
        "KIMI_EVENT": hook_input["hook_event_name"],
        "KIMI_EVENT_ID": hook_input["event_id"],
        "KIMI_TASK_ID": hook_input["task_id"],
        "KIMI_TASK_NAME": hook_input["task_name"],
        "KIMI_TASK_STATUS": hook_input["status"],
        "KIMI_RESULT_FILE": hook_input["result_file"],
        "KIMI_HOOKS_HOME": str(home),
        "CLAUDE_PROJECT_DIR": str(home),
        **named,
    }


def first_word(handler: HandlerPart) -> str:
    """Return the file or program that the command starts with."""
    if handler.args is not None:
        return handler.command
    found = _FIRST_WORD.match(handler.command)
    return found["word"] if found else ""


def script_template(handler: HandlerPart, home: Path) -> template.ScriptTemplate | None:
    """Return the checked template of a handler that starts with one, None for a plain command.

    Raises TemplateError when a tag stands where its value could be evaluated, or the file cannot be read.
    """
    word = first_word(handler)
    return template.load(home / word, TEMPLATE_NAMES) if word.endswith(TEMPLATE_ENDING) else None


def _argv(handler: HandlerPart, values: Mapping[str, Any], folder: Path, home: Path) -> list[str]:
    script = script_template(handler, home)
    if script is None:
        return [handler.command, *handler.args] if handler.args is not None else ["sh", "-c", handler.command]
    rendered = folder / "script"
    rendered.write_text(script.render(values), encoding="utf-8")
    # The interpreter is named and the file only read: executing a file that another thread's fork still holds open
    # for writing fails with "text file busy".
    command = [*script.interpreter, str(rendered)]
    if handler.args is not None:
        return [*command, *handler.args]
    found = _FIRST_WORD.match(handler.command)
    return ["sh", "-c", shlex.join(command) + (found["rest"] if found else "")]
