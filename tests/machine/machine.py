"""A machine that does to a workspace whatever may happen to it, in any order, and compares it with a pure model.

To make it do more: a method with `@rule`, which changes the model as far as it must, and what has to hold then in
`_look`, after each step, or in `teardown`, at rest.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kimi_hooks.crash_points import Point
from kimi_hooks.standin.server import Standin
from tests.forking import Ended, Forks, Order
from tests.house import KEY, House
from tests.invariants import violations
from tests.machine import place
from tests.machine.model import LATER_SECONDS, PLANS, TIMEOUT_SECONDS, Dropped, Model, mark_in
from tests.machine.receiving import Hearer

# A migration comes once in the life of a workspace.
POINTS = [point.value for point in Point if point not in {Point.SCHEMA_SCRIPT, Point.SCHEMA_MIGRATED}]
DEATHS = st.tuples(st.sampled_from(POINTS), st.sampled_from((1, 1, 2)))
MAY_DIE = st.one_of(st.none(), DEATHS)
ENDINGS = ("md", "yaml", "json")
NOTHING_LEFT_AFTER = 4
Death = tuple[str, int]


@dataclass(frozen=True)
class File:
    """What is dropped: by its `plan`, under one `ending`; hooks refuse the news of it so often."""

    plan: str
    ending: str = "json"
    after: int | None = None
    key: str | None = None
    priority: int = 0
    is_later: bool = False
    failures: int = 0


FILES = st.builds(
    File,
    plan=st.sampled_from(sorted(PLANS)),
    ending=st.sampled_from(ENDINGS),
    after=st.one_of(st.none(), st.none(), st.integers(0, 5)),
    key=st.sampled_from((None, None, None, "one")),
    priority=st.integers(-1, 1),
    is_later=st.sampled_from((False, False, False, True)),
    failures=st.sampled_from((0, 0, 1, 9)),
)


class Machine(RuleBasedStateMachine):
    """One workspace, with its Kimi and its hooks. `forks` is set before it runs."""

    forks: Forks

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="kimi-hooks-machine-")
        self.kimi = Standin(keys=frozenset({KEY})).start()
        self.hearer = Hearer().__enter__()
        self.house = House(Path(self._folder.name) / "ws", self.kimi)
        self.model = Model()
        self.deaths = 0
        place.configure(self.house.workspace, self.hearer.url)

    # What may happen.

    @initialize(files=st.lists(FILES, min_size=2, max_size=4))
    def begin(self, files: list[File]) -> None:
        for file in files:
            self._drop(file)

    @rule(file=FILES)
    def drop(self, file: File) -> None:
        self._drop(file)

    @rule(words=st.sampled_from(("drain", "stop")))
    def work(self, words: str) -> None:
        """Let a runner work until it has nothing to do, or only for a moment."""
        self._work(words)

    @rule(die_at=DEATHS)
    def work_and_die(self, die_at: Death) -> None:
        """Let a runner work that dies, unless it never comes to that point."""
        self._work("drain", die_at=die_at)

    @rule(which=st.one_of(st.none(), st.integers(0, 5)), die_at=MAY_DIE)
    def acknowledge(self, which: int | None, die_at: Death | None) -> None:
        """Acknowledge one ended task, or all."""
        ids = [row["id"] for row in place.rows(self.house.workspace) if row["ended"] is not None]
        words = ["--all"] if which is None or not ids else [ids[which % len(ids)]]
        self.verb("ack", *words, die_at=die_at)

    @rule(verb=st.sampled_from(("pause", "resume", "resume")), die_at=MAY_DIE)
    def pause_or_resume(self, verb: str, die_at: Death | None) -> None:
        self.verb(verb, die_at=die_at)

    @rule(seconds=st.integers(60, 7200))
    def time_passes(self, seconds: int) -> None:
        self.model.ahead += seconds
        for dropped in self.model.dropped.values():
            dropped.may_time_out = True

    @rule(keys=st.sampled_from(({}, {"kimi": {"stream": False}}, {"limits": {"concurrency": 1}}, {"grace_seconds": 1})))
    def edit_config(self, keys: dict[str, Any]) -> None:
        place.configure(self.house.workspace, self.hearer.url, **keys)

    @rule()
    def break_config(self) -> None:
        """With a broken config no runner starts, and nothing is changed."""
        file = self.house.workspace.config_file
        whole, before = file.read_bytes(), place.rows(self.house.workspace)
        file.write_text("workspace: 1\nhooks: [")
        assert self._run("drain").code == 1
        assert place.rows(self.house.workspace) == before
        file.write_bytes(whole)

    # What must hold then.

    @invariant()
    def nothing_is_lost_or_undone(self) -> None:
        self._look()

    def teardown(self) -> None:
        try:
            self._come_to_rest()
            self._look_at_rest()
        finally:
            self.put_away()

    def put_away(self) -> None:
        """End what the machine has started, and remove its workspace."""
        self.hearer.__exit__()
        self.kimi.close()
        self._folder.cleanup()

    def _look(self) -> None:
        rows = {mark_in([row["name"]]): row for row in place.rows(self.house.workspace)}
        waiting = place.file_names(self.house.workspace)
        for mark, dropped in self.model.dropped.items():
            # Without a journal, the one that its key stands for may be a file again.
            others = [other for other in self.model.dropped if other != mark and (other in rows or other in waiting)]
            is_repeat = dropped.key is not None and any(self.model.dropped[one].key == dropped.key for one in others)
            assert mark in rows or mark in waiting or is_repeat, f"{mark} is lost"
        for mark, row in rows.items():
            if row["ended"] is not None:
                self._look_at_ended(mark, row)
            else:
                assert mark not in self.model.ended, f"{mark} had ended"

    def _look_at_ended(self, mark: str, row: dict[str, Any]) -> None:
        result = place.result(self.house.workspace, row["id"])
        said = json.dumps({key: value for key, value in result.items() if key not in {"status", "acknowledged_at"}})
        self.model.past.setdefault(mark, set()).add(result["outcome"])
        assert self.model.ended.setdefault(mark, said) == said, f"{mark}: its result is not the same any more"
        if row["acknowledged_at"] is not None:
            self.model.acknowledged.setdefault(mark, row["acknowledged_at"])
        known, now = self.model.acknowledged.get(mark), row["acknowledged_at"]
        # A result, from which a journal is made anew, tells whole seconds.
        assert known is None or (now and (known == now or int(known) == now)), f"{mark}: it was acknowledged at {known}"

    def _come_to_rest(self) -> None:
        for _ in range(NOTHING_LEFT_AFTER):
            self.verb("resume")
            held = [row["id"] for row in place.rows(self.house.workspace) if row["hold_reason"] == "person"]
            if held:
                self.verb("release", *held)
            ended = self._run("drain")
            assert ended.code == 0, ended.told
            # Tasks for later are due then, and what the clock held up.
            self.model.ahead += LATER_SECONDS + 60
            for dropped in self.model.dropped.values():
                dropped.may_time_out = True
            self._look()

    def _look_at_rest(self) -> None:
        rows = {mark_in([row["name"]]): row for row in place.rows(self.house.workspace)}
        keys = Counter(self.model.dropped[mark].key for mark in rows)
        told = Counter(said["event_id"] for said in self.hearer.told)
        for mark, dropped in self.model.dropped.items():
            if dropped.key is None or dropped.plan.is_broken:
                assert mark in rows, f"{mark} is lost"
        for mark, row in rows.items():
            assert row["ended"] is not None, f"{mark} is {row['state']}, {row['hold_reason']}"
            self._look_at_end(mark, place.result(self.house.workspace, row["id"]), told)
        for key in {dropped.key for dropped in self.model.dropped.values()} - {None}:
            assert keys[key] >= 1, f"none of the tasks with the key {key} was run"
        refused = [row["id"] for mark, row in rows.items() if self.model.dropped[mark].plan.refusals]
        broken = [told for told in violations(self.house.workspace) if not _is_refused_call(told, refused)]
        assert not broken, "\n".join(broken)

    def _look_at_end(self, mark: str, result: dict[str, Any], told: Counter[str]) -> None:
        dropped = self.model.dropped[mark]
        needed = self.model.past[dropped.after] if dropped.after else set()
        kind = result["error"]["kind"] if result["error"] else None
        assert (result["outcome"], kind) in dropped.outcomes(needed), f"{mark} ended {result['outcome']}, {kind}"
        assert result["outcome"] != "done" or result["output"] in dropped.outputs(), f"{mark}: {result['output']}"
        calls = sum(1 for asked, _ in self._asked() if asked == mark)
        assert calls <= result["attempts"] + dropped.plan.refusals + dropped.earlier_calls, (
            f"{mark}: {calls} calls, {result['attempts']} told, {dropped.earlier_calls} earlier"
        )
        counted = result["attempts"] - result["crashes"]
        assert counted <= dropped.plan.calls, f"{mark}: {counted} attempts, and it takes {dropped.plan.calls}"
        event = "TaskCompleted" if result["outcome"] == "done" else "TaskFailed"
        again = f"-{result['retried']}" if result["retried"] else ""
        runs = told[f"{result['task_id']}-{event}{again}"]
        assert 1 <= runs <= 3 + self.deaths, f"{mark}: its news was told {runs} times"

    # How it is done.

    def _drop(self, file: File) -> None:
        """Drop a file, whole; Kimi and its hooks are told what they make of it."""
        mark, others, plan = self.model.next_mark(), self.model.nameable(), PLANS[file.plan]
        after = others[file.after % len(others)] if file.after is not None and others and not plan.is_broken else None
        self.model.dropped[mark] = Dropped(mark, plan, after, None if plan.is_broken else file.key)
        self.kimi.add(*plan.orders(mark))
        self.hearer.failures[mark] = file.failures
        self.hearer.blocks[mark] = int(plan.is_judged)
        keys: dict[str, Any] = {"priority": file.priority, "timeout": TIMEOUT_SECONDS}
        keys |= {"after": [self._name(after)]} if after else {}
        keys |= {"dedupe_key": file.key} if file.key and not plan.is_broken else {}
        keys |= {"not_before": LATER_SECONDS} if file.is_later else {}
        keys |= {"no_such_key": 1} if plan.is_broken else {}
        self.house.drop(f"{self._name(mark)}.{file.ending}", _content(file.ending, keys, f"{mark} what is it?"))

    def _work(self, words: str, die_at: Death | None = None) -> None:
        """Let a runner work, and look at what Kimi was asked then."""
        was_paused, kept, before = (
            place.is_paused(self.house.workspace),
            place.kept(self.house.workspace),
            self._asked(),
        )
        ended = self._run(words, die_at=die_at)
        assert ended.has_died or ended.code == 0, ended.told or f"it ended with {ended.code}"
        news = self._asked()[len(before) :]
        assert not was_paused or not news, f"the queue is paused, and Kimi was asked for {news}"
        for mark, answers in news:
            there = kept.get(mark, place.Kept(has_result=False, answers=0))
            assert not there.has_result, f"{mark}: its result was on the disk, and Kimi was asked again"
            assert answers >= there.answers, (
                f"{mark}: of {there.answers} characters of answers {answers} were carried on"
            )

    def _name(self, mark: str) -> str:
        """Return the name of a task, as its file's stem says it."""
        return f"{mark} it's judged" if self.model.dropped[mark].plan.is_judged else f"{mark} it's $(new)"

    def _asked(self) -> list[tuple[str, int]]:
        return place.asked(self.kimi)

    def verb(self, *words: str, die_at: Death | None = None, codes: Collection[int] = (0,)) -> Ended:
        ended = self._run(*words, die_at=die_at)
        assert ended.has_died or ended.code in codes, ended.told or f"{words}: {ended.code}"
        return ended

    def _run(self, *words: str, die_at: Death | None = None) -> Ended:
        home = str(self.house.home)
        ended = self.forks.run(Order(home, words, die_at, self.model.ahead, place.environ(self.kimi)))
        self.deaths += ended.has_died
        return ended


def _is_refused_call(told: str, refused: Sequence[str]) -> bool:
    """A call that was refused for a reason of the queue's is on record, and none of the task's attempts."""
    return told.partition(":")[0] in refused and told.endswith("calls on record")


def _content(ending: str, keys: dict[str, Any], prompt: str) -> str:
    if ending == "md":
        lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in keys.items())
        return f"---\n{lines}---\n{prompt}\n"
    # JSON is YAML as well.
    return json.dumps({**keys, "prompt": prompt})
