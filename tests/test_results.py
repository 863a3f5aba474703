"""The files in results/: whole or absent, and in step with the journal."""

from __future__ import annotations

import json
import threading

import pytest

from kimi_hooks import results
from kimi_hooks.standin.faults import Fault
from tests.house import House

KEYS = {
    "task_id", "task_name", "status", "outcome", "model", "requested_model", "output", "reasoning", "finish_reason",
    "tokens", "cost", "turns", "attempts", "crashes", "created_at", "started_at", "completed_at", "duration_ms",
    "group", "metadata", "warnings", "error", "standin", "acknowledged_at",
}  # fmt: skip


@pytest.mark.parametrize("fault", [None, Fault("http", status=400)], ids=["done", "failed"])
def test_every_key_is_always_there(house: House, fault: Fault | None) -> None:
    """A reader never has to ask whether a key exists, done or failed."""
    if fault:
        house.kimi.add(fault)
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert set(result) >= KEYS
    assert set(result["tokens"]) == {"prompt", "completion", "total", "cached", "reasoning"}
    for key in ("created_at", "started_at", "completed_at"):
        assert result[key].endswith("Z")
        assert len(result[key]) == 20


def test_latest_is_the_newest_ended_task_whatever_its_outcome(house: House) -> None:
    """A failure is news too: latest.json and task-output.txt follow it."""
    house.drop("good.md", "good")
    house.drain()
    assert house.latest()["task_name"] == "good"
    house.drop("bad.md", " ")
    house.drain()
    assert (house.latest()["task_name"], house.latest()["outcome"]) == ("bad", "failed")
    assert (house.workspace.results / "task-output.txt").read_text() == ""


def test_a_pending_entry_says_what_an_agent_needs(house: House) -> None:
    """Id, name, status, group, time and where the result lies."""
    house.drop("a.json", {"prompt": "a", "name": "job", "group": "-5"})
    house.drain()
    (entry,) = house.pending()["pending"]
    result = house.result()
    assert entry == {
        "task_id": result["task_id"],
        "task_name": "job",
        "status": "done",
        "group": "-5",
        "completed_at": result["completed_at"],
        "result_file": str(house.workspace.result_file(result["task_id"])),
    }


def test_the_list_of_pending_is_bounded_and_says_how_many_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest come first; what does not fit is counted."""
    monkeypatch.setattr(results, "MAX_PENDING", 2)
    for name in "abcde":
        house.drop(f"{name}.md", name)
        house.drain()
    assert [entry["task_name"] for entry in house.pending()["pending"]] == ["e", "d"]
    assert house.pending()["more"] == 3


@pytest.mark.parametrize("with_runner", [False, True], ids=["alone", "with a runner"])
def test_ack_changes_result_latest_and_pending(house: House, with_runner: bool) -> None:
    """After ack a reader that looks for `done` does not report again; with or without a runner alive."""
    house.drop("a.md", "a")
    house.drain()
    task_id = house.entry().id
    if with_runner:
        with house.running():
            finished = house.call("ack", task_id)
    else:
        finished = house.call("ack", task_id)
    assert finished.returncode == 0, finished.stderr
    result = house.result()
    assert result["status"] == "acknowledged"
    assert result["outcome"] == "done"
    assert result["acknowledged_at"]
    assert house.latest() == result
    assert house.pending() == {"pending": [], "more": 0}


def test_ack_of_an_older_task_leaves_latest_alone(house: House) -> None:
    """latest.json stays the newest ended task."""
    house.drop("a.md", "a")
    house.drain()
    old = house.entry().id
    house.drop("b.md", "b")
    house.drain()
    house.call("ack", old)
    assert house.result(old)["status"] == "acknowledged"
    assert (house.latest()["task_name"], house.latest()["status"]) == ("b", "done")
    assert [entry["task_name"] for entry in house.pending()["pending"]] == ["b"]


def test_ack_all(house: House) -> None:
    """One word for everything that has ended."""
    for name in "abc":
        house.drop(f"{name}.md", name)
    house.drain()
    assert house.call("ack", "--all").stdout == "acknowledged: 3\n"
    assert house.pending()["pending"] == []
    assert {house.result(entry.id)["status"] for entry in house.entries()} == {"acknowledged"}


def test_ack_of_a_strange_id_is_an_error(house: House) -> None:
    """Nothing is acknowledged when one of the ids is not known."""
    house.drop("a.md", "a")
    house.drain()
    finished = house.call("ack", house.entry().id, "kimi-1-nothing0")
    assert finished.returncode == 1
    assert "no such task" in finished.stderr
    assert house.result()["status"] == "done"


def test_derived_files_are_rebuilt_at_start(house: House) -> None:
    """The three are only copies: deleted, they come back."""
    house.drop("a.md", "a")
    house.drain()
    for name in ("latest.json", "task-output.txt", "pending-wake.json"):
        (house.workspace.results / name).unlink()
    house.drain()
    assert house.latest()["task_name"] == "a"
    assert len(house.pending()["pending"]) == 1


def test_a_reader_never_sees_half_a_result(house: House) -> None:
    """While the file is written again and again, every read is whole JSON."""
    torn: list[str] = []
    stop = threading.Event()
    path = house.workspace.results / "kimi-1-aaaaaaaa.json"

    def read() -> None:
        while not stop.is_set():
            try:
                json.loads(path.read_text())
            except FileNotFoundError:
                continue
            except ValueError as error:
                torn.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    for size in range(100):
        results.write(house.workspace.results, {"task_id": "kimi-1-aaaaaaaa", "output": "x" * size * 1000})
    stop.set()
    reader.join()
    assert torn == []
    assert [path.name for path in house.workspace.results.iterdir()] == ["kimi-1-aaaaaaaa.json"]
