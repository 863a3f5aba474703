"""The power goes, at any instant of a run: what was not fsynced may be gone, and nothing is lost by it but that.

Each state is tried that the disk may be left in. A part of those that differ in what counts is handed to a new runner;
all of them, by hand:

    KIMI_HOOKS_EXAMPLES=1 scripts/test tests/power
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from kimi_hooks.standin.server import Standin
from kimi_hooks.workspace import Workspace
from tests.forking import Forks, Order
from tests.house import KEY
from tests.invariants import violations
from tests.machine import place
from tests.machine.model import PLANS, mark_in
from tests.machine.receiving import Hearer
from tests.power.a_run import TASKS
from tests.power.disk import Disk, Left
from tests.power.promises import Promises
from tests.power.recording import Op

ROOT = Path(__file__).parent.parent.parent
ALL = "KIMI_HOOKS_EXAMPLES" in os.environ
TRIED = 80


@dataclass(frozen=True)
class Cut:
    """The power went: after which step, what was left, what of the promises is broken, which tasks were dropped."""

    after: Op
    left: Left
    broken: tuple[str, ...]
    answers: frozenset[str]
    dropped: frozenset[str]


def recorded(folder: Path, package: Path = ROOT) -> list[Op]:
    """Return what a run did that was made with the product on this path."""
    (folder / "ws").mkdir(parents=True)
    environ = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{ROOT}"}
    words = [sys.executable, "-m", "tests.power.a_run", str(folder / "ws"), str(folder / "trace")]
    done = subprocess.run(words, env=environ, cwd=package, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    ops: list[Op] = pickle.loads((folder / "trace").read_bytes())
    return ops


def cuts(ops: Iterable[Op]) -> Iterator[Cut]:
    """Yield every way in which the power can go during a run."""
    disk, promises = Disk(), Promises()
    dropped: set[str] = set()
    for op in ops:
        disk.play(op)
        promises.follow(op)
        dropped |= {op.path} if op.what == "dropped" else set()
        for left in disk.left():
            broken = tuple(promises.broken(left))
            yield Cut(op, left, broken, frozenset(promises.answers), frozenset(dropped))


def different(found: Iterable[Cut], most: int | None) -> list[Cut]:
    """Return those that differ in what counts, all or so many of them, spread over the run by nothing but chance."""
    known: dict[bytes, Cut] = {}
    for cut in found:
        # Of several that look the same the one counts that has promised most.
        known[cut.left.digest + repr((sorted(cut.answers), sorted(cut.dropped))).encode()] = cut
    chosen = list(known.values())
    random.Random(0).shuffle(chosen)
    return chosen[:most]


def told_of(op: Op) -> str:
    return f"{op.what} {op.path} {op.to}".strip()


class Second:
    """A Kimi, and hooks, for the runners that are started after a power cut."""

    def __init__(self, folder: Path, forks: Forks, kimi: Standin, hearer: Hearer) -> None:
        self._folder, self._forks, self._kimi, self._hearer = folder, forks, kimi, hearer
        for mark, plan in TASKS.items():
            kimi.add(*(replace(fault, times=None) for fault in PLANS[plan].orders(mark)[-1:]))

    def wrong(self, cut: Cut) -> list[str]:
        """Start a runner on what was left, let it finish, and return what is wrong then."""
        home = self._folder / cut.left.digest.hex()
        home.mkdir()
        try:
            cut.left.lay_out(home)
            place.configure(Workspace(home), self._hearer.url)
            return list(self._wrong(Workspace(home), cut))
        finally:
            shutil.rmtree(home)

    def _wrong(self, workspace: Workspace, cut: Cut) -> Iterator[str]:
        answered = place.kept(workspace)
        before = len(self._kimi.requests)
        ended = self._forks.run(Order(str(workspace.home), ("drain",), environ=place.environ(self._kimi)))
        if ended.code:
            yield ended.told or f"the runner ended with {ended.code}"
            return
        rows = place.rows(workspace)
        marks = Counter(mark_in([row["name"]]) for row in rows)
        yield from (f"{mark} is lost" for mark in cut.dropped if not marks[mark])
        yield from (f"{mark} ran {count} times" for mark, count in marks.items() if count > 1)
        yield from (f"{row['id']} is {row['state']}" for row in rows if row["ended"] is None)
        for mark, answers in place.asked(self._kimi)[before:]:
            there = answered.get(mark, place.Kept(has_result=False, answers=0))
            if there.has_result or answers < there.answers:
                yield f"{mark}: its answer was on the disk, and was asked for again"
        yield from violations(workspace)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> list[Op]:
    """Record one run of the product as it is."""
    return recorded(tmp_path_factory.mktemp("run"))


def test_a_commit_waits_for_the_disk(run: list[Op]) -> None:
    """The journal is in the mode, with the setting, in which SQLite promises that a commit survives a power cut."""
    assert {op.path for op in run if op.what == "commit"} == {"wal 2"}


def test_what_was_relied_upon_survives_any_power_cut(run: list[Op]) -> None:
    """Results that were told of and answers that were counted are there and whole, whatever else is gone."""
    broken = dict.fromkeys(f"after {told_of(cut.after)}: {told}" for cut in cuts(run) for told in cut.broken)
    assert not broken, "\n".join(broken)


def test_the_last_good_config_is_whole_or_absent(run: list[Op]) -> None:
    """Verbs that go on with what config.yaml said last never find half of it, nor an empty file."""
    name = "spool/config-last-good.yaml"
    found = {cut.left.files[name][1] for cut in cuts(run) if name in cut.left.files}
    assert len(found) == 1
    assert yaml.safe_load(found.pop())["workspace"] == 1


def test_after_a_power_cut_each_file_has_its_one_result(run: list[Op], tmp_path: Path) -> None:
    """Whatever was left, a new runner brings each dropped file to one result, and asks for no answer that is there."""
    with Forks() as forks, Standin(keys=frozenset({KEY})) as kimi, Hearer() as hearer:
        second = Second(tmp_path, forks, kimi, hearer)
        tried = different(cuts(run), None if ALL else TRIED)
        wrong = [f"after {told_of(cut.after)}: {told}" for cut in tried for told in second.wrong(cut)]
    assert not wrong, "\n".join(wrong)
