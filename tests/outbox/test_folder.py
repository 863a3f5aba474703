"""Completeness and claiming: nothing half, nothing twice, nothing lost on the way."""

from __future__ import annotations

import os
import resource
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kimi_hooks.clock import Clock
from kimi_hooks.outbox.folder import Claim, Outbox
from kimi_hooks.task_id import is_id


@dataclass
class Hands:
    """A clock that is moved by hand."""

    at: float = 1000.0

    def clock(self) -> Clock:
        return Clock(now=lambda: self.at, monotonic=lambda: self.at)


@dataclass
class Slot:
    """An outbox, its folders and its clock."""

    folder: Path
    incoming: Path
    hands: Hands = field(default_factory=Hands)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.incoming.mkdir()
        self.outbox = Outbox(self.folder, self.incoming, self.hands.clock(), 0.5)

    def taken(self) -> list[str]:
        """Take what is complete; return the names."""
        return [made.file_name for made in claim(self, self.outbox.arrived())]


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return Slot(tmp_path / "outbox", tmp_path / "incoming")


def claim(slot: Slot, names: list[str]) -> list[Claim]:
    return slot.outbox.claim(names, lambda _: False)


def test_a_file_that_nobody_writes_is_complete_at_once(slot: Slot) -> None:
    """No waiting for stillness where the kernel can tell."""
    (slot.folder / "a.md").write_text("a")
    assert slot.taken() == ["a.md"]
    assert slot.outbox.seconds_to_look() is None


def test_a_file_that_is_held_open_is_not_complete(slot: Slot) -> None:
    """Until its writer closes it, however still it is."""
    with (slot.folder / "a.md").open("w") as file:
        file.write("a")
        file.flush()
        slot.hands.at += 3600
        assert slot.taken() == []
        assert slot.outbox.seconds_to_look() is None
    assert slot.taken() == ["a.md"]


def test_a_file_that_is_opened_after_it_was_listed_is_not_complete(slot: Slot) -> None:
    """What counts is the moment of taking it."""
    (slot.folder / "a.md").write_text("a")
    names = slot.outbox.arrived()
    with (slot.folder / "a.md").open("a"):
        assert claim(slot, names) == []
    assert slot.taken() == ["a.md"]


def test_a_file_that_was_empty_and_is_written_is_waited_for_by_its_closing_alone(slot: Slot) -> None:
    """Nothing looks at it every half second while its writer takes an hour."""
    with (slot.folder / "a.md").open("w") as file:
        assert slot.taken() == []
        assert slot.outbox.seconds_to_look() == 0.5
        file.write("a")
        file.flush()
        assert slot.taken() == []
        assert slot.outbox.seconds_to_look() is None


def test_an_empty_file_must_be_still_for_a_moment(slot: Slot) -> None:
    """Many writers make the file first and write later; the moment is a known instant."""
    (slot.folder / "a.md").touch()
    assert slot.taken() == []
    assert slot.outbox.seconds_to_look() == 0.5
    slot.hands.at += 0.3
    assert slot.taken() == []
    assert slot.outbox.seconds_to_look() == pytest.approx(0.2)
    slot.hands.at += 0.2
    assert slot.taken() == ["a.md"]
    assert slot.outbox.seconds_to_look() is None


def test_an_empty_file_that_changes_is_waited_for_anew(slot: Slot) -> None:
    """Stillness counts from the last change."""
    path = slot.folder / "a.md"
    path.touch()
    assert slot.taken() == []
    slot.hands.at += 0.4
    os.utime(path, (1, 1))
    assert slot.taken() == []
    slot.hands.at += 0.4
    assert slot.taken() == []
    slot.hands.at += 0.1
    assert slot.taken() == ["a.md"]


def test_files_come_in_the_order_of_their_arrival(slot: Slot) -> None:
    """By time, then by name."""
    for number, name in enumerate(["c.md", "a.md", "b.md"]):
        (slot.folder / name).write_text("x")
        os.utime(slot.folder / name, (number, number))
    assert slot.taken() == ["c.md", "a.md", "b.md"]


def test_a_claim_carries_the_id_and_the_name(slot: Slot) -> None:
    """`<id>__<name>` in incoming, and nothing in the outbox."""
    (slot.folder / "a b.md").write_text("x")
    (made,) = claim(slot, ["a b.md"])
    assert is_id(made.task_id)
    assert made.path.name == f"{made.task_id}__a b.md"
    assert made.path.read_text() == "x"
    assert list(slot.folder.iterdir()) == []


def test_two_files_of_one_id_do_not_share_it(slot: Slot) -> None:
    """The first keeps it."""
    for ending in ("json", "md"):
        (slot.folder / f"kimi-1-aaaaaaaa.{ending}").write_text("x")
    ids = [made.task_id for made in claim(slot, ["kimi-1-aaaaaaaa.json", "kimi-1-aaaaaaaa.md"])]
    assert ids[0] == "kimi-1-aaaaaaaa"
    assert ids[1] != ids[0]


