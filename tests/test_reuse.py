"""`reuse`: an answer to the same request will do, and nobody is called."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from kimi_hooks import reusing
from kimi_hooks.clock import Clock
from kimi_hooks.journal import facts, reuse
from kimi_hooks.journal.store import Journal
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.parts import Parts
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from kimi_hooks.states import Outcome, State
from kimi_hooks.task import Task
from tests.files import PDF
from tests.house import PATIENCE, House, until

FIRST, SECOND = "kimi-1700000000-aaaaaaaa", "kimi-1700000000-bbbbbbbb"
HOUR = 3600.0


def asked(house: House, *specs: dict[str, Any], clock: Clock | None = None) -> dict[str, Any]:
    """Run the tasks one after the other; return the result of the last."""
    for number, spec in enumerate(specs):
        house.drop(f"kimi-1700000000-{number:08d}.json", spec)
        house.drain(clock)
    return house.result(f"kimi-1700000000-{len(specs) - 1:08d}")


def test_the_same_request_is_answered_without_a_call(house: House) -> None:
    """The same text comes back, marked, with no tokens, and Kimi heard of it once."""
    result = asked(house, {"prompt": "a"}, {"prompt": "a", "name": "again", "reuse": True})
    first = house.result("kimi-1700000000-00000000")
    assert len(house.kimi.requests) == 1
    assert (result["outcome"], result["output"], result["model"]) == ("done", first["output"], first["model"])
    assert (result["reused_from"], first["reused_from"]) == (first["task_id"], None)
    assert (result["attempts"], set(result["tokens"].values())) == (0, {0})
    assert any(first["task_id"] in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    "other",
    [{"prompt": "b"}, {"prompt": "a", "system": "s"}, {"prompt": "a", "max_tokens": 99}, {"prompt": "a", "model": "kimi-k2.6"}],
)  # fmt: skip
def test_another_request_is_another_call(house: House, other: dict[str, Any]) -> None:
    """Whatever changes the answer makes it another request."""
    result = asked(house, {"prompt": "a"}, {**other, "reuse": True})
    assert (result["outcome"], result["reused_from"], len(house.kimi.requests)) == ("done", None, 2)


def test_a_changed_context_file_is_another_request(house: House) -> None:
    """What the files hold counts, not what they are called."""
    note = house.home / "note.txt"
    note.write_text("one")
    asked(house, {"prompt": "a", "context": "note.txt"})
    note.write_text("two")
    house.drop(f"{FIRST}.json", {"prompt": "a", "context": "note.txt", "reuse": True})
    house.drain()
    note.write_text("one")
    house.drop(f"{SECOND}.json", {"prompt": "a", "context": "note.txt", "reuse": True})
    house.drain()
    assert house.result(FIRST)["reused_from"] is None
    assert house.result(SECOND)["reused_from"] == "kimi-1700000000-00000000"


def test_an_answer_is_of_the_address_that_was_asked(house: House) -> None:
    """Also when the address changes while the answer is under way."""
    del house.environ["KIMI_API_URL"]
    house.workspace.secrets_file.write_text(f"KIMI_API_URL={house.kimi.url}\n")
    house.kimi.add(Fault(latency=0.5))
    with Standin() as other, house.running() as running:
        house.drop(f"{FIRST}.md", "a")
        assert house.kimi.wait_for(1)
        house.workspace.secrets_file.write_text(f"KIMI_API_URL={other.url}\n")
        until(lambda: running.runner._parts.settings.current.values["KIMI_API_URL"] == other.url)
        house.wait(FIRST)
        house.drop(f"{SECOND}.json", {"prompt": "a", "reuse": True})
        house.wait(SECOND)
        assert len(other.requests) == 1
    assert house.result(SECOND)["reused_from"] is None


@pytest.mark.parametrize(("age", "is_old_enough"), [("30m", False), ("2h", True), (7200, True), ("1d", True)])
def test_an_answer_must_not_be_too_old(house: House, age: object, is_old_enough: bool) -> None:
    """The age counts from the end of the task that was really answered."""
    asked(house, {"prompt": "a"})
    house.drop(f"{FIRST}.json", {"prompt": "a", "reuse": age})
    house.drain(Clock(now=lambda: time.time() + HOUR, boot_id=str))
    assert (house.result(FIRST)["reused_from"] is not None) is is_old_enough


def test_an_answer_does_not_get_younger_by_being_given_again(house: House) -> None:
    """The third asks how old the first answer is."""
    asked(house, {"prompt": "a"}, {"prompt": "a", "reuse": "2h"})
    house.drop(f"{FIRST}.json", {"prompt": "a", "reuse": "90m"})
    house.drain(Clock(now=lambda: time.time() + 2 * HOUR, boot_id=str))
    assert house.result(FIRST)["reused_from"] is None


def test_only_whole_answers_are_given_again(house: House) -> None:
    """A failed task and one whose answer stayed cut are no answers for others."""
    house.configure(kimi={"max_continuations": 0})
    house.kimi.add(Fault(text="half", finish_reason="length"), Fault("http", status=400))
    result = asked(house, {"prompt": "a"}, {"prompt": "a"}, {"prompt": "a", "reuse": True})
    assert (result["reused_from"], len(house.kimi.requests)) == (None, 3)


def test_a_result_that_is_gone_is_asked_for_again(house: House) -> None:
    """What somebody has deleted is not made up."""
    asked(house, {"prompt": "a"})
    house.workspace.result_file("kimi-1700000000-00000000").unlink()
    house.drop(f"{FIRST}.json", {"prompt": "a", "reuse": True})
    house.drain()
    assert (house.result(FIRST)["outcome"], house.result(FIRST)["reused_from"]) == ("done", None)


def test_the_imitations_answers_are_not_kimis(house: House) -> None:
    """An answer of the imitation never stands in for one of Kimi."""
    result = asked(house, {"prompt": "a", "standin": True}, {"prompt": "a", "reuse": True})
    assert (result["reused_from"], result["standin"]) == (None, False)


def test_a_paused_queue_and_a_full_window_do_not_hold_an_earlier_answer_back(house: House) -> None:
    """Nobody is called, so nothing has to be waited for."""
    house.configure(limits={"requests_per_minute": 1})
    asked(house, {"prompt": "a"})
    house.kimi.add(Fault("http", status=401))
    with house.running():
        house.drop(f"{FIRST}.json", {"prompt": "a", "reuse": True})
        house.drop(f"{SECOND}.json", {"prompt": "new", "reuse": True})
        (entry,) = house.wait(FIRST)
        until(lambda: house.read_journal(facts.paused) is None and len(house.entries()) == 3)
    assert entry.outcome is Outcome.DONE
    assert [entry.state for entry in house.entries() if entry.id == SECOND] == [State.AVAILABLE]


def test_a_person_who_pauses_the_queue_pauses_that_too(house: House) -> None:
    """`pause` lets nothing start."""
    asked(house, {"prompt": "a"})
    assert house.call("pause").returncode == 0
    house.drop(f"{FIRST}.json", {"prompt": "a", "reuse": True})
    house.drain()
    assert house.entries()[-1].state is State.AVAILABLE
    assert house.call("resume").returncode == 0
    house.drain()
    assert house.result(FIRST)["reused_from"] is not None


def test_an_answer_that_was_given_stays_given(house: House) -> None:
    """The runner died between the result and the row: the next one asks nobody, and changes nothing."""
    result = asked(house, {"prompt": "a"}, {"prompt": "a", "reuse": True})
    first, second = house.entries()
    journal = Journal(house.workspace.journal_file)
    undo = "UPDATE tasks SET state = 'available', outcome = NULL, ended = NULL WHERE id = ?"
    journal.write(lambda db: db.execute(undo, (second.id,)))
    journal.close()
    house.workspace.result_file(first.id).unlink()
    house.drain()
    assert house.result(second.id) == result
    assert len(house.kimi.requests) == 1


def test_a_task_is_looked_up_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that ends while the next ones are chosen is not begun again."""
    asked(house, {"prompt": "a"})
    parts, may_end, looks = house.parts(), threading.Event(), []
    read, look = parts.journal.read, reusing.look_for_answer

    def slowly(parts: Parts, entry: Entry, task: Task) -> None:
        looks.append(entry.id)
        assert may_end.wait(PATIENCE)
        look(parts, entry, task)

    def read_and_let_it_end(operation: Any) -> Any:
        found = read(operation)
        if getattr(operation, "func", None) is reuse.to_look_up and looks:
            may_end.set()
            until(lambda: not running.runner._schedule._looked_for)
        return found

    monkeypatch.setattr(reusing, "look_for_answer", slowly)
    monkeypatch.setattr(parts.journal, "read", read_and_let_it_end)
    with house.running(parts=parts) as running:
        house.drop(f"{FIRST}.json", {"prompt": "a", "reuse": True})
        until(lambda: looks == [FIRST])
        house.workspace.ring()
        house.wait(FIRST)
    assert looks == [FIRST]


