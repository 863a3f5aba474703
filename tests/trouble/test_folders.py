"""Folders that go while the runner works: what is missing is made again, and what is dropped meanwhile is taken."""

from __future__ import annotations

import os
import shutil

import pytest

from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome
from tests.house import House, until
from tests.trouble.places import ID, as_somebody, give, told, until_told

OTHER = "kimi-1700000000-bbbbbbbb"


@pytest.mark.parametrize(
    "folder",
    ["outbox", "results", "hooks", "spool/turns", "spool/incoming", "spool/accepted", "spool/bell", "spool/logs",
     "spool/hook-runs", "spool/transcripts", "spool/rejected", "spool/extracts"],
)  # fmt: skip
def test_any_folder_may_be_removed(house: House, folder: str) -> None:
    """While a call is under way: the answer is put away, the next task is taken, no restart is needed."""
    house.kimi.add(Fault(latency=0.3))
    with house.running():
        house.drop(f"{ID}.md", "x")
        assert house.kimi.wait_for(1)
        shutil.rmtree(house.home / folder)
        (entry,) = house.wait(ID)
        assert entry.outcome is Outcome.DONE
        house.workspace.make_folders()
        house.drop(f"{OTHER}.md", "x")
        (entry,) = house.wait(OTHER)
    assert entry.outcome is Outcome.DONE
    assert len(house.kimi.requests) == 2
    assert house.result(OTHER)["outcome"] == "done"


@pytest.mark.parametrize("with_what", ["file", "dangling link"])
def test_results_replaced(house: House, with_what: str) -> None:
    """By something that is no folder: it is said what is in the way, and the answer is kept until it is gone."""
    results = house.workspace.results
    house.kimi.add(Fault(latency=0.5))
    house.start()
    house.drop(f"{ID}.md", "x")
    assert house.kimi.wait_for(1)
    results.rename(house.home / "away")
    if with_what == "file":
        results.write_text("in the way")
        until_told(house, "something else is there where a folder belongs; move it away")
    else:
        results.symlink_to(house.home / "nowhere")
        until_told(house, str(results))
    results.unlink()
    (house.home / "away").rename(results)
    house.workspace.ring()
    (entry,) = house.wait(ID)
    assert (entry.outcome, len(house.kimi.requests)) == (Outcome.DONE, 1)
    assert "Traceback" not in house.log


def test_an_outbox_replaced_by_a_link(house: House) -> None:
    """Files that lie behind the link are taken, without any further ring, and those that come later are."""
    far, outbox = house.home.with_name("far"), house.workspace.outbox
    far.mkdir()
    (far / f"{ID}.md").write_text("x")
    house.start()
    outbox.rename(house.home / "away")
    outbox.symlink_to(far)
    (entry,) = house.wait(ID)
    assert entry.outcome is Outcome.DONE
    house.drop(f"{OTHER}.md", "x")
    house.wait(OTHER)
    assert os.path.islink(outbox)


def test_an_outbox_that_is_away_for_a_while(house: House) -> None:
    """Renamed and back, with files dropped in between in both."""
    away, outbox = house.home / "away", house.workspace.outbox
    house.start()
    outbox.rename(away)
    (away / f"{ID}.md").write_text("x")
    until(outbox.is_dir)
    house.drop(f"{OTHER}.md", "x")
    house.wait(OTHER)
    outbox.rmdir()
    away.rename(outbox)
    house.wait(ID)


def test_rights_that_are_taken_away(open_house: House) -> None:
    """From results/ and outbox/: it is said whose turn it is, the rest goes on, and so does all when they are back."""
    open_house.kimi.add(Fault(latency=0.7))
    open_house.start(within=as_somebody(open_house))
    give(open_house, ID)
    assert open_house.kimi.wait_for(1)
    open_house.workspace.outbox.chmod(0)
    open_house.workspace.results.chmod(0o500)
    until_told(open_house, "permission denied; see whose it is")
    open_house.workspace.results.chmod(0o755)
    until(open_house.workspace.result_file(ID).exists)
    open_house.workspace.outbox.chmod(0o755)
    give(open_house, OTHER)
    until(open_house.workspace.result_file(OTHER).exists)
    assert len(open_house.kimi.requests) == 2
    assert told(open_house, "tried again every") <= 3
    assert "Traceback" not in open_house.log


def test_a_file_whose_move_was_refused_is_taken_when_it_may_be(open_house: House) -> None:
    """The right that was missing is the folder's: nothing about the file itself has to change."""
    open_house.start(within=as_somebody(open_house))
    open_house.workspace.outbox.chmod(0o555)
    give(open_house, ID)
    until_told(open_house, "cannot be taken and stays there")
    open_house.workspace.outbox.chmod(0o755)
    open_house.workspace.ring()
    until(open_house.workspace.result_file(ID).exists)


def test_config_that_cannot_be_read_for_a_moment(house: House) -> None:
    """What it said before counts."""
    house.start()
    away = house.workspace.config_file.rename(house.home / "away.yaml")
    house.drop(f"{ID}.md", "x")
    house.wait(ID)
    away.rename(house.workspace.config_file)
    house.drop(f"{OTHER}.md", "x")
    house.wait(OTHER)
