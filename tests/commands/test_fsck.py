"""`fsck`: what the table of states forbids is found, told with its place, and put right; a second time there is nothing."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kimi_hooks import cli, turns
from kimi_hooks.commands import Home
from kimi_hooks.journal import facts
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from kimi_hooks.states import State
from tests.house import KEY, House
from tests.invariants import violations

DONE, OPEN = "kimi-1700000000-aaaaaaaa", "kimi-1700000001-bbbbbbbb"
ROW = f"id = '{DONE}'"
OPEN_ROW = f"id = '{OPEN}'"
NEWS = "UPDATE deliveries SET state = 'behind'"


def call(house: House, *words: str) -> Result:
    """Run the verb in this process."""
    whole = ["--home", str(house.home), "fsck", *words]
    return CliRunner().invoke(cli.group, whole, obj=Home(), env=house.environ, standalone_mode=False)


def fsck(house: House, *words: str) -> dict[str, Any]:
    finished = call(house, "--json", *words)
    assert finished.exception is None or isinstance(finished.exception, SystemExit), finished.exception
    told: dict[str, Any] = json.loads(finished.stdout)
    return told


def change(statement: str) -> Callable[[House], None]:
    return lambda house: write(house, lambda db: db.execute(statement))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a workspace in which one task has ended and its hook was told; another one waits, for the queue is paused."""
    with Standin(keys=frozenset({KEY})) as kimi:
        house = House(tmp_path_factory.mktemp("template") / "ws", kimi)
        house.hook('#!/bin/sh\necho "$KIMI_EVENT_ID" >> told.txt\n')
        house.drop(f"{DONE}.md", "a")
        house.drain()
        write(house, lambda db: facts.pause(db, facts.Pause(facts.BY_PERSON)))
        house.drop(f"{OPEN}.md", "b")
        house.drain()
    return house.home


@pytest.fixture
def answered(house: House, template: Path) -> House:
    shutil.copytree(template, house.home, dirs_exist_ok=True)
    return house


def write(house: House, operation: Callable[[Connection], object]) -> None:
    journal = Journal(house.workspace.journal_file)
    journal.write(operation)
    journal.close()


def remove_result(house: House) -> None:
    house.workspace.result_file(DONE).unlink()


def result_of_nobody(house: House) -> None:
    result = {**house.result(DONE), "task_id": "kimi-1700000009-zzzzzzzz"}
    house.workspace.result_file("kimi-1700000009-zzzzzzzz").write_text(json.dumps(result))


def kept_result_of_nobody(house: House) -> None:
    turns.keep(house.workspace.turns, {**house.result(DONE), "task_id": "kimi-1700000009-zzzzzzzz"})


def result_of_an_open_task(house: House) -> None:
    result = {**house.result(DONE), "task_id": OPEN}
    house.workspace.result_file(OPEN).write_text(json.dumps(result))


def half_a_result(house: House) -> None:
    house.workspace.result_file("kimi-1700000009-zzzzzzzz").write_text('{"task_id": "kimi-17')


def strange_file_accepted(house: House) -> None:
    (house.workspace.accepted / "notes.md").write_text("x")


def strange_file_claimed(house: House) -> None:
    (house.workspace.incoming / "notes__a.md").write_text("x")


def lost_accepted_file(house: House) -> None:
    for file in house.workspace.accepted.iterdir():
        file.unlink()


def claimed_again(house: House) -> None:
    (house.workspace.incoming / f"{DONE}__a.md").write_text("a")


def answers_of_nobody(house: House) -> None:
    (house.workspace.turns / "kimi-1700000009-zzzzzzzz").mkdir()


def refused_without_reason(house: House) -> None:
    (house.workspace.rejected / "kimi-1700000009-zzzzzzzz__a.md").write_text("a")


def open_to_others(house: House) -> None:
    house.workspace.spool.chmod(0o755)
    house.workspace.secrets_file.chmod(0o644)


def old_pending(house: House) -> None:
    (house.workspace.results / "pending-wake.json").write_text('{"pending": [], "more": 0}')


def forgotten(house: House) -> None:
    change(f"DELETE FROM tasks WHERE {OPEN_ROW}")(house)


