"""Whatever is dropped: a task or a reason, nothing read that should not be, and the runner goes on with the next file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from kimi_hooks.outbox.folder import cut
from kimi_hooks.outbox.reading import shown_name
from kimi_hooks.standin.server import Standin
from tests.hostile import made
from tests.hostile.made import ANSWERED, LEFT, SECRETS
from tests.house import KEY, House, until

HERE = Path(__file__).parent
HELD = "(held)"
KINDS: Mapping[str, Mapping[str, str]] = yaml.safe_load((HERE / "corpus.yaml").read_text("utf-8"))
KEPT = {name: want for files in KINDS.values() for name, want in files.items()}
GOOD = "kimi-1700000000-zzzzzzzz"


@dataclass(frozen=True)
class Aftermath:
    """What one runner made of all the files: rows by the names that the files were dropped under."""

    house: House
    rows: Mapping[str, Mapping[str, Any]]
    made: tuple[made.Made, ...]
    log: str
    asked: str

    def check(self, name: str, want: str) -> None:
        """Assert that the file ended as it should, in exactly one result, and if it was refused with its reason."""
        row = self.rows[filed(name)]
        result = self.house.workspace.result_file(row["id"])
        if want == HELD:
            assert (row["state"], row["hold_reason"], result.exists()) == ("held", "after", False)
        elif want == ANSWERED:
            assert (row["state"], json.loads(result.read_text())["outcome"]) == ("completed", "done")
        else:
            error = json.loads(result.read_text())["error"]
            assert want in error["message"]
            assert row["state"] == "failed"
            self._check_refusal(row["id"], name, error) if error["kind"] == "invalid_task" else None

    def _check_refusal(self, task_id: str, name: str, error: Mapping[str, Any]) -> None:
        kept = [path for path in self.house.rejected() if path.name.startswith(f"{task_id}__")]
        (reason,) = self.house.workspace.rejected.glob(f"{task_id}__*.reason.txt")
        told = reason.read_text("utf-8")
        assert len(kept) == 1
        assert error["message"].startswith(shown_name(name))
        assert told == f"{error['message']}\n\nMend the file and drop it into outbox/ again.\n"


def filed(name: str) -> str:
    """Return what the journal has of a file's name behind the id and two underscores."""
    before = "kimi-1700000000-aaaaaaaa__"
    return cut(shown_name(before + cut(name))).removeprefix(before)


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """Drop everything into the outbox of one runner, and behind it a good task; wait until nothing moves any more."""
    folder = tmp_path_factory.mktemp("hostile")
    home = folder / "home"
    home.mkdir()
    with Standin(keys=frozenset({KEY})) as kimi:
        house = House(folder / "ws", kimi)
        house.environ = {"PATH": os.environ["PATH"], "HOME": str(home), "KIMI_API_KEY": KEY, "KIMI_API_URL": kimi.url}
        made.surround(house, home)
        house.start()
        try:
            yield _aftermath(house, home)
        finally:
            house.close()


def _aftermath(house: House, agents_home: Path) -> Aftermath:
    os.link(house.workspace.journal_file, house.home / "second-name-of-the-journal.db")
    for name in KEPT:
        house.drop(name, (HERE / "corpus" / name).read_bytes())
    others = tuple(made.cases(house, agents_home))
    for case in others:
        case.make(house.workspace.outbox / case.name)
    house.drop(f"{GOOD}.md", "good")
    count = len(KEPT) + sum(case.want != LEFT for case in others) + 1
    until(lambda: len(_rows(house)) >= count and all(_is_at_rest(row) for row in _rows(house).values()), 60)
    asked = json.dumps([request.body for request in house.kimi.requests], ensure_ascii=False)
    return Aftermath(house, _rows(house), others, house.log, asked)


def _rows(house: House) -> dict[str, Mapping[str, Any]]:
    """Return all rows by the names of their files."""
    read = "SELECT id, file, state, hold_reason FROM tasks"
    rows = house.read_journal(lambda db: [dict(row) for row in db.execute(read)])
    return {row["file"].partition("__")[2]: row for row in rows}


