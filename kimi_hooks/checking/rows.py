"""The journal by itself: rows that contradict themselves, calls and orders that lead nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from kimi_hooks.checking.findings import Case, Finding
from kimi_hooks.journal import checks

JOURNAL = "spool/journal.db"


def whole(case: Case) -> Iterator[Finding]:
    """SQLite's own check; what is wrong with an index only is put right by making it anew."""
    wrong = case.parts.journal.read(checks.integrity)
    if not wrong:
        return
    what = "; ".join(wrong[:3])
    if all("index" in line for line in wrong):
        reindex = partial(case.parts.journal.write, checks.reindex)
        yield Finding(JOURNAL, what, "the indexes are made anew", reindex)
    else:
        yield Finding(JOURNAL, what, "make a new one from what is left: kimi-hooks fsck --rebuild --force")


def numbers(case: Case) -> Iterator[Finding]:
    """Where a number belongs, there is one."""
    for table, column, count in case.parts.journal.read(checks.no_numbers):
        put = partial(checks.put_number, table=table, column=column, now=case.now)
        what = f"{column} is no number in {count:,} rows of {table}"
        yield Finding(JOURNAL, what, "put right", partial(case.parts.journal.write, put))


def states(case: Case) -> Iterator[Finding]:
    """State, reason to be held, gate, outcome and end of a task agree."""
    for row in case.parts.journal.read(checks.task_rows):
        wrong = checks.contradictions(row, case.now)
        if wrong:
            what = ", ".join(f"{name} is {row[name]!r}" for name in wrong)
            put_right = partial(checks.put_right, task_id=row["id"], values=wrong)
            yield _finding(case, row["id"], f"it is {row['state']}, and {what}", "put right", put_right)


def calls(case: Case) -> Iterator[Finding]:
    """No call is under way of a task that is not being answered."""
    for task_id in case.parts.journal.read(checks.open_sends):
        what = "a call is under way on record, and none is"
        close = partial(checks.close_sends, task_id=task_id)
        yield _finding(case, task_id, what, "counted as over; what it took is not known", close)


def orders(case: Case) -> Iterator[Finding]:
    """A task that comes after others names them, and they are there."""
    for row in case.parts.journal.read(checks.without_needs):
        refs = _refs(row["spec"])
        if refs:
            need = partial(checks.need, task_id=row["id"], refs=refs)
            yield _finding(case, row["id"], "it comes after others, and nothing says after which", "put right", need)
    for row in case.parts.journal.read(checks.waiting_for_nobody):
        what = f"it comes after {row['ref']!r}, which is not known any more, so it would wait for ever"
        remedy = f"let it go on with: kimi-hooks release {row['id']}; or end it with: kimi-hooks cancel {row['id']}"
        yield Finding(f"{JOURNAL}, {row['id']}", what, remedy)


def _refs(spec: str) -> list[str]:
    try:
        told = json.loads(spec).get("after") or []
    except (ValueError, AttributeError):
        return []
    return [str(ref) for ref in told]


def _finding(case: Case, task_id: str, what: str, remedy: str, mend: Any) -> Finding:
    return Finding(f"{JOURNAL}, {task_id}", what, remedy, partial(case.parts.journal.write, mend))
