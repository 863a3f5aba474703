"""What must hold after a storm, judged from the files, the journal and what the imitation has heard."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kimi_hooks.workspace import Workspace
from tests import invariants
from tests.soak.kinds import Dropped

MANY = 10


@dataclass(frozen=True)
class Call:
    """One request that the imitation has heard: `turn` counts the answers before it, `life` is the model asked for."""

    task: str
    turn: int
    life: str
    at: float


@dataclass(frozen=True)
class Line:
    """What a hook wrote when it ran: `launcher` is the process that started it, one for each life of the runner."""

    task_id: str
    hook: str
    launcher: str
    how: str


@dataclass(frozen=True)
class Evidence:
    """What a storm has left; `seen` are the results as they were first, `drained` is how the last life ended."""

    workspace: Workspace
    tasks: Sequence[Dropped]
    calls: Sequence[Call]
    lines: Sequence[Line]
    seen: Mapping[str, bytes]
    kills: int
    kills_early: int
    kills_at_work: int
    drained: int
    seconds: float

    @cached_property
    def results(self) -> dict[str, dict[str, Any]]:
        """The results by the names of their tasks."""
        found = [json.loads(file.read_bytes()) for file in self.workspace.results.glob("kimi-*.json")]
        return {result["task_name"]: result for result in found}

    @cached_property
    def owed(self) -> dict[str, dict[str, str]]:
        """The state of each delivery, by task id and hook."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        with closing(sqlite3.connect(self.workspace.journal_file)) as db:
            for task_id, hook, state in db.execute("SELECT task_id, hook_id, state FROM deliveries"):
                found[task_id][hook] = state
        return found


@dataclass(frozen=True)
class Verdict:
    """`figures` are for reading; every line of `breaches` is a promise that was broken."""

    figures: Mapping[str, object]
    breaches: Sequence[str] = field(default_factory=list)

    def table(self) -> str:
        lines = [f"{name:52} {value:>10}" for name, value in self.figures.items()]
        told = [f"BROKEN: {breach}" for breach in self.breaches[:MANY]]
        more = [f"and {len(self.breaches) - MANY} more"] if len(self.breaches) > MANY else []
        return "\n".join([*lines, *(told or ["every promise was kept"]), *more])


def judge(found: Evidence) -> Verdict:
    """Look for every promise that was broken, and count what may be counted."""
    groups = {
        "tasks that ended otherwise than they must": list(_endings(found)),
        "results lost, overwritten or of another task": list(_results(found)),
        "calls that no kill explains": list(_calls(found)),
        "calls made again though the answer was on the disk": list(_late_calls(found)),
        "deliveries missing": list(_missing_news(found)),
        "hook runs that neither kill nor failure explains": list(_repeated_news(found)),
        "invariants broken": [*invariants.violations(found.workspace), *_left(found)],
    }
    figures = {**_figures(found), **{name: len(breaches) for name, breaches in groups.items()}}
    return Verdict(figures, [breach for breaches in groups.values() for breach in breaches])


def _figures(found: Evidence) -> dict[str, object]:
    results = found.results.values()
    spoilt = sum(task.kind.faults for task in found.tasks)
    needed = sum(task.kind.turns for task in found.tasks if task.kind.is_asked) + spoilt
    failing = sum(line.how == "fails" for line in found.lines)
    owed = sum(map(len, found.owed.values()))
    return {
        "tasks dropped": len(found.tasks),
        "kills": found.kills,
        "  of them while the runner was starting": found.kills_early,
        "  of them with tasks open": found.kills_at_work,
        "results": len(found.results),
        "calls that were needed, spoilt ones included": needed,
        "calls made": len(found.calls),
        "  of them made again because of a kill": len(found.calls) - needed,
        "calls with unknown answers, told in the results": sum(result["crashes"] for result in results),
        "deliveries owed": owed,
        "hook runs": len(found.lines),
        "  of them failed on purpose": failing,
        "  of them run again because of a kill": len(found.lines) - failing - owed,
        "seconds": f"{found.seconds:.0f}",
    }


