"""Too many open files, no more processes: it is said, nothing is lost, nothing spins, and it goes on by itself."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from kimi_hooks.states import Outcome
from tests.house import House, until
from tests.trouble.places import ID, as_somebody, give, launcher_of, limit, limit_somebody, told, until_told

OTHER = "kimi-1700000000-bbbbbbbb"


def _open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.parametrize("left", [0, 1, 3])
def test_too_many_open_files(house: House, left: int) -> None:
    """Files wait, the log tells it with the remedy, in few lines, and all are answered when there are some again."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    child = house.start()
    house.drop("first.md", "x")
    until(lambda: len(list(house.workspace.results.glob("kimi-*"))) == 1)
    # The first task has opened what stays open.
    limit(child.pid, resource.RLIMIT_NOFILE, _open_files(child.pid) + left)
    for number in range(5):
        house.drop(f"kimi-1700000000-aaaaaaa{number}.md", "x")
    for _ in range(20):
        house.workspace.ring()
    if left == 0:
        until_told(house, "too many open files; raise the limit (ulimit -n")
    limit(child.pid, resource.RLIMIT_NOFILE, None)
    house.workspace.ring()
    entries = house.wait(*(f"kimi-1700000000-aaaaaaa{number}" for number in range(5)))
    assert {entry.outcome for entry in entries} == {Outcome.DONE}
    assert told(house, "tried again every") <= 3
    assert "Traceback" not in house.log


def test_a_hook_that_cannot_be_started_for_want_of_files(house: House) -> None:
    """Its news is told later, and the want does not count as one of its tries; it is said once."""
    house.hook('#!/bin/sh\necho "$KIMI_TASK_ID" >> told.txt\n', retries=0)
    child = house.start()
    launcher = launcher_of(house, child.pid)
    limit(launcher, resource.RLIMIT_NOFILE, 4)
    house.drop(f"{ID}.md", "x")
    house.wait(ID)
    until_told(house, "could not be run just now")
    limit(launcher, resource.RLIMIT_NOFILE, None)
    until(lambda: ID in (house.home / "told.txt").read_text())
    until(lambda: [run.outcome for run in house.runs()] == ["delivered", "delivered"])
    assert "Traceback" not in house.log


def test_a_launcher_that_the_kernel_killed(house: House) -> None:
    """As when memory is short: there is another one, and the news is told."""
    house.hook('#!/bin/sh\necho "$KIMI_TASK_ID" >> told.txt\n')
    child = house.start()
    os.kill(launcher_of(house, child.pid), signal.SIGKILL)
    house.drop(f"{ID}.md", "x")
    until(lambda: ID in (house.home / "told.txt").read_text())


def test_no_more_threads(open_house: House) -> None:
    """Tasks wait, the runner says why with the remedy, and goes on when they may be started."""
    child = open_house.start(within=as_somebody(open_house))
    limit_somebody(open_house, child.pid, 1)
    give(open_house, ID)
    until_told(open_house, "no more processes or threads may be started; raise the limit (ulimit -u")
    give(open_house, OTHER)
    until(lambda: len(open_house.entries()) == 2)
    limit_somebody(open_house, child.pid, None)
    open_house.workspace.ring()
    entries = open_house.wait(ID, OTHER)
    assert {entry.outcome for entry in entries} == {Outcome.DONE}
    assert len(open_house.kimi.requests) == 2
    assert "Traceback" not in open_house.log
