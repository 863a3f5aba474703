"""A lost or damaged journal is made anew: no answer is asked for twice, no task is lost, and hooks are told."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kimi_hooks import cli, crash_points
from kimi_hooks.commands import Home
from kimi_hooks.crash_points import Point
from kimi_hooks.errors import KimiHooksError
from kimi_hooks.journal import facts, tasks
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from kimi_hooks.states import Outcome
from tests.house import KEY, House
from tests.invariants import violations

DONE = [f"kimi-170000000{number}-aaaaaaaa" for number in range(4)]
OPEN = [f"kimi-170000000{number}-bbbbbbbb" for number in range(3)]
SEEN, REFUSED = DONE[0], DONE[3]
TELL = '#!/bin/sh\necho "$KIMI_EVENT_ID" >> told.txt\n'


def write(house: House, operation: Callable[[Connection], object]) -> None:
    journal = Journal(house.workspace.journal_file)
    journal.write(operation)
    journal.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a workspace with ended tasks, one of them acknowledged, and open ones, one with an answer that is kept."""
    with Standin(keys=frozenset({KEY})) as kimi:
        house = House(tmp_path_factory.mktemp("template") / "ws", kimi)
        house.hook(TELL)
        for task_id in DONE:
            house.drop(f"{task_id}.md", "x" if task_id != REFUSED else "")
            house.drain()
        write(house, lambda db: facts.pause(db, facts.Pause(facts.BY_PERSON)))
        assert house.call("ack", SEEN).returncode == 0
        for task_id in OPEN:
            house.drop(f"{task_id}.md", "open")
        house.drain()
        write(house, facts.resume)
        with closing(sqlite3.connect(house.workspace.journal_file)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return house.home


@pytest.fixture
def house(house: House, template: Path) -> House:
    shutil.copytree(template, house.home, dirs_exist_ok=True)
    return house


def rebuild(house: House, *words: str) -> dict[str, Any]:
    """Run the verb in this process and return what it prints as JSON."""
    whole = ["--home", str(house.home), "fsck", "--rebuild", "--json", *words]
    finished = CliRunner().invoke(cli.group, whole, obj=Home(), env=house.environ, standalone_mode=False)
    if finished.exception is not None and not isinstance(finished.exception, SystemExit):
        raise finished.exception
    told: dict[str, Any] = json.loads(finished.stdout)
    return told


def told(house: House) -> list[str]:
    return (house.home / "told.txt").read_text().split()


def check(house: House) -> None:
    """Drain it, and see that nothing is lost and nothing was asked twice."""
    house.drain()
    assert violations(house.workspace) == []
    outcomes = {entry.id: entry.outcome for entry in house.entries()}
    assert outcomes == {**dict.fromkeys([*DONE, *OPEN], Outcome.DONE), REFUSED: Outcome.FAILED}
    assert len(house.kimi.requests) == len(OPEN)
    assert set(told(house)) >= {f"{task_id}-TaskCompleted" for task_id in [*DONE[:3], *OPEN]}
    assert house.result(SEEN)["status"] == "acknowledged"
    assert SEEN not in {entry["task_id"] for entry in house.pending()["pending"]}


def overwrite(offset: int, length: int, seed: int) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        with file.open("r+b") as opened:
            opened.seek(offset)
            opened.write(random.Random(seed).randbytes(length))

    return spoil


def make_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("/nonexistent/x")


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "header": overwrite(0, 100, 1),
    "first page": overwrite(100, 3900, 1),
    "all but the first page": overwrite(4096, 10_000_000, 1),
    "half": lambda file: os.truncate(file, file.stat().st_size // 2),
    "odd length": lambda file: os.truncate(file, file.stat().st_size - 777),
    "empty": lambda file: os.truncate(file, 0),
    "gone": Path.unlink,
    "folder": make_folder,
    "link": make_link,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_made_anew(house: House, damage: str) -> None:
    """From whatever is left of it, results/ and spool/; the old one is kept."""
    DAMAGES[damage](house.workspace.journal_file)
    rebuilt = rebuild(house)
    assert rebuilt["left"] == 0
    assert bool(rebuilt["kept"]) == (damage != "gone")
    assert all(os.path.lexists(kept) for kept in rebuilt["kept"])
    check(house)


def test_a_page_anywhere_may_be_spoilt(house: House) -> None:
    """Random bytes at twenty places: each time it is found, or does no harm."""
    chance = random.Random(20261123)
    file = house.workspace.journal_file
    whole = file.read_bytes()
    ids = {*DONE, *OPEN}
    for seed in range(20):
        for beside in file.parent.glob("journal.db*"):
            beside.unlink()
        file.write_bytes(whole)
        overwrite(chance.randrange(len(whole) - 64), 64, seed)(file)
        rebuild(house, "--force")
        assert {entry.id for entry in house.entries()} <= ids
        waiting = {path.name.partition("__")[0] for path in house.workspace.incoming.iterdir()}
        assert {entry.id for entry in house.entries()} | waiting == ids
    check(house)


def test_a_task_whose_row_is_lost_may_have_been_paid_for(house: House) -> None:
    """Its result says so, whichever call it was; one that is read from the old journal has no such warning."""
    house.workspace.journal_file.unlink()
    rebuild(house)
    assert {entry.id for entry in house.entries()} >= set(OPEN)
    house.drain()
    for task_id in OPEN:
        assert "whether this was sent before is not known" in " ".join(house.result(task_id)["warnings"])


@pytest.mark.parametrize("how", ["rebuilt", "started"])
def test_who_wants_to_be_asked_is_asked_after_a_loss_too(house: House, how: str) -> None:
    """With `retry.on_unknown: hold` a task is held whose row is lost; one for the imitation is not."""
    house.configure(retry={"on_unknown": "hold"})
    imitated = "kimi-1700000009-cccccccc"
    (house.workspace.accepted / f"{imitated}__a.json").write_text('{"prompt": "x", "standin": true}')
    if how == "rebuilt":
        house.workspace.journal_file.unlink()
        rebuild(house)
    else:
        write(house, lambda db: db.execute("DELETE FROM tasks WHERE outcome IS NULL"))
    house.drain()
    entries = {entry.id: entry for entry in house.entries()}
    assert {entries[task_id].hold_reason for task_id in OPEN} == {"unknown"}
    assert entries[imitated].outcome is Outcome.DONE
    assert len(house.kimi.requests) == 0
    assert violations(house.workspace) == []
    assert house.call("release", *OPEN).returncode == 0
    house.drain()
    assert len(house.kimi.requests) == len(OPEN)


def test_a_rebuild_tells_that_held_tasks_wait_again(house: House) -> None:
    """Also where only the rows of tasks are lost, and the rest of the journal is read."""
    write(house, lambda db: db.execute("DROP TABLE tasks"))
    finished = house.call("fsck", "--rebuild")
    assert "which tasks a person held is lost with their rows" in finished.stdout


def test_what_the_old_one_says_is_not_told_again(house: House) -> None:
    """Rows that can be read are believed: deliveries, calls, the record of runs, the pause."""
    write(house, lambda db: facts.pause(db, facts.Pause(facts.BY_PERSON)))
    before = told(house)
    runs = house.runs()
    rebuild(house, "--force")
    house.drain()
    assert told(house) == before
    assert house.runs() == runs
    assert len(house.kimi.requests) == 0
    write(house, facts.resume)
    check(house)


def test_nobody_is_told_again_of_what_was_acknowledged(house: House) -> None:
    """Of the others hooks are told once more, under the same id; with --no-old-news of none."""
    (house.home / "told.txt").unlink()
    house.workspace.journal_file.unlink()
    rebuild(house)
    check_told = [f"{task_id}-TaskCompleted" for task_id in [*DONE[1:3], *OPEN]]
    house.drain()
    assert sorted(told(house)) == sorted(check_told)
    (house.home / "told.txt").unlink()
    house.workspace.journal_file.unlink()
    rebuild(house, "--no-old-news")
    house.drain()
    assert not (house.home / "told.txt").exists()


def test_a_journal_in_order_is_left_alone(house: House) -> None:
    """Unless somebody insists."""
    with pytest.raises(KimiHooksError, match="--force"):
        rebuild(house)
    rebuild(house, "--force")
    check(house)


def test_not_under_a_runner(house: House) -> None:
    """It must be stopped first, and is named."""
    write(house, lambda db: facts.pause(db, facts.Pause(facts.BY_PERSON)))
    house.start()
    finished = house.call("fsck", "--rebuild", "--force")
    assert finished.returncode == 1
    assert "stop" in finished.stderr


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("point", ["journal.salvaged", "journal.rebuilt", "journal.put_aside", "journal.replaced"])
def test_a_death_in_the_middle_is_made_good(house: House, point: str) -> None:
    """Said again, it works; until then no runner starts on half of it."""
    DAMAGES["half"](house.workspace.journal_file)

    def die(reached: Point) -> None:
        if reached == point:
            raise _Killed

    crash_points.listen(die)
    try:
        with pytest.raises(_Killed):
            rebuild(house)
    finally:
        crash_points.listen(None)
    if point != "journal.replaced":
        with pytest.raises(KimiHooksError, match="fsck --rebuild"):
            house.drain()
        rebuild(house)
    check(house)


def kept_answer(house: House, hooks: dict[str, Any], **keys: Any) -> None:
    """Have a task stopped whose first answer is kept in spool/turns/."""
    house.configure(hooks, **keys)
    child = house.start()
    house.drop(f"{DONE[0]}.md", "a")
    folder = house.workspace.turns / DONE[0]
    while not (folder / "1.json").exists():
        assert child.poll() is None
    child.kill()
    child.wait()


@pytest.mark.parametrize("is_lost", [True, False])
def test_an_answer_that_is_kept_is_not_asked_for_again(tmp_path: Path, kimi: Standin, is_lost: bool) -> None:
    """Whether the journal was lost or is only older than the answer: the gate judges the one that is there."""
    house = House(tmp_path / "another", kimi)
    stop = {"id": "judge", "command": "[ -e go ] || sleep 60", "timeout": 60}
    kept_answer(house, {"Stop": [{"hooks": [stop]}]})
    (house.home / "go").touch()
    if is_lost:
        house.workspace.journal_file.unlink()
        rebuild(house)
    else:
        older = "UPDATE tasks SET state = 'available', turns = 0, attempts = 0, gate = NULL, taken = NULL"
        write(house, lambda db: db.execute(older))
        write(house, lambda db: db.execute("DELETE FROM sends"))
    house.drain()
    house.close()
    assert house.entry().outcome is Outcome.DONE
    assert len(house.kimi.requests) == 1
    assert violations(house.workspace) == []


def test_parts_of_an_answer_are_carried_on(tmp_path: Path, kimi: Standin) -> None:
    """Those that are kept are paid for: only the next one is asked for."""
    house = House(tmp_path / "another", kimi)
    kimi.add(Fault(text="Half an ans", finish_reason="length"), Fault("stall"))
    house.drop(f"{DONE[0]}.md", "write a long text")
    child = house.start()
    assert kimi.stalled.wait(20)
    child.kill()
    child.wait()
    first = (house.workspace.turns / DONE[0] / "1.json").read_text()
    house.workspace.journal_file.unlink()
    rebuild(house)
    house.drain()
    entry = house.read_journal(lambda db: tasks.get(db, DONE[0]))
    assert entry is not None
    assert entry.outcome is Outcome.DONE
    assert house.result(DONE[0])["output"].startswith(json.loads(first)["text"])
    assert len(kimi.requests) == 3
    assert violations(house.workspace) == []
