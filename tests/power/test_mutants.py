"""Each fsync is there for a power cut that we can show: without it, one of the promises is broken."""

from __future__ import annotations

from itertools import dropwhile, takewhile
from pathlib import Path

import pytest

from kimi_hooks.standin.server import Standin
from tests.forking import Forks
from tests.house import KEY
from tests.machine.receiving import Hearer
from tests.mutants import Mutant
from tests.power.recording import Op
from tests.power.test_power import Cut, Second, cuts, different, recorded

_CARRIED = "        # Else a power cut could leave the file here as it was, beside its copy.\n"
_SYNC_IN, _SYNC_OUT = (
    "                atomic.sync_folder(self._incoming)\n",
    "                atomic.sync_folder(self._folder)\n",
)

# Seen without another run: something is gone that was relied upon.
OF_PROMISES = (
    Mutant("no fsync of files", (("atomic.py", "        if synced:\n            os.fsync(fd)\n", ""),)),
    Mutant("no fsync of their folder", (("atomic.py", "    if synced:\n        sync_folder(path.parent)\n", ""),)),
    Mutant(
        "no fsync of the folder in which that of a task's answers was made",
        (
            ("turns.py", "    atomic.sync_folder(turns)\n", ""),
            ("atomic.py", "        sync_folder(path.parent.parent)\n", ""),
        ),
    ),
    Mutant("folders of the workspace are not fsynced", (("workspace.py", "atomic.sync_folder(parent)", "pass"),)),
)
# Seen when the next runner has taken what was left.
OF_CLAIMS = (
    Mutant("claims are not fsynced", (("outbox/folder.py", _SYNC_IN + _SYNC_OUT, ""),)),
    Mutant("they are, in the wrong order", (("outbox/folder.py", _SYNC_IN + _SYNC_OUT, _SYNC_OUT + _SYNC_IN),)),
    Mutant(
        "a file of another file system is not gone for certain before its copy is there",
        (("outbox/folder.py", f"{_CARRIED}        atomic.sync_folder(self._folder)\n", ""),),
    ),
    Mutant(
        "a claimed file keeps its old name",
        (("outbox/folder.py", "        self._remove_second_names([claim.path for claim in claims])\n", ""),),
    ),
)


def _while_claimed(ops: list[Op]) -> list[Cut]:
    """Return the power cuts between the first claim and the first call."""
    until_sent = takewhile(lambda op: op.path != "send.marked", ops)
    all_of_them = dropwhile(lambda cut: not cut.after.path.startswith("spool/lock"), cuts(until_sent))
    return different(all_of_them, None)


@pytest.mark.parametrize("mutant", OF_PROMISES, ids=lambda mutant: mutant.name)
def test_what_is_not_fsynced_is_missed(mutant: Mutant, tmp_path: Path) -> None:
    """Without this fsync there is a power cut after which something is gone that was relied upon."""
    run = recorded(tmp_path / "run", mutant.lay_out(tmp_path / "mutant"))
    assert any(cut.broken for cut in cuts(run))


@pytest.mark.parametrize("mutant", OF_CLAIMS, ids=lambda mutant: mutant.name)
def test_a_file_that_was_not_claimed_well_is_lost_or_runs_twice(mutant: Mutant, tmp_path: Path) -> None:
    """With this mistake there is a power cut after which a file has no result, or two."""
    package = mutant.lay_out(tmp_path / "mutant")
    run = recorded(tmp_path / "run", package)
    with Forks(package) as forks, Standin(keys=frozenset({KEY})) as kimi, Hearer() as hearer:
        second = Second(tmp_path, forks, kimi, hearer)
        assert any(second.wrong(cut) for cut in _while_claimed(run))