def test_slow_look_ups_do_not_keep_others_from_beginning(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as there is a place, the next task has it, whatever is looked up before it."""
    house.configure(limits={"concurrency": 2})
    may_end, looks, look = threading.Event(), [], reusing.look_for_answer

    def slowly(parts: Parts, entry: Entry, task: Task) -> None:
        looks.append(entry.name)
        assert may_end.wait(PATIENCE)
        look(parts, entry, task)

    monkeypatch.setattr(reusing, "look_for_answer", slowly)
    with house.running():
        for number in range(4):
            house.drop(f"{number}.json", {"prompt": "a", "reuse": True})
            until(lambda number=number: len(looks) == number + 1)  # type: ignore[misc]
        may_end.set()
        house.wait(*(entry.id for entry in house.entries()))


def test_dispatch_takes_an_age_or_none(house: House) -> None:
    """`--reuse` alone is any age; what is no age is told."""
    asked(house, {"prompt": "a"})
    for given in (["--reuse"], ["--reuse", "24h"]):
        assert house.call("dispatch", "-p", "a", *given).returncode == 0
    refused = house.call("dispatch", "-p", "a", "--reuse", "soon")
    assert (refused.returncode, "30m" in refused.stderr) == (1, True)
    house.drain()
    assert len(house.kimi.requests) == 1


def test_looking_for_an_answer_calls_nobody(house: House) -> None:
    """Of a document that was never read, nobody can have asked; its text is taken out only for the call."""
    (house.home / "paper.pdf").write_bytes(PDF)
    first = {"prompt": "a", "context": "paper.pdf", "reuse": True}
    house.drop(f"{FIRST}.json", first)
    house.kimi.add(Fault("http", status=401, path="*"))
    house.drain()
    assert house.read_journal(facts.paused) == "authentication_failed"
    uploads = [request for request in house.kimi.requests if request.path.endswith("/files")]
    assert len(uploads) == 1
    assert house.entry().attempts == 0
    assert house.call("resume").returncode == 0
    house.drain()
    house.drop(f"{SECOND}.json", first)
    house.drain()
    assert house.result(SECOND)["reused_from"] == FIRST
