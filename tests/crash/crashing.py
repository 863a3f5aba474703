"""Let the real program die in the middle of a scenario, start it again, and see what is broken of what is promised."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from kimi_hooks import turns
from kimi_hooks.crash_points import Point
from kimi_hooks.events import PROMPT, STOP
from kimi_hooks.journal.deliveries import HookRun
from kimi_hooks.journal.schema import MIGRATIONS
from kimi_hooks.journal.store import Connection, glance
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.results import read
from kimi_hooks.states import State
from kimi_hooks.task_id import PATTERN
from tests.crash.server import DEAD
from tests.house import House
from tests.invariants import violations

SERVER = Path(__file__).with_name("server.py")
PACKAGE_LIES_IN = SERVER.parents[2]
DRAIN = ("run", "--drain")
HEARD = "heard"
KILLED = -9
# A task that failed, or cannot go on, is no trouble of the program's.
EXPECTED = frozenset({0, 1})
_AT_GATES = frozenset({"allowed", "blocked", "failed"})


@dataclass(frozen=True)
class Death:
    """Die when this point is reached for the `nth` time; None: the nth point, whatever its name."""

    point: Point | None
    nth: int = 1
    by_signal: bool = False


@dataclass(frozen=True)
class Ended:
    """How a child ended, and the points that it reached."""

    code: int
    reached: Sequence[str]

    @property
    def died(self) -> bool:
        return self.code in {DEAD, KILLED}


@dataclass(frozen=True)
class Scenario:
    """What happens in a workspace, and what must be true at its end whenever the program died.

    `steps` are commands, the last of them a runner that drains. `points` are those that it certainly reaches. `outcomes` of tasks, `calls` that each needs if nothing dies, `heard`:
    which hook must hear which event. `mend` is done after each death. The deaths `before` come first. `earlier` are those calls
    that were made before the task was run again.
    """

    set_up: Callable[[House], object]
    points: Sequence[Point]
    outcomes: Mapping[str, str]
    calls: Mapping[str, int]
    heard: frozenset[tuple[str, str]]
    steps: Sequence[Sequence[str]] = (DRAIN,)
    mend: Callable[[House], object] | None = None
    before: Sequence[Death] = ()
    earlier: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """What a death has left: calls whose answer nobody knows, each as task and attempt, and which hooks it cut."""

    unknown: frozenset[tuple[str, int]]
    cut: Counter[tuple[str, str]]


@dataclass(frozen=True)
class Played:
    """A scenario that has been played: the deaths that came, and all points that were reached."""

    scenes: Sequence[Scene]
    reached: Sequence[str]
    codes: Sequence[int]


class Server:
    """The process that forks a child for each run of the program; a context manager."""

    def __init__(self, package_lies_in: Path = PACKAGE_LIES_IN) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), str(package_lies_in)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()

    def run(self, house: House, arguments: Sequence[str], death: Death | None = None) -> Ended:
        """Run the program to its end, or to its death."""
        point, nth = (death.point, death.nth) if death else (None, 0)
        order = {"home": str(house.home), "environ": house.environ, "arguments": arguments, "point": point, "nth": nth}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({**order, "by_signal": bool(death and death.by_signal)}) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


def play(server: Server, house: House, scenario: Scenario, *deaths: Death) -> Played:
    """Play the scenario, with these deaths one after the other, and go on after each until all is at rest."""
    scenario.set_up(house)
    left, scenes, codes, reached = deque([*scenario.before, *deaths]), list[Scene](), list[int](), list[str]()
    steps = deque(scenario.steps)
    while steps:
        ended = server.run(house, steps[0], left[0] if left else None)
        reached += ended.reached
        if ended.died:
            left.popleft()
            if scenario.mend:
                scenario.mend(house)
            scenes.append(look(house))
        else:
            codes.append(ended.code)
            _count_down(left, ended.reached)
        if not ended.died or steps[0] != DRAIN:
            # Whoever gave an order may not give it again; the runner is started anew.
            steps.popleft()
    return Played(scenes, reached, codes)


def _count_down(left: deque[Death], reached: Sequence[str]) -> None:
    """Let a death come in a later step that was not reached in this one."""
    if left:
        death = left.popleft()
        passed = sum(death.point in (None, point) for point in reached)
        left.appendleft(Death(death.point, death.nth - passed, death.by_signal))


def look(house: House) -> Scene:
    """Look at what a death has left, before anything is started again; a journal to be migrated is left to that."""
    journal = house.workspace.journal_file
    if glance(journal, lambda db: db.execute("PRAGMA user_version").fetchone()[0]) != len(MIGRATIONS):
        return Scene(frozenset(), Counter())
    executing = [entry for entry in house.entries() if entry.state is State.EXECUTING]
    unknown = frozenset((entry.id, entry.attempts) for entry in executing if not _is_known(house, entry))
    return Scene(unknown, Counter(house.read_journal(_running)))


def _is_known(house: House, entry: Entry) -> bool:
    """Tell whether no call of the task is under way: its answer is on the disk, or it waits at a gate."""
    workspace = house.workspace
    has_result = read(workspace.results, entry.id) or turns.kept(workspace.turns, entry.id)
    has_turn = turns.newer(workspace.turns, entry.id, entry.turns)
    return bool(has_result or has_turn or entry.gate in {PROMPT.name, STOP.name})


def _running(db: Connection) -> list[tuple[str, str]]:
    rows = db.execute("SELECT event_id, hook_id FROM deliveries WHERE state = 'running'")
    return [(row["event_id"], row["hook_id"]) for row in rows]


def broken(house: House, scenario: Scenario, played: Played) -> list[str]:
    """Return what is broken of the promises, a line for each."""
    told = violations(house.workspace)
    told += [f"the program ended with {code}: {said(house)}" for code in played.codes if code not in EXPECTED]
    there = {entry.id: entry.outcome for entry in house.entries()}
    if there != scenario.outcomes:
        told.append(f"the tasks ended {there}, and should have ended {dict(scenario.outcomes)}")
    for task_id in scenario.outcomes:
        told += _calls_broken(house, scenario, played, task_id)
    return told + _hooks_broken(house, scenario, played)


def said(house: House) -> str:
    """Return what the children have printed."""
    file = house.home / "said"
    return file.read_text() if file.exists() else ""


def _calls_broken(house: House, scenario: Scenario, played: Played, task_id: str) -> list[str]:
    """A call is made again only if its answer is on no disk; that is counted and told."""
    result = read(house.workspace.results, task_id)
    if result is None:
        return []
    needed, crashes, told = scenario.calls.get(task_id, 0), result["crashes"], []
    made = sum(task_id in str(request.body) for request in house.kimi.requests)
    # A runner that dies before it has counted a call leaves it to the next one.
    unknown = len({call for scene in played.scenes for call in scene.unknown if call[0] == task_id})
    if crashes != unknown:
        told.append(f"{task_id}: {crashes} calls were made again, the answers of {unknown} were not known")
    last = needed - scenario.earlier.get(task_id, 0)
    if result["attempts"] - crashes != last:
        told.append(f"{task_id}: {result['attempts']} attempts with {crashes} crashes, where {last} were needed")
    if not result["standin"] and not needed <= made <= needed + crashes:
        told.append(f"{task_id}: Kimi got {made} calls, where {needed} were needed and {crashes} repeated")
    if crashes and not any("when the runner died" in warning for warning in result["warnings"]):
        told.append(f"{task_id}: no warning tells of the repeated call: {result['warnings']}")
    if (
        crashes
        and not result["standin"]
        and not any("cost are without that" in warning for warning in result["warnings"])
    ):
        told.append(f"{task_id}: nothing tells that the cost lacks a call: {result['warnings']}")
    return told


def _hooks_broken(house: House, scenario: Scenario, played: Played) -> list[str]:
    """Each (event, hook) is told once, and once more only if a death fell into that; a gate is asked as it needs."""
    heard = Counter(_heard(house))
    of_tasks = {each for each in heard if each[0].startswith("kimi-")}
    told = []
    if of_tasks != scenario.heard:
        told.append(f"hooks heard {sorted(of_tasks)}, and should have heard {sorted(scenario.heard)}")
    runs = house.runs()
    recorded = Counter((run.event_id, run.hook_id) for run in runs)
    cut = sum((scene.cut for scene in played.scenes), Counter[tuple[str, str]]())
    gates = {(run.event_id, run.hook_id) for run in runs if run.outcome in _AT_GATES}
    known = {entry.id for entry in house.entries()}
    for each, times in heard.items():
        if (found := PATTERN.match(each[0])) and found[0] not in known:
            continue
        spare = len(played.scenes) if each in gates else cut[each]
        if not recorded[each] <= times <= recorded[each] + spare:
            told.append(f"{each}: heard {times} times, on record {recorded[each]} times, cut {spare} times")
    return told + _said_twice(runs)


def _said_twice(runs: Sequence[HookRun]) -> list[str]:
    last = Counter((run.event_id, run.hook_id) for run in runs if run.outcome in {"delivered", "gave_up"})
    return [f"{each}: delivered {times} times" for each, times in last.items() if times > 1]


def _heard(house: House) -> list[tuple[str, str]]:
    file = house.home / HEARD
    lines = file.read_text().splitlines() if file.exists() else []
    return [(event_id, hook_id) for event_id, hook_id in (line.split() for line in lines)]
