"""`kimi-hooks standin`: a local imitation of the Kimi API, for trying things out."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from kimi_hooks.standin.server import Standin


@click.command("standin", short_help="Answer like Kimi, on this machine only, until ^C.")
@click.option("--port", type=click.IntRange(0, 65535), default=8790, show_default=True, help="0 takes any free one.")
@click.option("--latency-ms", type=click.IntRange(min=0), default=0, help="Wait this long before each answer.")
@click.option("--chunk-ms", type=click.IntRange(min=0), default=0, help="Wait this long between the parts of one.")
@click.option("--journal", type=click.Path(path_type=Path), help="Write every request as a line of JSON to this file.")
def standin_command(port: int, latency_ms: int, chunk_ms: int, journal: Path | None) -> None:
    """Answer like Kimi, on this machine only, until ^C. It is an imitation, and every answer says so.

    Point a runner at it with KIMI_API_URL=http://127.0.0.1:PORT/v1 and any KIMI_API_KEY.
    """
    server = Standin(port=port, latency=latency_ms / 1000, chunk_delay=chunk_ms / 1000, journal=journal)
    click.echo(f"imitation of Kimi (not Kimi) at {server.url}")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve()
