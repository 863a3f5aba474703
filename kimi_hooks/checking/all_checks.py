"""All checks, in the order in which one rests on another."""

from __future__ import annotations

from kimi_hooks.checking import again, derived, endings, files, news, rows
from kimi_hooks.checking.findings import Check

CHECKS: tuple[Check, ...] = (
    files.private,
    rows.numbers,
    rows.states,
    endings.damaged,
    endings.kept,
    again.run_again,
    endings.without_row,
    endings.still_open,
    endings.disagreeing,
    files.claimed,
    files.accepted,
    files.answers,
    files.missing,
    files.refused,
    files.leftovers,
    rows.calls,
    rows.orders,
    news.lost,
    news.odd,
    news.stuck,
    news.missing,
    derived.in_step,
)