CASES: dict[str, tuple[Callable[[House], None], str]] = {
    "completed without an outcome": (change(f"UPDATE tasks SET outcome = NULL WHERE {ROW}"), "outcome is None"),
    "completed and held": (change(f"UPDATE tasks SET hold_reason = 'person' WHERE {ROW}"), "hold_reason"),
    "failed with the outcome done": (change(f"UPDATE tasks SET state = 'failed' WHERE {ROW}"), "outcome is 'done'"),
    "completed without a number": (change(f"UPDATE tasks SET ended = NULL WHERE {ROW}"), "ended is None"),
    "ended at a gate": (change(f"UPDATE tasks SET gate = 'Stop' WHERE {ROW}"), "gate"),
    "a state that is none": (change(f"UPDATE tasks SET state = 'lost' WHERE {ROW}"), "it is lost"),
    "waiting, and ended": (change(f"UPDATE tasks SET state = 'available' WHERE {ROW}"), "outcome is 'done'"),
    "to be tried again, and ended": (change(f"UPDATE tasks SET state = 'retryable' WHERE {ROW}"), "has a result"),
    "ended with no right number": (change(f"UPDATE tasks SET ended = 0 WHERE {ROW}"), "ended is 0"),
    "ended with a word for a number": (change(f"UPDATE tasks SET ended = 'x' WHERE {ROW}"), "ended is no number"),
    "ended at no instant": (change(f"UPDATE tasks SET completed_at = 'x' WHERE {ROW}"), "completed_at is no number"),
    "a number of attempts that is none": (change(f"UPDATE tasks SET attempts = 'x' WHERE {ROW}"), "attempts is no number"),
    "a call at no instant": (change("UPDATE sends SET sent_at = 'x'"), "sent_at is no number"),
    "news at no instant": (change("UPDATE deliveries SET due_at = 'x'"), "due_at is no number"),
    "taken what cannot be": (change(f"UPDATE tasks SET taken = '[]' WHERE {OPEN_ROW}"), "taken is '[]'"),
    "acknowledged before it ended": (change(f"UPDATE tasks SET acknowledged_at = 1 WHERE {OPEN_ROW}"), "acknowledged_at is 1"),
    "held for nothing": (change(f"UPDATE tasks SET state = 'held' WHERE {OPEN_ROW}"), "hold_reason is None"),
    "waiting and held": (change(f"UPDATE tasks SET hold_reason = 'after' WHERE {OPEN_ROW}"), "hold_reason"),
    "warnings that are none": (change(f"UPDATE tasks SET warnings = '{{' WHERE {ROW}"), "warnings"),
    "another outcome than the result": (change(f"UPDATE tasks SET state = 'failed', outcome = 'timeout' WHERE {ROW}"), "outcome is 'done' there"),
    "acknowledged in the journal only": (change(f"UPDATE tasks SET acknowledged_at = 1 WHERE {ROW}"), "acknowledged"),
    "news of nobody": (change("UPDATE deliveries SET task_id = 'kimi-1700000009-zzzzzzzz'"), "not there"),
    "news behind nothing": (change(NEWS), "waits for nothing"),
    "news in no state": (change("UPDATE deliveries SET state = 'odd'"), "no word"),
    "no news": (change("DELETE FROM deliveries"), "nothing says that it was told"),
    "an open call": (change("UPDATE sends SET ended_at = NULL"), "a call is under way"),
    "a row that is gone": (forgotten, "the journal does not know"),
    "a result without a row": (result_of_nobody, "the journal does not know"),
    "a kept result without a row": (kept_result_of_nobody, "not in results/"),
    "a result of an open task": (result_of_an_open_task, "has a result"),
    "half a result": (half_a_result, "no JSON"),
    "another file among the accepted": (strange_file_accepted, "no task's file"),
    "another file among the claimed": (strange_file_claimed, "no task's file"),
    "an accepted file that is gone": (lost_accepted_file, "it is gone"),
    "a claimed file of an ended task": (claimed_again, "has ended"),
    "answers of nobody": (answers_of_nobody, "nothing tells of its task"),
    "a refused file without a reason": (refused_without_reason, "reason is gone"),
    "open to others": (open_to_others, "others may look"),
    "an old list of what is pending": (old_pending, "not in step"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_found_told_and_put_right(answered: House, case: str) -> None:
    """With --dry-run only told; afterwards nothing is wrong, and the runner brings all to its end."""
    house = answered
    spoil, words = CASES[case]
    spoil(house)
    looked = fsck(house, "--dry-run")
    assert words in " ".join(found["what"] for found in looked["findings"])
    assert looked["left"] == len(looked["findings"])
    assert fsck(house)["left"] == 0
    assert fsck(house)["findings"] == []
    write(house, facts.resume)
    change("UPDATE tasks SET state = 'available', hold_reason = NULL WHERE hold_reason = 'person'")(house)
    house.drain()
    found = [line for line in violations(house.workspace) if "reason" not in line and case != "an open call"]
    assert found == []
    assert len(house.kimi.requests) <= 2


def test_what_is_in_order_is_left_alone(answered: House) -> None:
    """Also what a crash may leave, which the next start settles; exit code 0."""
    house = answered
    before = {path: path.stat().st_mtime_ns for path in house.home.rglob("*") if path.is_file() and path.parent.name != "spool"}  # fmt: skip
    assert fsck(house) == {"only_looked": False, "findings": [], "left": 0}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    write(house, facts.resume)
    house.kimi.add(Fault("stall"))
    child = house.start()
    assert house.kimi.stalled.wait(20)
    child.kill()
    child.wait()
    assert fsck(house)["findings"] == []


def test_an_answer_that_is_lost_is_told(answered: House) -> None:
    """Nothing can mend it: exit code 1, and what to do."""
    house = answered
    remove_result(house)
    finished = house.call("fsck")
    assert finished.returncode == 1
    assert f"{DONE}: its answer is lost" in finished.stdout
    assert "kimi-hooks retry" in finished.stdout
    assert house.call("ack", DONE).returncode == 0
    assert house.call("fsck").returncode == 0


def test_a_missing_result_that_was_kept_is_put_where_it_belongs(answered: House) -> None:
    """The row has ended; the copy in turns/ tells how."""
    house = answered
    result = house.result(DONE)
    remove_result(house)
    turns.keep(house.workspace.turns, result)
    assert fsck(house)["left"] == 0
    assert house.result(DONE) == result


def test_while_a_runner_works_it_only_looks(answered: House) -> None:
    """And says how to mend."""
    house = answered
    half_a_result(house)
    house.start()
    finished = house.call("fsck")
    assert finished.returncode == 1
    assert "only looked" in finished.stderr
    assert "stop" in finished.stderr
    assert house.workspace.result_file("kimi-1700000009-zzzzzzzz").exists()


def test_nothing_is_deleted_that_somebody_could_miss(answered: House) -> None:
    """It lies in spool/damaged/, with a note."""
    house = answered
    half_a_result(house)
    half_a_result(house)
    fsck(house)
    (note,) = (house.workspace.spool / "damaged").glob("*.note.txt")
    assert "no JSON" in note.read_text()
    assert note.with_name(note.name.removesuffix(".note.txt")).read_text().startswith('{"task_id"')


NO_RESULTS: list[dict[str, Any]] = [{"attempts": 10**30}, {"attempts": -1}, {"retried": "x"}, {"retried": None}, {"crashes": 1.5}, {"acknowledged_at": "x"}, {"completed_at": 5}, {"cost": 5}, {"cost": {"amount": "x"}}, {"warnings": [5]}, {"tokens": {}}, {"model": ...}]  # fmt: skip


@pytest.mark.parametrize("wrong", NO_RESULTS, ids=str)
@pytest.mark.parametrize("row", ["there", "gone"])
def test_what_is_no_result_ends_nothing(answered: House, wrong: dict[str, Any], row: str) -> None:
    """It is put aside, row or not, and its answer counts as lost: what reads results could not read it."""
    house = answered
    told = {name: value for name, value in {**house.result(DONE), **wrong}.items() if value is not ...}
    house.workspace.result_file(DONE).write_text(json.dumps(told))
    if row == "gone":
        change(f"DELETE FROM tasks WHERE {ROW}")(house)
    found = " ".join(one["what"] for one in fsck(house)["findings"])
    assert "it is no result of this task" in found
    assert (house.workspace.spool / "damaged" / f"{DONE}.json").exists()
    left = [one["what"] for one in fsck(house)["findings"]]
    assert ["its answer is lost" in one for one in left] == ([True] if row == "there" else [])


def test_a_row_that_says_what_cannot_be_is_no_bug(answered: House) -> None:
    """Exit code 1 with the remedy, until fsck has mended it."""
    house = answered
    change(f"UPDATE tasks SET outcome = 'odd' WHERE {ROW}")(house)
    finished = house.call("show", DONE)
    assert finished.returncode == 1
    assert "kimi-hooks fsck" in finished.stderr
    assert fsck(house)["left"] == 0
    assert house.call("show", DONE).returncode == 0


def test_modes_are_mended(house: House) -> None:
    """0700 and 0600."""
    open_to_others(house)
    fsck(house)
    assert stat.S_IMODE(house.workspace.spool.stat().st_mode) == 0o700
    assert stat.S_IMODE(house.workspace.secrets_file.stat().st_mode) == 0o600


def test_a_task_after_one_that_is_gone_is_told(answered: House) -> None:
    """It would wait for ever; only a person can know what to do."""
    house = answered
    house.drop("later.json", {"prompt": "x", "after": [DONE, OPEN]})
    house.drain()
    change(f"DELETE FROM tasks WHERE {OPEN_ROW}")(house)
    shutil.rmtree(house.workspace.accepted)
    told = fsck(house)
    assert "would wait for ever" in " ".join(found["what"] for found in told["findings"])
    assert [entry.state for entry in house.entries() if entry.hold_reason == "after"] == [State.HELD]


def test_what_it_comes_after_is_read_again(answered: House) -> None:
    """The text of the task still names it."""
    house = answered
    house.drop("later.json", {"prompt": "x", "after": [OPEN]})
    house.drain()
    change("DELETE FROM needs")(house)
    assert fsck(house)["left"] == 0
    assert house.read_journal(lambda db: db.execute("SELECT ref FROM needs").fetchone()[0]) == OPEN


def test_one_row_is_not_told_as_several(house: House) -> None:
    """What was read of the old journal, and what was put right once."""
    house.drop("a.md", "a")
    house.drain()
    told = house.call("fsck", "--rebuild", "--force").stdout
    assert "tasks 1" in told
    assert "1 tasks" not in told
    assert "1 times:" not in told