def _endings(found: Evidence) -> Iterator[str]:
    for task in found.tasks:
        result = found.results.get(task.name)
        if result is None:
            yield f"{task.name}: has no result"
            continue
        kind = (result["error"] or {}).get("kind")
        if (result["outcome"], kind) != (task.kind.outcome, task.kind.error_kind):
            yield f"{task.name}: ended {result['outcome']}, {result['error']}"
        elif result["outcome"] == "done" and result["turns"] != task.kind.turns:
            yield f"{task.name}: has {result['turns']} turns"


def _results(found: Evidence) -> Iterator[str]:
    files = {file.name: file for file in found.workspace.results.glob("kimi-*.json")}
    if len(files) != len(found.tasks):
        yield f"there are {len(files)} results for {len(found.tasks)} tasks"
    for name, first in found.seen.items():
        if name not in files or files[name].read_bytes() != first:
            yield f"{name}: is not what it was when it was first seen"
    for name, result in found.results.items():
        if result["outcome"] == "done" and f" {name}" not in result["output"].replace('"', " "):
            yield f"{name}: has the answer of another task: {result['output'][:200]!r}"


def _by_turn(found: Evidence) -> dict[tuple[str, int], list[Call]]:
    calls: dict[tuple[str, int], list[Call]] = defaultdict(list)
    for call in found.calls:
        calls[call.task, call.turn].append(call)
    return calls


def _calls(found: Evidence) -> Iterator[str]:
    """In one life, a turn is asked for once, and again only after an answer that was spoilt."""
    faults = {task.name: task.kind.faults for task in found.tasks}
    repeated: Counter[str] = Counter()
    for (name, turn), calls in _by_turn(found).items():
        spoilt = faults[name] if turn == 0 else 0
        repeated[name] += len(calls) - 1 - spoilt
        for life, count in Counter(call.life for call in calls).items():
            if count > 1 + spoilt:
                yield f"{name}: turn {turn} was asked for {count} times in {life}"
    for name, count in repeated.items():
        told = found.results.get(name, {}).get("crashes", 0)
        if count > told:
            yield f"{name}: {count} calls were repeated, and its result tells of {told}"


def _late_calls(found: Evidence) -> Iterator[str]:
    last = {key: max(call.at for call in calls) for key, calls in _by_turn(found).items()}
    first = {key: min(call.at for call in calls) for key, calls in _by_turn(found).items()}
    for (name, turn), at in last.items():
        result = found.results.get(name)
        if result is not None and at > found.workspace.result_file(result["task_id"]).stat().st_mtime:
            yield f"{name}: was asked for after its result was written"
        if (name, turn + 1) in first and at > first[name, turn + 1]:
            yield f"{name}: turn {turn} was asked for after turn {turn + 1}"


def _missing_news(found: Evidence) -> Iterator[str]:
    told = {(line.task_id, line.hook) for line in found.lines if line.how == "ok"}
    for name, result in found.results.items():
        for hook in ("tell", "flaky") if result["outcome"] == "done" else ("tell",):
            state = found.owed.get(result["task_id"], {}).get(hook)
            if state != "delivered" or (result["task_id"], hook) not in told:
                yield f"{name}: {hook} was not told; the journal calls its delivery {state}"


def _repeated_news(found: Evidence) -> Iterator[str]:
    """In one life, a hook runs once for an event, and again only after it failed."""
    runs: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for line in found.lines:
        runs[line.task_id, line.hook, line.launcher].append(line.how)
    for (task_id, hook, launcher), how in runs.items():
        if how.count("ok") > 1 or how.count("fails") > 1:
            yield f"{task_id}: {hook} ran {how} in the life of launcher {launcher}"


def _left(found: Evidence) -> Iterator[str]:
    if found.drained not in (0, 1):
        yield f"the last life ended with exit code {found.drained}"
    left = [file.name for file in found.workspace.outbox.iterdir() if not file.name.startswith(".")]
    if left:
        yield f"outbox/ still holds {len(left)} files: {left[:3]}"
