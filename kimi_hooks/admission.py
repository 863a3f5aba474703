"""Which of the waiting tasks may be sent now, by what they may take: tokens a minute, and the budget of the day."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from kimi_hooks import addressee, asking, limits
from kimi_hooks.clock import day_began, next_day
from kimi_hooks.config import LimitsPart
from kimi_hooks.context import Found
from kimi_hooks.errors import TaskError
from kimi_hooks.journal import facts, sends, starts, tasks
from kimi_hooks.journal.facts import Pause
from kimi_hooks.journal.sends import Send
from kimi_hooks.journal.store import Connection
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.kimi.estimate import IMAGE_TOKENS, text_tokens
from kimi_hooks.kimi.failure import CallFailedError
from kimi_hooks.parts import Parts
from kimi_hooks.task import Task

# Most of a document is layout, fonts and pictures.
_BYTES_PER_TOKEN: Mapping[str, int] = {"text": 3, "document": 30}
# What the API takes for a cap where a request names none and nothing is known of the model.
_USUAL_CAP = 32_768


@dataclass(frozen=True)
class Admitted:
    """The tasks that were started, each with its text; `too_large` could never be within the tokens of a minute.

    `held_until` is when the first of those held back for their tokens may leave, in seconds since 1970.
    """

    started: list[tuple[Entry, str]]
    too_large: list[Send]
    held_until: float | None = None


def start(parts: Parts, limit: int, late: Collection[str], *, standin: bool) -> Admitted:
    """Start up to `limit` tasks whose time has come, and record their calls in the same transaction.

    The calls of `late` tasks have still not left: their tokens count, though the window has forgotten them.
    """
    counted = parts.config.limits
    if standin or not (counted.tokens_per_minute or counted.tokens_per_day or counted.cost_per_day):
        started = parts.journal.write(partial(_start_uncounted, parts, limit, standin))
        return Admitted(started, [])
    return parts.journal.write(partial(_start_counted, parts, limit, late))


def over_budget(parts: Parts) -> Pause | None:
    """Return the pause that is due if the budget of the day is used up, None if it is not or none is set."""
    budget, now = parts.config.limits, parts.clock.now()
    if not (budget.tokens_per_day or budget.cost_per_day):
        return None
    currency = parts.catalogue.currency_of(parts.settings.current.values["KIMI_API_URL"])
    used = parts.journal.read(partial(_used, now=now, currency=currency))
    if used is None:
        return None
    if budget.tokens_per_day is not None and used.tokens >= budget.tokens_per_day:
        return _spent(f"{used.tokens:,} tokens of {budget.tokens_per_day:,} (limits.tokens_per_day)", budget, now)
    if budget.cost_per_day is not None and used.amount >= budget.cost_per_day:
        return _spent(f"{used.amount:.4f} of {budget.cost_per_day:.4f} {currency} (limits.cost_per_day)", budget, now)
    return None


def is_raised(parts: Parts, pause: Pause) -> bool:
    """Tell whether the pause is that of a budget which an edit has changed since, and which leaves room now."""
    is_budget = pause.reason == facts.BUDGET and pause.mark != _mark(parts.config.limits)
    return is_budget and over_budget(parts) is None


def too_large(parts: Parts, send: Send) -> str:
    """Say why a task can never leave within the limit, and what to do."""
    cap = send.tokens_at_most - send.prompt_guess
    return (
        f"it may take {send.tokens_at_most:,} tokens (the prompt about {send.prompt_guess:,}, the answer up to "
        f"{cap:,}), more than limits.tokens_per_minute ever lets out ({parts.config.limits.tokens_per_minute:,}); "
        "give the task a smaller max_tokens, or raise the limit in config.yaml"
    )


def _start_uncounted(parts: Parts, limit: int, standin: bool, db: Connection) -> list[tuple[Entry, str]]:
    # The clock is read inside: the transaction may have had to wait, and a call must not be dated back.
    now = parts.clock.now()
    due = starts.next_due(db, now, limit, standin=standin)
    return starts.start(db, due, [] if standin else [Send(task.id) for task in due], now)


def _start_counted(parts: Parts, limit: int, late: Collection[str], db: Connection) -> Admitted:
    now, per_minute = parts.clock.now(), parts.config.limits.tokens_per_minute
    due = starts.next_due(db, now, limit, standin=False)
    weighed = {task.seq: _weigh(parts, db, task.id) for task in due}
    if per_minute is None:
        return Admitted(starts.start(db, due, list(weighed.values()), now), [])
    heavy = [send for send in weighed.values() if send.tokens_at_most > per_minute]
    due = [task for task in due if weighed[task.seq] not in heavy]
    # A late one counts as sent now: it will be when it leaves.
    recent = sends.within(db, now - limits.WINDOW_SECONDS, now)
    recent += [(now, sends.tokens_under_way(db, task_id)) for task_id in late]
    wanted = [weighed[task.seq].tokens_at_most for task in due]
    fits = limits.fitting(sum(tokens for _, tokens in recent), wanted, per_minute)
    held = wanted[fits : fits + 1]
    started = starts.start(db, due[:fits], [weighed[task.seq] for task in due[:fits]], now)
    recent += [(now, tokens) for tokens in wanted[:fits]]
    return Admitted(started, heavy, limits.tokens_free_at(recent, held[0], per_minute, now) if held else None)


def _weigh(parts: Parts, db: Connection, task_id: str) -> Send:
    """Guess what a task's call may take: its prompt, its files, the answers so far, and the cap on the next one."""
    try:
        task = tasks.task_of(db, task_id)
    except ValueError:
        # Another version wrote the row: the worker tells of it, and nothing leaves.
        return Send(task_id)
    known = None
    with suppress(CallFailedError):
        # Of a model that is not to be asked any more the worker tells.
        known = parts.catalogue.find(addressee.resolved(parts, task).model)
    cap = task.max_tokens or (known and known.default_output) or _USUAL_CAP
    prompt = text_tokens(task.prompt) + text_tokens(task.system or "") + _files(parts, task_id, task)
    return Send(task_id, prompt, prompt + cap)


def _files(parts: Parts, task_id: str, task: Task) -> int:
    """Guess the tokens of what goes along; reading it all here would hold up the queue."""
    kept = parts.workspace.turns / task_id
    earlier = sum(file.stat().st_size for file in kept.iterdir()) if kept.is_dir() else 0
    found: list[Found] = []
    with suppress(TaskError):
        # What is wrong with them is told when the request is built.
        found = asking.context_files(parts, task)
    return earlier // _BYTES_PER_TOKEN["text"] + sum(map(_file, found))


def _file(file: Found) -> int:
    return IMAGE_TOKENS if file.kind.way == "image" else file.size // _BYTES_PER_TOKEN[file.kind.way]


def _used(db: Connection, now: float, currency: str | None) -> sends.Used | None:
    """Return what was used up today, None when a person has said that today it does not count."""
    waived = facts.value(db, facts.WAIVED)
    if waived is not None and float(waived) > now:
        return None
    return sends.used(db, day_began(now), currency)


def _spent(what: str, budget: LimitsPart, now: float) -> Pause:
    why = f"the budget of the day is used up: {what}"
    return Pause(facts.BUDGET, why, _mark(budget), until=next_day(now))


def _mark(budget: LimitsPart) -> str:
    return f"{budget.tokens_per_day} {budget.cost_per_day}"
