"""What hooks are owed: of tasks that are there, in states that there are, and nothing that waits for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from kimi_hooks import events, owing, results
from kimi_hooks.checking.findings import Case, Finding
from kimi_hooks.hooks import engine
from kimi_hooks.journal import checks, lanes
from kimi_hooks.states import ENDED

NOT_AGAIN = "nothing says whether this was told before the journal was made anew; it is not told again"
LOST_RUN = "the record of this run was lost with the old journal"


def lost(case: Case) -> Iterator[Finding]:
    """No hook is owed news of a task that is not there."""
    for row in case.parts.journal.read(checks.lost_deliveries):
        remove = partial(checks.remove_delivery, seq=row["seq"])
        mend = partial(case.parts.journal.write, remove)
        yield Finding(_place(row["event_id"], row["hook_id"]), "its task is not there", "removed", mend)


def odd(case: Case) -> Iterator[Finding]:
    """Every delivery is in a state that there is."""
    for row in case.parts.journal.read(checks.odd_deliveries):
        again = partial(checks.owe_again, seq=row["seq"], now=case.now)
        mend = partial(case.parts.journal.write, again)
        yield Finding(_place(row["event_id"], row["hook_id"]), "its state is no word", "delivered again", mend)


def stuck(case: Case) -> Iterator[Finding]:
    """What waits for another delivery waits for one that is open."""
    for row in case.parts.journal.read(lanes.stuck):
        again = partial(checks.owe_again, seq=row["seq"], now=case.now)
        mend = partial(case.parts.journal.write, again)
        yield Finding(_place(row["event_id"], row["hook_id"]), "it waits for nothing", "delivered now", mend)


def missing(case: Case) -> Iterator[Finding]:
    """Hooks are told of each task that nobody has acknowledged, if they wanted to be when it ended."""
    if case.owes_all is False:
        return
    config = case.parts.newest_config
    edited_at = case.parts.workspace.config_file.stat().st_mtime
    for row in case.parts.journal.read(checks.task_rows):
        is_known = case.owes_all or (row["completed_at"] or 0.0) > edited_at
        if row["state"] not in ENDED or row["acknowledged_at"] is not None or not is_known:
            continue
        result = results.read(case.parts.workspace.results, row["id"])
        if result is None:
            continue
        event = events.of_result(result)
        for owed in engine.owed(config, event):
            has = partial(checks.has_delivery, event_id=event.event_id, hook_id=owed.hook_id)
            if not case.parts.journal.read(has):
                owe = partial(owing.owe, config=config, event=event, now=case.now)
                mend = partial(case.parts.journal.write, owe)
                yield Finding(_place(event.event_id, owed.hook_id), "nothing says that it was told", "owed now", mend)


def keep_records(case: Case) -> None:
    """Say in a new journal of which news nothing was known, and that it is not told again; nobody is to wonder."""
    config, journal = case.parts.newest_config, case.parts.journal
    for row in journal.read(checks.task_rows):
        result = results.read(case.parts.workspace.results, row["id"]) if row["state"] in ENDED else None
        if result is not None:
            owed = engine.owed(config, events.of_result(result))
            journal.write(partial(checks.give_up, deliveries=owed, why=NOT_AGAIN, now=case.now))
    journal.write(partial(checks.complete_runs, why=LOST_RUN, now=case.now))


def _place(event_id: str, hook_id: str) -> str:
    return f"spool/journal.db, {event_id} to {hook_id}"
