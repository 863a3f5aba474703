"""`clean`: what is old goes, what anybody needs stays, and a death in the middle does no harm."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from click.testing import CliRunner

from kimi_hooks import cli, crash_points
from kimi_hooks.commands import Home
from kimi_hooks.crash_points import Point
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.states import Outcome
from tests.house import House
from tests.invariants import violations

IDS = [f"kimi-170000000{number}-aaaaaaaa" for number in range(5)]
CALLED = "#!/bin/sh\nexit 0\n"


def clean(house: House, *arguments: str) -> dict[str, Any]:
    """Run the verb in this process and return what it prints as JSON."""
    words = ["--home", str(house.home), "clean", "--older-than", "0s", "--json", *arguments]
    finished = CliRunner().invoke(cli.group, words, obj=Home(), env=house.environ, catch_exceptions=False)
    told: dict[str, Any] = json.loads(finished.stdout)
    return told


def answer(house: House, *ids: str) -> None:
    for task_id in ids:
        house.drop(f"{task_id}.md", task_id)
        house.drain()


def count(house: House, table: str) -> int:
    return int(house.read_journal(lambda db: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]))


def write(house: House, statement: str, *values: object) -> None:
    def operation(db: Connection) -> None:
        db.execute(statement, values)

    journal = Journal(house.workspace.journal_file)
    journal.write(operation)
    journal.close()


def _counts(told: dict[str, Any]) -> dict[str, int]:
    return {kind: files["count"] for kind, files in told["files"].items()}


def test_ended_tasks_go_with_all_that_is_theirs(house: House) -> None:
    """But the last one; calls of the last day stay, since they count for the limits."""
    house.hook(CALLED)
    answer(house, *IDS)
    told = clean(house)
    assert told["tasks"] == told["files"]["results"]["count"] == 4
    assert [entry.id for entry in house.entries()] == [IDS[4]]
    assert sorted(path.stem for path in house.workspace.results.glob("kimi-*")) == [IDS[4]]
    assert (count(house, "deliveries"), count(house, "hook_runs"), count(house, "sends")) == (1, 1, 5)
    assert violations(house.workspace) == []


def test_a_dry_run_says_the_same_and_changes_nothing(house: House) -> None:
    """Files, rows and the tasks that nobody had acknowledged."""
    house.hook(CALLED)
    answer(house, *IDS)
    (house.workspace.rejected / "old.md").write_text("x")
    assert house.call("ack", IDS[0]).returncode == 0
    before = sorted(house.home.rglob("*"))
    expected = clean(house, "--dry-run")
    assert sorted(house.home.rglob("*")) == before
    assert len(house.entries()) == 5
    told = clean(house)
    assert told["unacknowledged"] == 3
    # The acknowledgement makes a result longer before it goes.
    known = {"before": None, "bytes": None, "dry_run": True, "journal_shrunk_bytes": 0}
    assert {**told, **known, "files": _counts(told)} == {**expected, **known, "files": _counts(expected)}


def test_a_second_time_there_is_nothing_to_do(house: House) -> None:
    """What was removed is not counted again."""
    answer(house, *IDS[:2])
    clean(house)
    told = clean(house)
    assert (told["tasks"], told["files"], told["rows"]) == (0, {}, {})


def test_what_is_needed_stays(house: House) -> None:
    """News still owed, tasks that open ones come after by id or by name, and what is too young."""
    answer(house, *IDS[:4])
    assert house.call("pause").returncode == 0
    house.drop("later.json", {"prompt": "x", "after": [IDS[0], "named"]})
    write(house, "UPDATE tasks SET name = 'named' WHERE id = ?", IDS[1])
    write(house, "UPDATE tasks SET completed_at = completed_at + 3600 WHERE id = ?", IDS[2])
    house.drain()
    assert clean(house)["tasks"] == 0
    assert {entry.id for entry in house.entries()} > set(IDS[:4])


def test_news_that_is_owed_keeps_its_task(house: House) -> None:
    """The hook still wants to read the result."""
    house.hook("#!/bin/sh\nexit 1\n", retries=50)
    house.configure({"TaskCompleted": [{"hooks": [{"id": "h", "command": "exit 1", "retries": 50}]}]}, retry={"first_pause": 600, "max_pause": 600})  # fmt: skip
    with house.running():
        house.drop(f"{IDS[0]}.md", "x")
        house.wait(IDS[0])
        house.drop(f"{IDS[1]}.md", "x")
        house.wait(IDS[1])
    assert clean(house)["tasks"] == 0


def test_the_pending_list_forgets_them_first(house: House) -> None:
    """Also while a runner works: what is listed there has its file."""
    answer(house, *IDS)
    house.start()
    clean(house)
    assert [entry["task_id"] for entry in house.pending()["pending"]] == [IDS[4]]
    assert house.latest()["task_id"] == IDS[4]
    house.drop("kimi-1700000009-aaaaaaaa.md", "x")
    (entry,) = house.wait("kimi-1700000009-aaaaaaaa")
    assert entry.outcome is Outcome.DONE
    assert house.call("stop").returncode == 0
    house.drain()
    assert violations(house.workspace) == []


def test_reuse_does_not_find_what_was_removed(house: House) -> None:
    """Kimi is asked again."""
    for name in ("first.json", "last.json"):
        house.drop(name, {"prompt": name[:4], "reuse": True})
        house.drain()
    clean(house)
    house.drop("again.json", {"prompt": "firs", "reuse": True})
    house.drain()
    assert len(house.kimi.requests) == 3


def test_old_files_go_by_their_age(house: House) -> None:
    """Refused files with their reasons, what hooks have left, texts of documents, half-written files."""
    house.drop("bad.md", "")
    house.drain()
    answer(house, IDS[0])
    workspace = house.workspace
    old = [workspace.hook_runs / "a" / "stdout", workspace.extracts / "b" / "c.txt", workspace.spool / ".tmp-1"]
    for file in [*old, workspace.hook_runs / "young"]:
        file.parent.mkdir(exist_ok=True)
        file.write_text("x")
    for file in [*old, workspace.hook_runs / "a"]:
        os.utime(file, (0, 0))
    told = clean(house)
    assert _counts(told) == {
        "results": 1, "rejected": 2, "hook_runs": 1, "extracts": 1, "leftovers": 1}  # fmt: skip
    assert [file for file in old if file.exists()] == []
    assert (workspace.hook_runs / "young").exists()


class _Killed(BaseException):
    pass


POINTS = [Point.VERB_RECORDED, Point.ACK_WRITTEN, Point.PENDING_WRITTEN, Point.CLEAN_FILES, Point.CLEAN_ROWS,
          Point.CLEAN_REST, Point.CLEAN_LEFTOVERS]  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
def test_a_death_in_the_middle_is_made_good(house: House, point: Point) -> None:
    """A runner in between tells nobody again; the next time finishes it."""
    house.hook('#!/bin/sh\necho "$KIMI_TASK_ID" >> told.txt\n')
    answer(house, *IDS)

    def die(reached: Point) -> None:
        if reached is point:
            raise _Killed

    crash_points.listen(die)
    try:
        with pytest.raises(_Killed):
            clean(house)
    finally:
        crash_points.listen(None)
    house.drain()
    clean(house)
    house.drain()
    assert [entry.id for entry in house.entries()] == [IDS[4]]
    assert (house.home / "told.txt").read_text().split() == IDS
    assert violations(house.workspace) == []


def test_a_span_of_time_must_be_one(house: House) -> None:
    """Exit code 2, and what a span looks like."""
    finished = house.call("clean", "--older-than", "soon")
    assert finished.returncode == 2
    assert "30m, 24h or 7d" in finished.stderr


def test_the_journal_gets_smaller(house: House) -> None:
    """Without a runner, where much of it is free."""
    answer(house, *IDS[:2])
    write(house, "UPDATE tasks SET warnings = json_array(hex(zeroblob(400000))) WHERE id = ?", IDS[0])
    assert clean(house)["journal_shrunk_bytes"] > 400_000
    assert violations(house.workspace) == []


@pytest.mark.parametrize("age", ["30", "0", "1.5"])
def test_an_age_without_a_unit_is_refused(house: House, age: str) -> None:
    """A forgotten `d` must not remove all but half a minute: the message says what to write."""
    answer(house, *IDS[:2])
    refused = house.call("clean", "--older-than", age)
    assert refused.returncode == 2
    assert f"'{age}' has no unit; write {age}d for days" in refused.stderr
    assert len(house.entries()) == 2


@pytest.mark.parametrize(("age", "gone"), [("30d", 0), ("12h", 0), ("30m", 0), ("0s", 1)])
def test_an_age_has_a_unit(house: House, age: str, gone: int) -> None:
    """Days, hours, minutes and seconds."""
    answer(house, *IDS[:2])
    done = house.call("clean", "--older-than", age, "--json")
    assert (done.returncode, json.loads(done.stdout)["tasks"]) == (0, gone), done.stderr


def test_a_dry_run_lists_the_tasks_that_would_go(house: House) -> None:
    """Id, name, outcome, end, and whether anybody has acknowledged it: in words at most twenty, in JSON all."""
    answer(house, *IDS[:2])
    house.call("ack", IDS[0])
    ended = house.result(IDS[0])["completed_at"]
    (line,) = [
        text for text in house.call("clean", "--older-than", "0s", "--dry-run").stdout.split("\n") if IDS[0] in text
    ]
    assert line == f"  {IDS[0]}  {ended}  done, acknowledged  {IDS[0]}"
    expected = {
        "task_id": IDS[0], "task_name": IDS[0], "outcome": "done", "completed_at": ended, "acknowledged": True,
    }  # fmt: skip
    assert clean(house, "--dry-run")["removed_tasks"] == [expected]
    assert clean(house)["removed_tasks"] == [expected]


def test_a_long_list_of_tasks_is_cut(house: House) -> None:
    """Twenty of them, and how many more there are."""
    for number in range(23):
        house.drop(f"{number}.md", str(number))
    house.drain()
    told = house.call("clean", "--older-than", "0s", "--dry-run").stdout
    assert told.count(", not acknowledged  ") == 20
    assert told.endswith("  and 2 more; all of them: --json\n")


def test_one_of_a_kind_is_not_told_as_several(house: House) -> None:
    """`1 task`, and `2 tasks`."""
    answer(house, *IDS[:2])
    told = house.call("clean", "--older-than", "0s", "--dry-run").stdout
    assert told.startswith("would be removed: 1 ended task, ")
    assert "  1 result (" in told
    assert "  1 task in the journal\n" in told
    answer(house, IDS[2])
    assert "  2 tasks in the journal\n" in house.call("clean", "--older-than", "0s", "--dry-run").stdout
