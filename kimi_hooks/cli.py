"""The command line: one thin function per verb, in `commands/`, loaded when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path

import click

from kimi_hooks import __version__, hindrances
from kimi_hooks.commands import Home, completing
from kimi_hooks.errors import KimiHooksError

# Verb -> the module in `commands/` that holds its function of the same name.
VERBS: Mapping[str, str] = {
    "init": "init",
    "dispatch": "dispatch",
    "run": "run",
    "stop": "stop",
    "status": "status",
    "show": "show",
    "models": "models",
    "cost": "cost",
    "report": "report",
    "wait": "wait",
    "ack": "ack",
    "pause": "pause",
    "resume": "pause",
    "cancel": "cancel",
    "retry": "retry",
    "hold": "hold",
    "release": "hold",
    "clean": "clean",
    "fsck": "fsck",
    "hooks": "hooks",
    "wake": "wake",
    "webhook": "webhook",
    "standin": "standin",
    "service": "service",
    "completion": "completion",
}
INTERRUPTED = 130
BUG = 3


class _Verbs(click.Group):
    """Imports a verb's module only when it is asked for: `dispatch` must not pay for what `run` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"kimi_hooks.commands.{VERBS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="kimi-hooks")
@click.option("--home", metavar="DIR", shell_complete=completing.folder,
              help="The workspace. Default: $KIMI_HOOKS_HOME, else the nearest parent folder that is one, else"
              " ~/.openclaw/workspace/kimi-dispatch.")  # fmt: skip
@click.pass_obj
def group(obj: Home, home: str | None) -> None:
    """Drop a task file, go away, be woken once: kimi-hooks asks Kimi and fires your hooks."""
    obj.option = home


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 expected failure, 2 wrong usage, 3 a bug, 130 interrupted."""
    home = Home()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A file's name may be no text, and a terminal need not know every character.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = group.main(standalone_mode=False, obj=home)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KimiHooksError as error:
        click.echo(f"kimi-hooks: {_harmless(error)}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain of it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        # A file of another user, a full disk, a folder that has gone: the message of the system names it.
        click.echo(f"kimi-hooks: {_harmless(hindrances.told(error))}", err=True)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the one place that catches everything
        where = _log_bug(home)
        told = _masked(home, f"{type(error).__name__}: {_harmless(error)}")
        click.echo(f"kimi-hooks: a bug, please report it with {where}: {told}", err=True)
        sys.exit(BUG)
    sys.exit(code if isinstance(code, int) else 0)


def _harmless(error: Exception | str) -> str:
    """Return the message without what could steer a terminal: it may quote a file, a hook or Kimi."""
    from kimi_hooks.show import harmless  # noqa: PLC0415 - only when something went wrong

    return harmless(str(error))


def _log_bug(home: Home) -> str:
    """Write the traceback to the workspace's log, or to the terminal where there is none; tell where."""
    import traceback  # noqa: PLC0415 - a tenth of what a verb takes to start

    from kimi_hooks.show import harmless  # noqa: PLC0415 - only when something went wrong

    lines = _masked(home, harmless(traceback.format_exc()))
    try:
        file = home.find().log_file
        with file.open("a", encoding="utf-8") as log:
            log.write(lines)
    except (OSError, KimiHooksError):
        click.echo(lines, err=True, nl=False)
        return "the lines above"
    return f"the end of {file}"


def _masked(home: Home, text: str) -> str:
    """Return the text with stars for the secrets of the workspace, as far as they can be found."""
    from kimi_hooks import settings  # noqa: PLC0415 - only when something went wrong
    from kimi_hooks.logs import masked  # noqa: PLC0415 - as above

    try:
        return masked(text, settings.read(home.find(), {}, os.environ, Path.home()).secrets)
    except (OSError, RuntimeError, KimiHooksError):
        return text
