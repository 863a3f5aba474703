"""`kimi-hooks models`: what is known of Kimi's models, and what Kimi itself tells of them."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click

from kimi_hooks import settings
from kimi_hooks.commands import Home, json_option, print_json
from kimi_hooks.config import Config
from kimi_hooks.errors import ConfigError
from kimi_hooks.kimi import catalogue
from kimi_hooks.kimi.catalogue import OFFICIAL, Catalogue, Model
from kimi_hooks.kimi.comparison import Comparison, compare
from kimi_hooks.kimi.failure import excerpt, host_of
from kimi_hooks.settings import Settings
from kimi_hooks.show import harmless
from kimi_hooks.workspace import Workspace, read_config

WIDTH = 100
NO_KEY = "no API key, so Kimi cannot be asked. Put it into {file} as KIMI_API_KEY=sk-... (or export KIMI_API_KEY)"
HEAD = ("  model", "window", "cap", "thinking", "cached", "input", "output", "as of")
NUMBERS = frozenset({"window", "cap", "cached", "input", "output"})
NOT_KNOWN = "-"


@dataclass(frozen=True)
class _Here:
    """What this workspace is set to: the list, the settings, whose money the prices are in."""

    known: Catalogue
    settings: Settings

    @property
    def url(self) -> str:
        return self.settings.values["KIMI_API_URL"]

    @property
    def default(self) -> str:
        return self.settings.values["KIMI_MODEL"]

    @property
    def currency(self) -> str | None:
        return self.known.currency_of(self.url)


@click.command("models", short_help="List the models that are known here, and prices.")
@click.option("--remote", is_flag=True, help="Ask Kimi as well, and compare. This costs nothing but one request.")
@json_option
@click.pass_obj
def models_command(home: Home, remote: bool, as_json: bool) -> None:
    """List what is known of Kimi's models: sizes, parameters, prices, and what stands in for retired ones.

    This is the program's own list with what config.yaml says under kimi.models. Kimi is asked only with --remote.
    """
    workspace = home.find()
    config = read_config(workspace)
    read = settings.read(workspace, config.basics.settings, os.environ, Path.home())
    here = _Here(catalogue.make(config.kimi), read)
    compared = compare(here.known, _ask(workspace, config, read)) if remote else None
    if as_json:
        print_json(_as_json(here, compared))
    else:
        click.echo("\n".join(_lines(here, compared)))


def _ask(workspace: Workspace, config: Config, read: Settings) -> list[dict[str, Any]]:
    """Return what Kimi tells of its models. Raises ConfigError without a key, CallFailedError."""
    from kimi_hooks.clock import Clock  # noqa: PLC0415 - only where Kimi is asked
    from kimi_hooks.kimi.client import Client, Endpoint  # noqa: PLC0415 - as above

    key = read.get("KIMI_API_KEY")
    if not key:
        raise ConfigError(NO_KEY.format(file=workspace.secrets_file))
    kimi = config.kimi
    client = Client(connect_timeout=kimi.connect_timeout, idle_timeout=kimi.idle_timeout, clock=Clock())
    return client.models(Endpoint(read.values["KIMI_API_URL"], key))


def _as_json(here: _Here, compared: Comparison | None) -> dict[str, Any]:
    return {
        "host": host_of(here.url),
        "currency": here.currency,
        "default": {
            "model": here.default,
            "from": here.settings.origins["KIMI_MODEL"],
            "warning": here.known.about(here.default, here.url),
        },
        "retired_models": here.known.on_retired,
        "models": [_model(here, model) for model in here.known.models.values()],
        "remote": asdict(compared) if compared else None,
    }


def _model(here: _Here, model: Model) -> dict[str, Any]:
    said = {field.name: getattr(model, field.name) for field in fields(model)}
    prices = {currency: asdict(price) for currency, price in model.prices.items()}
    successor = here.known.successor(model.id)
    return {
        **said,
        "fixed": dict(model.fixed),
        "fixed_without_thinking": dict(model.fixed_without_thinking),
        "prices": prices,
        "is_retired": here.known.is_retired(model),
        "last_day": _last_day(model),
        "successor": successor.id if successor else None,
        "is_default": model.id == here.default,
    }


def _lines(here: _Here, compared: Comparison | None) -> Iterator[str]:
    live = here.known.live()
    retired = [model for model in here.known.models.values() if model not in live]
    yield from _table([HEAD, *(_row(here, model) for model in live)])
    yield ""
    yield from _legend(here)
    for model in live:
        if model.retired:
            yield from _wrapped(f"  {harmless(model.id)}: {_going(here, model)}")
    yield from _wrapped(
        f"* asked when a task names no model: {harmless(here.default)} ({here.settings.origins['KIMI_MODEL']})"
    )
    if about := here.known.about(here.default, here.url):
        yield from _wrapped(f"! {harmless(about)}")
    yield ""
    yield from _wrapped(_when_retired(here))
    yield ""
    yield from _table([("  retired", "since", "in its place"), *(_retired_row(here, model) for model in retired)])
    if compared is not None:
        yield ""
        yield from _compared(host_of(here.url), compared)


def _when_retired(here: _Here) -> str:
    done = {
        "substitute": "are replaced as below",
        "send": "are asked as they are",
        "fail": "are not asked, and the task fails",
    }
    return (
        f"Retired models {done[here.known.on_retired]} (kimi.retired_models), but only where they are surely gone: at"
        f" {' and '.join(OFFICIAL)}, and for tasks with standin: true."
    )


def _row(here: _Here, model: Model) -> tuple[str, ...]:
    price = model.prices.get(here.currency or "")
    money = [f"{amount:.2f}" for amount in (price.hit, price.miss, price.output)] if price else [NOT_KNOWN] * 3
    mark = "*" if model.id == here.default else " "
    return (
        f"{mark} {harmless(model.id)}",
        _size(model.context),
        _size(model.default_output),
        " ".join(model.reasoning_efforts or ()) or _thinking(model),
        *money,
        model.as_of or NOT_KNOWN,
    )


def _going(here: _Here, model: Model) -> str:
    successor = here.known.successor(model.id)
    follows = f"{harmless(successor.id)} follows it" if successor else "no successor is known"
    return f"its last day is {_last_day(model)}, {follows}"


def _last_day(model: Model) -> str | None:
    """Return the last day on which the official hosts have the model."""
    if model.retired is None:
        return None
    gone = date.fromisoformat(model.retired)
    return (gone - timedelta(days=1)).isoformat() if gone > date.min else model.retired


def _retired_row(here: _Here, model: Model) -> tuple[str, ...]:
    successor = here.known.successor(model.id)
    return f"  {harmless(model.id)}", model.retired or "", harmless(successor.id) if successor else NOT_KNOWN


def _size(tokens: int | None) -> str:
    return f"{tokens:,}" if tokens else NOT_KNOWN


def _thinking(model: Model) -> str:
    return "enabled disabled" if model.thinking == "switchable" else model.thinking or NOT_KNOWN


def _legend(here: _Here) -> Iterator[str]:
    yield "  window    tokens of prompt and answer together"
    yield "  cap       tokens of an answer, reasoning included, for a task without max_tokens"
    yield "  thinking  the words for reasoning_effort, or for thinking"
    if here.currency:
        yield f"  prices    for 1,000,000 tokens, in {here.currency} ({host_of(here.url)})"
    else:
        yield f"  prices    {host_of(here.url)} bills in no known currency: set kimi.currency in config.yaml"


def _compared(host: str, compared: Comparison) -> Iterator[str]:
    yield f"{host} was asked now:"
    yield from _listed("there and known", compared.known)
    yield from _listed("there, unknown here", compared.unknown)
    yield from _listed("known, not there", compared.missing)
    for window in compared.windows:
        told = f"the window of {excerpt(harmless(window.id))} is {window.there:,} there and {window.here:,} here"
        yield from _wrapped(f"  {told}; give it under kimi.models in config.yaml")
    if compared.unknown:
        yield from _wrapped(
            "  A model that is unknown here can be asked: what it costs and what fits stays open until it stands under"
            " kimi.models in config.yaml."
        )


def _listed(what: str, ids: Sequence[str]) -> Iterator[str]:
    names = ", ".join(excerpt(harmless(name)) for name in ids) or "none"
    yield from textwrap.wrap(f"  {what + ':':<21}{names}", WIDTH, subsequent_indent=" " * 23, break_on_hyphens=False)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Put the cells under each other; as plain text, it is the same in a file as on a terminal."""
    head = rows[0]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    for row in rows:
        cells = [
            cell.rjust(width) if name in NUMBERS else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()
