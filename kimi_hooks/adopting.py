"""Answers that lie on the disk, and of which the journal does not know: it was lost, or its newest part was.

Without this, they would be asked for, and paid for, once more.
"""

from __future__ import annotations

from functools import partial

from kimi_hooks import turns
from kimi_hooks.journal import restoring, tasks
from kimi_hooks.logs import LOGGER
from kimi_hooks.parts import Parts
from kimi_hooks.states import State


def adopt(parts: Parts) -> None:
    """Let open tasks have the answers that are kept of them, as if the last one had come just now."""
    for folder in parts.workspace.turns.iterdir():
        entry = parts.journal.read(partial(tasks.get, task_id=folder.name))
        if entry is None or tasks.is_ended(entry) or entry.state is State.EXECUTING:
            continue
        result = turns.kept(parts.workspace.turns, entry.id, entry.retried)
        answers = [] if result else turns.all_of(parts.workspace.turns, entry.id, entry.retried)
        # Each answer has taken a call: with fewer than that, the row is older than what lies here.
        calls = int(result["attempts"]) if result else len(answers)
        if entry.attempts < calls:
            LOGGER.warning("%s: an answer is on the disk of which the journal did not know", entry.id)
            again = partial(restoring.adopt, entry=entry, answers=answers, calls=calls, now=parts.clock.now())
            parts.journal.write(again)
