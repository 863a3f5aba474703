"""Whatever happens to a workspace, in any order and with deaths anywhere: nothing is lost, doubled or undone.

The same examples each time. More of them, others each time, by hand:

    KIMI_HOOKS_EXAMPLES=2000 scripts/test tests/machine

What it finds it prints as the steps that lead there, as few as it can.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.forking import Forks
from tests.machine.machine import File, Machine
from tests.machine.steered import Steered
from tests.mutants import Mutant

EXAMPLES = int(os.environ.get("KIMI_HOOKS_EXAMPLES", "0"))
STEPS = 12
FEW = settings(max_examples=25, derandomize=True, database=None)
MANY = settings(max_examples=EXAMPLES or 1, derandomize=False, print_blob=True)
ALL = settings(
    MANY if EXAMPLES else FEW,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink) if EXAMPLES else (Phase.generate,),
)


def test_whatever_happens_nothing_is_lost_doubled_or_undone() -> None:
    """After any steps and deaths, each file has one result, as Kimi answered; no answer on the disk is asked for."""
    with Forks() as forks:
        Machine.forks = forks
        run_state_machine_as_test(Steered, settings=ALL)


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """Return a machine with a mutant of the product."""
    with Forks(request.param.lay_out(tmp_path)) as forks:
        Machine.forks = forks
        made = Machine()
        yield made
        made.put_away()


FORGETFUL = Mutant(
    "answers that were kept are forgotten",
    (("turns.py", "return _turn(turns, task_id, count + 1, retried)", "return None"),),
)
ONCE_MORE = Mutant(
    "a second acknowledgement counts",
    (("journal/acks.py", 'ended IS NOT NULL AND acknowledged_at IS NULL",', 'ended IS NOT NULL",'),),
)


@pytest.mark.parametrize("machine", [FORGETFUL], indirect=True)
def test_the_machine_sees_a_call_that_was_not_needed(machine: Machine) -> None:
    """Where an answer that is on the disk is asked for again, the machine says so."""
    machine.begin([File("cut")])
    machine.work_and_die(("turn.written", 1))
    with pytest.raises(AssertionError, match="of 16 characters of answers 0 were carried on"):
        machine.work("drain")


@pytest.mark.parametrize("machine", [ONCE_MORE], indirect=True)
def test_the_machine_sees_what_is_undone(machine: Machine) -> None:
    """Where an acknowledgement is made anew, the machine says so."""
    machine.begin([File("answered")])
    machine.work("drain")
    machine.acknowledge(0, None)
    machine.nothing_is_lost_or_undone()
    machine.acknowledge(0, None)
    with pytest.raises(AssertionError, match="it was acknowledged at"):
        machine.nothing_is_lost_or_undone()
