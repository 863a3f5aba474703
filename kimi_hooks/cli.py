"""The command line: one thin function per verb, in `commands/`, loaded when it is called."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Mapping

import click

from kimi_hooks import __version__
from kimi_hooks.commands import Home
from kimi_hooks.errors import KimiHooksError
from kimi_hooks.logs import LOGGER

# Verb -> the module in `commands/` that holds its function of the same name.
VERBS: Mapping[str, str] = {
    "init": "init",
    "dispatch": "dispatch",
    "run": "run",
    "stop": "stop",
    "status": "status",
    "show": "show",
    "wait": "wait",
    "ack": "ack",
    "pause": "pause",
    "resume": "pause",
    "hooks": "hooks",
    "standin": "standin",
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


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kimi-hooks")
@click.option("--home", metavar="DIR", help="The workspace. Default: $KIMI_HOOKS_HOME, else the nearest parent folder"
              " that is one, else ~/.openclaw/workspace/kimi-dispatch.")  # fmt: skip
@click.pass_context
def group(ctx: click.Context, home: str | None) -> None:
    """Drop a task file, go away, be woken once: kimi-hooks asks Kimi and fires your hooks."""
    ctx.obj = Home(home)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 expected failure, 2 wrong usage, 3 a bug, 130 interrupted."""
    try:
        code = group.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KimiHooksError as error:
        click.echo(f"kimi-hooks: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the one place that catches everything
        _tell_bug(error)
        sys.exit(BUG)
    sys.exit(code if isinstance(code, int) else 0)


def _tell_bug(error: Exception) -> None:
    """Tell a bug in one line, with the traceback in the log where there is one, else on the terminal."""
    if LOGGER.handlers:
        LOGGER.exception("a bug")
    else:
        traceback.print_exc()
    click.echo(f"kimi-hooks: a bug, please report it: {type(error).__name__}: {error}", err=True)
