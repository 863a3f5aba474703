"""The proof that the crash tests find what they are for: programs with a fault on purpose are found out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.crashing import Death, Server, broken, play
from tests.crash.mutants import MUTANTS, Mutant, missing, mutated
from tests.crash.scenarios import SCENARIOS
from tests.house import House

Fresh = Callable[[], House]


def test_mutants_are_in_step_with_the_code() -> None:
    """What a mutant changes stands in the code exactly once."""
    assert list(missing()) == []


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found_out(server: Server, fresh: Fresh, tmp_path: Path, name: str) -> None:
    """The faulty program breaks a promise at a death at which the right one does not."""
    mutant = MUTANTS[name]
    with Server(mutated(mutant, tmp_path / "mutant")) as faulty:
        shown = [death for death in mutant.deaths if _told(faulty, fresh(), mutant, death)][:1]
    assert shown
    assert _told(server, fresh(), mutant, *shown) == []


def _told(server: Server, house: House, mutant: Mutant, death: Death) -> list[str]:
    scenario = SCENARIOS[mutant.scenario]
    return broken(house, scenario, play(server, house, scenario, death))