def test_a_long_name_is_cut_at_a_character(slot: Slot) -> None:
    """180 bytes, whole characters, the ending kept."""
    name = "長" * 80 + ".md"
    (slot.folder / name).write_text("x")
    (made,) = claim(slot, [name])
    kept = made.path.name.partition("__")[2]
    assert len(kept.encode()) <= 180
    assert kept.endswith("長.md")
    assert made.file_name == name


def test_a_file_that_vanishes_is_no_error(slot: Slot) -> None:
    """Its owner may take it back until it is claimed."""
    (slot.folder / "b.md").write_text("x")
    assert [made.file_name for made in claim(slot, ["gone.md", "b.md"])] == ["b.md"]


def test_many_claimers_share_the_files(slot: Slot) -> None:
    """Eight threads, three hundred files: each file once."""
    for number in range(300):
        (slot.folder / f"{number}.md").write_text(str(number))
    claims: list[Claim] = []
    names = slot.outbox.arrived()
    threads = [threading.Thread(target=lambda: claims.extend(claim(slot, names))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made.file_name for made in claims) == sorted(names)


@pytest.mark.skipif(
    not Path("/dev/shm").is_dir() or os.stat("/dev/shm").st_dev == os.stat("/tmp").st_dev, reason="one file system only"
)
def test_an_outbox_on_another_file_system(tmp_path: Path) -> None:
    """Claimed by a rename in place, carried over whole; a crash in between is finished at the next start."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as remote:
        slot = Slot(Path(remote) / "outbox", tmp_path / "incoming")
        (slot.folder / "a.md").write_text("a")
        (made,) = claim(slot, ["a.md"])
        assert made.path.read_text() == "a"
        assert list(slot.folder.iterdir()) == []
        (slot.folder / f".claimed-{made.task_id}__a.md").write_text("a")
        (slot.folder / ".claimed-kimi-1-bbbbbbbb__b.md").write_text("b")
        found = {claim.task_id: claim.path.read_text() for claim in slot.outbox.claimed_before()}
        assert found == {made.task_id: "a", "kimi-1-bbbbbbbb": "b"}
        assert list(slot.folder.iterdir()) == []


@pytest.mark.parametrize("instead", [None, "x"])
def test_what_is_not_there_to_take_files_into_is_named(slot: Slot, instead: str | None) -> None:
    """Not the file, with which nothing is wrong."""
    (slot.folder / "a.md").write_text("a")
    slot.incoming.rmdir()
    if instead:
        slot.incoming.write_text(instead)
    with pytest.raises(OSError, match="incoming") as caught:
        slot.taken()
    assert caught.value.filename == str(slot.incoming)


def test_half_a_copy_is_no_claimed_file(tmp_path: Path) -> None:
    """A full disk cuts a file on its way between file systems: what has arrived is removed, and never taken for a task."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        slot = Slot(Path(elsewhere) / "outbox", tmp_path / "incoming")
        if slot.folder.stat().st_dev == slot.incoming.stat().st_dev:
            pytest.skip("needs two file systems")
        (slot.folder / "kimi-1700000000-aaaaaaaa.md").write_text("x" * 10_000)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                slot.taken()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert list(slot.incoming.iterdir()) == []
        assert slot.taken() == ["kimi-1700000000-aaaaaaaa.md"]


def test_only_files_with_an_id_are_claimed_ones(slot: Slot) -> None:
    """A copy that a kill has cut waits to be tidied away; what somebody else put there is left alone."""
    (slot.incoming / ".tmp-kimi-1700000000-aaaaaaaa__a.md").write_text("half of it")
    (slot.incoming / "mine__a.md").write_text("x")
    assert slot.outbox.claimed_before() == []


def test_a_claim_into_a_folder_that_is_gone_is_trouble_and_no_vanished_file(slot: Slot) -> None:
    """Taken for the file's own going, it would leave the file in the outbox with nobody to come back for it."""
    (slot.folder / "a.md").write_text("a")
    slot.incoming.rmdir()
    with pytest.raises(FileNotFoundError):
        claim(slot, ["a.md"])
    slot.incoming.mkdir()
    assert [taken.file_name for taken in claim(slot, ["a.md"])] == ["a.md"]


def test_a_claimed_file_that_a_power_cut_left_with_both_names_is_taken_once(slot: Slot) -> None:
    """Recovery removes the old name of the very file that was claimed under it, and of no other."""
    (slot.folder / "a.md").write_text("a")
    (made,) = claim(slot, ["a.md"])
    os.link(made.path, slot.folder / "a.md")
    os.link(made.path, slot.folder / "b.md")
    (slot.folder / "c.md").write_text("a")
    assert [found.path for found in slot.outbox.claimed_before()] == [made.path]
    assert sorted(path.name for path in slot.folder.iterdir()) == ["b.md", "c.md"]
