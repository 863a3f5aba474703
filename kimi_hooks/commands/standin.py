"""`kimi-hooks standin`: a local imitation of the Kimi API, for trying things out."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click

from kimi_hooks.errors import KimiHooksError
from kimi_hooks.standin import limits, models, words
from kimi_hooks.standin.faults import Fault, UnknownWordError
from kimi_hooks.standin.server import Standin


def _faults(_context: click.Context, _parameter: click.Parameter, lines: tuple[str, ...]) -> list[Fault]:
    try:
        return [words.fault(line) for line in lines]
    except UnknownWordError as error:
        raise click.BadParameter(str(error)) from error


def _keys(_context: click.Context, _parameter: click.Parameter, file: Path | None) -> frozenset[str] | None:
    if file is None:
        return None
    try:
        keys = frozenset(file.read_text("utf-8").split())
    except UnicodeDecodeError:
        keys = frozenset()
    if not keys:
        raise click.BadParameter(f"{file} holds no keys; write one on each line, as UTF-8")
    return keys


@click.command("standin", short_help="Answer like Kimi, on this machine only, until ^C.")
@click.option("--port", type=click.IntRange(0, 65535), default=8790, show_default=True, help="0 takes any free one.")
@click.option("--keys", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              callback=_keys, help="Take only the keys in this file, one on each line. Default: any key.")  # fmt: skip
@click.option("--old-models", is_flag=True, help="Answer for the retired models too, each by its own rules.")
@click.option("--tier", type=click.IntRange(0, len(limits.TIERS) - 1),
              help="Hold to the limits of this account tier. Default: no limits.")  # fmt: skip
@click.option("--retry-after/--no-retry-after", default=True, show_default=True,
              help="Whether a reply that the limits caused says when to try again.")  # fmt: skip
@click.option("--balance", type=float, default=49.58894, show_default=True, metavar="AMOUNT",
              help="The credit that is left; with 0 or less no question is answered.")  # fmt: skip
@click.option("--fault", "faults", multiple=True, callback=_faults, metavar="WORDS",
              help="Go wrong like this: 'status=503 chance=0.2'. May be given several times.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True,
              help="Decides which requests a chance hits; the same number hits the same ones.")  # fmt: skip
@click.option("--latency-ms", type=click.IntRange(min=0), default=0, help="Wait this long before each reply.")
@click.option("--chunk-ms", type=click.IntRange(min=0), default=0, help="Wait this long between the parts of one.")
@click.option("--journal", type=click.Path(path_type=Path), help="Write every request as a line of JSON to this file.")
def standin_command(**options: Any) -> None:
    """Answer like Kimi, on this machine only, until ^C. It is an imitation, and every answer says so.

    Point a runner at it with KIMI_API_URL=http://127.0.0.1:PORT/v1 and any KIMI_API_KEY. The words for --fault are in
    docs/standin.md; a prompt or a header can order the same for one request.
    """
    if options["journal"] is not None:
        # What cannot be written shall be told now, not to whoever asks.
        options["journal"].open("a", encoding="utf-8").close()
    server = _server(options)
    click.echo(f"imitation of Kimi (not Kimi) at {server.url}")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve()


def _server(options: dict[str, Any]) -> Standin:
    try:
        return Standin(
            port=options["port"],
            keys=options["keys"],
            known_models=models.LIVE_MODELS | (models.OLD_MODELS if options["old_models"] else frozenset()),
            tier=None if options["tier"] is None else limits.TIERS[options["tier"]],
            retry_after=options["retry_after"],
            balance=options["balance"],
            faults=options["faults"],
            seed=options["seed"],
            latency=options["latency_ms"] / 1000,
            chunk_delay=options["chunk_ms"] / 1000,
            journal=options["journal"],
            # Nobody here asks what it has heard.
            keep=0,
        )
    except OSError as error:
        where = f"port {options['port']} of 127.0.0.1"
        raise KimiHooksError(f"{where} cannot be used: {error.strerror}; name another one with --port") from error