def _is_at_rest(row: Mapping[str, Any]) -> bool:
    return row["state"] in {"completed", "failed"} or row["hold_reason"] == "after"


def test_there_are_cases_of_every_kind() -> None:
    """Each file of the corpus stands in the table, each in the table is there, and there are enough of each kind."""
    assert sorted(KEPT) == sorted(path.name for path in (HERE / "corpus").iterdir())
    assert min(len(files) for files in KINDS.values()) >= 20
    assert len(KEPT) == sum(len(files) for files in KINDS.values()) >= 150


@pytest.mark.parametrize("name", KEPT)
def test_a_file_of_the_corpus_is_a_task_or_a_reason(aftermath: Aftermath, name: str) -> None:
    """It ends as the table says, in one result; if it is refused, it is kept with a reason that names it."""
    aftermath.check(name, KEPT[name])


def test_what_no_repository_can_hold_is_a_task_or_a_reason(aftermath: Aftermath) -> None:
    """Links, pipes, sockets, devices, names of all kinds, large files: as those of the corpus."""
    for case in aftermath.made:
        if case.want != LEFT:
            aftermath.check(case.name, case.want)


def test_what_is_no_task_file_stays_where_it_is(aftermath: Aftermath) -> None:
    """Folders, dotfiles, other endings: nobody takes them, and they are no tasks."""
    left = {case.name for case in aftermath.made if case.want == LEFT}
    assert left == set(os.listdir(aftermath.house.workspace.outbox))


def test_each_file_has_one_row_and_each_ended_row_one_result(aftermath: Aftermath) -> None:
    """None lost, none doubled: as many rows as files, and as many results as ended rows."""
    dropped = len(KEPT) + sum(case.want != LEFT for case in aftermath.made) + 1
    ended = {row["id"] for row in aftermath.rows.values() if row["hold_reason"] != "after"}
    results = {path.stem for path in aftermath.house.workspace.results.glob("kimi-*.json")}
    assert len(aftermath.rows) == dropped
    assert results == ended
    assert list(aftermath.house.workspace.incoming.iterdir()) == []


def test_the_good_task_behind_them_is_answered(aftermath: Aftermath) -> None:
    """The runner that took all of them is at work still."""
    assert aftermath.rows[f"{GOOD}.md"]["id"] == GOOD
    aftermath.check(f"{GOOD}.md", ANSWERED)
    assert json.loads(aftermath.house.call("status", "--json").stdout)["runner"]["state"] == "running"


def test_no_traceback_and_no_line_that_is_not_ours(aftermath: Aftermath) -> None:
    """The log tells of no bug; each of its lines begins with a time, and none holds a character that steers."""
    assert "Traceback" not in aftermath.log
    assert "a bug" not in aftermath.log
    lines = aftermath.log.splitlines()
    assert [line for line in lines if not line.startswith("20") or not line.isprintable()] == []


def test_nothing_outside_was_read(aftermath: Aftermath) -> None:
    """No secret is in what Kimi was asked, in results, reasons, the log or anything else that the runner has written."""
    workspace = aftermath.house.workspace
    plain = [path for path in workspace.home.rglob("*") if path.is_file() and not path.is_symlink()]
    # Not what the test itself has laid there: the secrets with their second names, and a file without end.
    written = [path for path in plain if path.stat().st_nlink == 1 and path.stat().st_size < 2**30]
    texts = [aftermath.asked.encode(), workspace.journal_file.read_bytes(), *(path.read_bytes() for path in written)]
    for secret in SECRETS:
        assert not any(secret.encode() in text for text in texts), secret


def test_nothing_was_run_and_nothing_written_elsewhere(aftermath: Aftermath) -> None:
    """No command that stood in a file has run; beside the workspace lies what lay there before."""
    outside = aftermath.house.home.parent
    assert sorted(path.name for path in outside.iterdir()) == ["home", "outside", "ws"]
    assert [path.name for path in (outside / "outside").iterdir()] == ["secret.txt"]
