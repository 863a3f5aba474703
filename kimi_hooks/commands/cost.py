"""`kimi-hooks cost`: tokens and money, and what an agent that keeps asking would have spent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from kimi_hooks.clock import iso
from kimi_hooks.commands import Home, instant, json_option, print_json, require_home
from kimi_hooks.journal import bill
from kimi_hooks.journal.bill import Line, Waits
from kimi_hooks.journal.store import open_existing
from kimi_hooks.show import harmless

LONGEST_NAME = 40
ASSUMED = (
    'An agent that asks "done yet?" every {every:g} s, for {tokens:,} tokens a time, from when a task is accepted '
    "until it has ended, would have asked {times} about {these} ({hours}): {spent:,} tokens. "
    "kimi-hooks spent none on that, and woke it {woken} at most."
)
COUNTS = ("calls", "under_way", "unknown", "free", "unpriced")
TOKENS = ("prompt", "completion", "cached", "reasoning")


@click.command("cost", short_help="Add up tokens and money, by day, model, name or group.")
@click.option("--since", metavar="AGE|TIME", help="24h, 7d, or an ISO day or time. Default: everything on record.")
@click.option("--by", type=click.Choice(list(bill.PARTS)), default="day", show_default=True, help="A line for each.")
@click.option(
    "--poll-every", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Compare with an agent that asks."
)
@click.option("--poll-tokens", type=click.IntRange(min=0), metavar="N", help="What each time of asking takes.")
@json_option
@click.pass_obj
def cost_command(
    home: Home, since: str | None, by: str, poll_every: float | None, poll_tokens: int | None, as_json: bool
) -> None:
    """Add up what the calls to Kimi took, failed ones included: tokens, and money by the price list.

    With --poll-every and --poll-tokens it also tells what an agent would have spent that asks again and again.
    The imitation costs nothing and is not in it; neither is what `clean` has removed.
    """
    if (poll_every is None) != (poll_tokens is None):
        raise click.UsageError("give --poll-every and --poll-tokens together")
    workspace = home.find()
    require_home(workspace)
    began = 0.0 if since is None else instant(since)
    journal = open_existing(workspace.journal_file)
    try:
        lines = journal.read(lambda db: bill.lines(db, began, by))
        waits = journal.read(lambda db: bill.waits(db, began, poll_every)) if poll_every else None
    finally:
        journal.close()
    polling = _polling(waits, poll_every, poll_tokens)
    told = {"since": iso(began) if began else None, "by": by, "rows": list(_rows(lines)), "total": _sum(None, lines)}
    if as_json:
        print_json({**told, "polling": polling})
    else:
        _print(told)
        if polling:
            click.echo(f"\n{_assumed(polling)}")


def _rows(lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    for part in dict.fromkeys(line.part for line in lines):
        yield _sum(part, [line for line in lines if line.part == part])


def _sum(part: str | None, lines: Iterable[Line]) -> dict[str, Any]:
    """Return one row of the bill: all currencies together, each with its own amount."""
    lines = list(lines)
    counts = {name: sum(getattr(line, name) for line in lines) for name in COUNTS}
    tokens = {
        name: sum(getattr(line, name) for line in lines) for name in ("prompt", "completion", "cached", "reasoning")
    }
    amounts: dict[str, float] = {}
    for line in lines:
        if line.currency:
            amounts[line.currency] = round(amounts.get(line.currency, 0.0) + line.amount, 6)
    cost = [{"amount": amount, "currency": currency} for currency, amount in amounts.items()]
    return {
        "part": part,
        **counts,
        "tokens": {**tokens, "total": tokens["prompt"] + tokens["completion"]},
        "cost": cost,
    }


def _polling(waits: Waits | None, every: float | None, tokens: int | None) -> dict[str, Any] | None:
    if waits is None or every is None or tokens is None:
        return None
    asked = {"every": every, "tokens": tokens, "polls": waits.polls, "spent": waits.polls * tokens}
    return {**asked, "tasks": waits.tasks, "seconds": round(waits.seconds, 3)}


def _print(told: dict[str, Any]) -> None:
    rows, total = told["rows"], told["total"]
    if not rows:
        click.echo("no call to Kimi is on record" + (f" since {told['since']}" if told["since"] else ""))
        return
    table = [(told["by"], "calls", "input", "cached", "output", "cost"), *map(_cells, rows)]
    if len(rows) > 1:
        table.append(_cells({**total, "part": "all"}))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        numbers = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        click.echo("  ".join([cells[0].ljust(widths[0]), *numbers]).rstrip())
    for line in _remarks(total):
        click.echo(line)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    tokens = row["tokens"]
    cost = " + ".join(f"{cost['amount']:.4f} {cost['currency']}" for cost in row["cost"]) or "-"
    name = harmless(row["part"] or "-").replace("\n", " ")
    shown = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    counts = (row["calls"], tokens["prompt"], tokens["cached"], tokens["completion"])
    return (shown, *(f"{count:,}" for count in counts), cost)


def _remarks(total: dict[str, Any]) -> Iterator[str]:
    under_way, free, unknown, unpriced = (total[name] for name in ("under_way", "free", "unknown", "unpriced"))
    if under_way:
        yield f"{under_way} of the calls {'is' if under_way == 1 else 'are'} under way."
    if free:
        yield f"{free} of the calls cost nothing: {_they_were(free)} refused, or never left."
    if unknown:
        took = "it took" if unknown == 1 else "they took"
        cut = f"{_they_were(unknown)} cut, and may have been paid for"
        yield f"Of {_several(unknown, 'call')} nobody knows what {took}: {cut}."
    if unpriced:
        yield f"Of {_several(unpriced, 'call')} the price is not known; see: kimi-hooks models"


def _assumed(polling: dict[str, Any]) -> str:
    tasks = _several(polling["tasks"], "task")
    return ASSUMED.format(
        **{name: polling[name] for name in ("every", "tokens", "spent")},
        times=_several(polling["polls"], "time"),
        these=f"{'this' if polling['tasks'] == 1 else 'these'} {tasks}",
        hours=_hours(polling["seconds"]),
        woken=_several(polling["tasks"], "time"),
    )


def _several(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _they_were(number: int) -> str:
    return "it was" if number == 1 else "they were"


def _hours(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min of waiting in all"
