"""A dropped file comes back as an answer, whatever its form and whenever it was dropped."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kimi_hooks import ending, lock, worker
from kimi_hooks.errors import LockHeldError
from kimi_hooks.runner import Runner
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome, State
from tests.house import House, until


def test_a_dropped_file_comes_back_as_an_answer(house: House) -> None:
    """A file in the outbox is claimed, asked, answered and gone."""
    house.drop("hello.md", "say hello\n")
    house.drain()
    result = house.result()
    assert result["outcome"] == result["status"] == "done"
    assert result["task_name"] == "hello"
    assert house.prompts() == ["say hello\n"]
    assert list(house.workspace.outbox.iterdir()) == []
    assert list(house.workspace.incoming.iterdir()) == []
    assert list(house.workspace.turns.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", "---\nname: n\ngroup: -529\n---\nthe prompt"),
        ("a.txt", "---\nname: n\ngroup: -529\n---\nthe prompt"),
        ("a.yaml", "prompt: the prompt\nname: n\ngroup: -529\n"),
        ("a.yml", "prompt: the prompt\nname: n\ngroup: -529\n"),
        ("a.json", '{"prompt": "the prompt", "name": "n", "group": -529}'),
    ],
)
def test_every_ending_is_taken(house: House, name: str, content: str) -> None:
    """The five endings carry the same keys."""
    house.drop(name, content)
    house.drain()
    assert house.prompts() == ["the prompt"]
    assert (house.result()["task_name"], house.result()["group"]) == ("n", "-529")


def test_a_running_runner_is_woken_by_a_drop(house: House) -> None:
    """A file renamed into the outbox of a waiting runner is taken without anybody asking."""
    with house.running():
        house.drop("kimi-1700000000-aaaaaaaa.json", {"prompt": "hello"})
        (entry,) = house.wait("kimi-1700000000-aaaaaaaa")
    assert entry.outcome is Outcome.DONE


def test_a_file_written_in_place_is_taken_when_its_writer_closes_it(house: House) -> None:
    """Half a file is never taken, however long its writer takes."""
    with house.running():
        with (house.workspace.outbox / "kimi-1700000000-aaaaaaaa.md").open("w") as file:
            file.write("first half, ")
            file.flush()
            house.drop("kimi-1700000000-bbbbbbbb.md", "another one, dropped later")
            house.wait("kimi-1700000000-bbbbbbbb")
            file.write("second half")
        house.wait("kimi-1700000000-aaaaaaaa")
    assert house.prompts() == ["another one, dropped later", "first half, second half"]


def test_what_was_there_before_the_start_is_taken(house: House) -> None:
    """The folder is the truth: no event is needed for a file that was there first."""
    house.drop("early.md", "early")
    with house.running():
        pass
    assert house.entry().outcome is Outcome.DONE


def test_other_files_are_left_alone(house: House) -> None:
    """Dotfiles, backups, unfinished downloads, folders and foreign endings stay where they are."""
    names = [".hidden.md", "a.md~", "b.tmp", "c.part", "d.md.swp", "picture.png"]
    for name in names:
        (house.workspace.outbox / name).write_text("x")
    (house.workspace.outbox / "folder.md").mkdir()
    house.drain()
    assert house.entries() == []
    assert {path.name for path in house.workspace.outbox.iterdir()} == {*names, "folder.md"}


def test_a_foreign_ending_is_warned_of_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """One warning for a file that is left alone, not one at each wake."""
    (house.workspace.outbox / "picture.png").write_text("x")
    house.drop("a.md", "a")
    house.drain()
    assert sum("picture.png" in message for message in caplog.messages) == 1


def test_a_hundred_at_once_leave_a_hundred_entries(house: House) -> None:
    """Nobody's ending overwrites another's in pending-wake.json."""
    for number in range(100):
        house.drop(f"{number}.md", f"prompt {number}")
    house.drain()
    pending = house.pending()
    assert len(pending["pending"]) == len(list(house.workspace.results.glob("kimi-*.json"))) == 100
    assert {entry["task_name"] for entry in pending["pending"]} == {str(number) for number in range(100)}
    assert pending["more"] == 0


def test_higher_priority_goes_first_then_arrival(house: House) -> None:
    """One at a time: the order of the calls is priority, then arrival."""
    house.configure(limits={"concurrency": 1, "requests_per_minute": 1000})
    for name, priority in (("a", 0), ("b", 0), ("c", 5), ("d", -1)):
        house.drop(f"{name}.json", {"prompt": name, "priority": priority})
    house.drain()
    assert house.prompts() == ["c", "a", "b", "d"]


def test_an_answer_leaves_its_place_to_the_next_call(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one answer is put on a slow disk, the next task is asked; and never two calls with a place for one."""
    house.configure(limits={"concurrency": 1, "requests_per_minute": 1000})
    house.kimi.latency = 0.05
    seen: list[bool] = []

    def end_slowly(*args: Any) -> None:
        seen.append(house.kimi.wait_for(min(len(seen) + 2, 3)))
        ending.end(*args)

    monkeypatch.setattr(worker, "end", end_slowly)
    for name in "abc":
        house.drop(f"{name}.md", name)
    house.drain()
    assert seen == [True] * 3
    came = [request.at for request in house.kimi.requests]
    assert all(later - earlier >= 0.05 for earlier, later in pairwise(came))


def test_the_window_may_be_spent_at_once_and_not_more(house: House) -> None:
    """Of 25 waiting tasks the first 10 leave at once; the others wait for the minute."""
    house.configure(limits={"requests_per_minute": 10})
    for number in range(25):
        house.drop(f"{number:02}.md", str(number))
    with house.running():
        assert house.kimi.wait_for(10)
    assert len(house.kimi.requests) == 10
    assert sum(entry.state is State.AVAILABLE for entry in house.entries()) == 15


def test_the_limit_holds_over_a_restart(house: House) -> None:
    """The sends of the runner before count."""
    house.configure(limits={"requests_per_minute": 2})
    for number in range(5):
        house.drop(f"{number:02}.md", str(number))
    for _ in range(3):
        with house.running():
            assert house.kimi.wait_for(2)
    assert len(house.kimi.requests) == 2


def test_the_imitation_does_not_use_up_the_limit(house: House) -> None:
    """Tasks marked standin go to the imitation alone, at once, and say so."""
    house.configure(limits={"requests_per_minute": 1})
    for number in range(5):
        house.drop(f"{number}.json", {"prompt": "x", "standin": True})
    house.drain()
    assert all(house.result(entry.id)["standin"] for entry in house.entries())
    assert house.kimi.requests == ()


def test_without_a_key_tasks_wait_and_the_imitation_still_answers(house: House) -> None:
    """Dropped files are not failed for want of a key."""
    house.drop("real.md", "real")
    house.drop("trial.json", {"prompt": "trial", "standin": True})
    runner = house.drain(KIMI_API_KEY="")
    states = {entry.name: entry.state for entry in house.entries()}
    assert states == {"real": State.AVAILABLE, "trial": State.COMPLETED}
    assert runner.has_failures


def test_a_key_that_is_set_later_lets_the_tasks_go(house: House) -> None:
    """The runner notices when the secrets file changes; no restart is needed."""
    house.environ.pop("KIMI_API_KEY")
    house.drop("kimi-1700000000-aaaaaaaa.md", "real")
    with house.running():
        assert house.entry().state is State.AVAILABLE
        house.workspace.secrets_file.write_text("KIMI_API_KEY=sk-test-key-of-nobody\n")
        house.wait("kimi-1700000000-aaaaaaaa")
    assert house.prompts() == ["real"]


def test_one_runner_for_a_workspace(house: House) -> None:
    """The second says who has the lock."""
    with house.running(), pytest.raises(LockHeldError, match=rf"process {os.getpid()}"):
        Runner(house.parts()).run()


def test_not_before_holds_a_task_back(house: House) -> None:
    """A task is not sent before its time, and a drain does not wait for it."""
    house.drop("later.json", {"prompt": "later", "not_before": "2999-01-01T00:00:00Z"})
    house.drop("soon.json", {"prompt": "soon", "not_before": 0})
    house.drain()
    assert house.prompts() == ["soon"]


def test_not_before_in_a_moment_wakes_the_runner_by_itself(house: House) -> None:
    """A known instant is waited for without any event."""
    with house.running():
        house.drop("kimi-1700000000-aaaaaaaa.json", {"prompt": "soon", "not_before": 0.2})
        (entry,) = house.wait("kimi-1700000000-aaaaaaaa")
    assert entry.started_at is not None
    assert entry.started_at - entry.created_at >= 0.2


def test_after_waits_for_the_other_task(house: House) -> None:
    """A task that comes after another one is sent when that is done, whichever was dropped first."""
    house.drop("1.json", {"prompt": "second", "name": "second", "after": ["first"]})
    house.drop("2.json", {"prompt": "first", "name": "first"})
    house.drain()
    assert house.prompts() == ["first", "second"]


def test_a_failed_dependency_fails_the_task(house: House) -> None:
    """What comes after a failed task fails too, with a result that says so."""
    house.kimi.add(Fault("http", status=400, type="invalid_request_error", message="no"))
    house.drop("1.json", {"prompt": "first", "name": "first"})
    house.drop("2.json", {"prompt": "second", "name": "second", "after": "first"})
    house.drop("3.json", {"prompt": "third", "name": "third", "after": "second"})
    house.drain()
    assert house.prompts() == ["first"]
    kinds = {entry.name: entry.error_kind for entry in house.entries()}
    assert kinds == {"first": "invalid_request", "second": "dependency", "third": "dependency"}
    assert "first" in house.result(house.entries()[1].id)["error"]["message"]


def test_tasks_that_wait_for_each_other_fail(house: House) -> None:
    """A circle is told and does not wait for ever."""
    house.drop("1.json", {"prompt": "a", "name": "a", "after": ["b"]})
    house.drop("2.json", {"prompt": "b", "name": "b", "after": ["a"]})
    house.drain()
    assert [entry.error_kind for entry in house.entries()] == ["dependency", "dependency"]


def test_a_dedupe_key_runs_once(house: House) -> None:
    """The same key within a day: nothing runs, and nothing is left lying about."""
    house.drop("a.json", {"prompt": "a", "dedupe_key": "k"})
    house.drop("b.json", {"prompt": "b", "dedupe_key": "k"})
    house.drain()
    house.drop("c.json", {"prompt": "c", "dedupe_key": "k"})
    house.drain()
    assert house.prompts() == ["a"]
    assert list(house.workspace.incoming.iterdir()) == []


def test_an_id_is_kept_once(house: House) -> None:
    """A file named after a fresh id keeps it; the same id again gets a new one."""
    for _ in range(2):
        house.drop("kimi-1700000000-aaaaaaaa.md", "x")
        house.drain()
    first, second = house.entries()
    assert first.id == "kimi-1700000000-aaaaaaaa"
    assert second.id != first.id


def test_a_task_ends_at_its_time_out(house: House) -> None:
    """A call that takes longer than the task's time-out is cut, and told."""
    house.kimi.add(Fault("stall"))
    house.drop("slow.json", {"prompt": "slow", "timeout": 0.3})
    house.drain()
    result = house.result()
    assert (result["outcome"], result["error"]["kind"]) == ("timeout", "timeout")
    assert house.entry().state is State.FAILED


def test_the_answer_that_had_arrived_is_kept(house: House) -> None:
    """A time-out in the middle of an answer keeps the half that came."""
    house.kimi.add(Fault("stall", text="the first half of a long answer", after=3))
    house.drop("slow.json", {"prompt": "slow", "timeout": 0.5})
    house.drain()
    assert house.result()["output"]
    assert "the first half of a long answer".startswith(house.result()["output"])


def test_drain_tells_a_failure(house: House) -> None:
    """A drain with a failed task is told apart from a good one."""
    house.drop("good.md", "x")
    assert not house.drain().has_failures
    house.drop("bad.md", " ")
    assert house.drain().has_failures


def test_a_stopped_runner_is_told_apart_from_a_running_one(house: House) -> None:
    """The lock says who works, and nobody when it is over."""
    with house.running():
        holder = lock.holder(house.workspace.lock_file)
        assert holder is not None
        assert (holder.pid, holder.ready) == (os.getpid(), True)
    assert lock.holder(house.workspace.lock_file) is None


def test_sigterm_lets_running_calls_finish(house: House) -> None:
    """The first SIGTERM finishes what runs; what waits is left for the next start."""
    house.configure(limits={"concurrency": 1, "requests_per_minute": 1000})
    house.kimi.add(Fault(latency=0.5))
    house.drop("a.md", "a")
    house.drop("b.md", "b")
    child = house.start()
    assert house.kimi.wait_for(1)
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0
    assert [entry.state for entry in house.entries()] == [State.COMPLETED, State.AVAILABLE]


def test_a_second_sigterm_leaves_at_once_and_nothing_is_lost(house: House) -> None:
    """The call that was cut is made again at the next start, and the result says so."""
    house.kimi.add(Fault("stall"))
    house.drop("a.md", "a")
    child = house.start()
    assert house.kimi.stalled.wait(20)
    child.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in house.log)
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 128 + signal.SIGTERM
    house.drain()
    result = house.result()
    assert (result["outcome"], result["crashes"], result["attempts"]) == ("done", 1, 2)
    assert any("paid twice" in warning for warning in result["warnings"])


def test_a_killed_runner_loses_nothing(house: House) -> None:
    """SIGKILL in the middle of a call: the next start makes it again."""
    house.kimi.add(Fault("stall", times=3))
    for name in "abc":
        house.drop(f"{name}.md", name)
    child = house.start()
    assert house.kimi.wait_for(3)
    child.kill()
    child.wait()
    house.drain()
    assert [entry.outcome for entry in house.entries()] == [Outcome.DONE] * 3
    assert sorted(house.prompts()) == ["a", "a", "b", "b", "c", "c"]


def test_too_many_deaths_end_a_task(house: House) -> None:
    """A task that takes the runner with it each time is given up."""
    house.configure(retry={"max_crashes": 1, "first_pause": 0.01})
    house.kimi.add(Fault("stall", times=9))
    house.drop("deadly.md", "deadly")
    for number in (1, 2):
        child = house.start()
        assert house.kimi.wait_for(number)
        child.kill()
        child.wait()
    house.drain()
    assert house.result()["error"]["kind"] == "crash"


def test_an_idle_runner_is_not_scheduled(house: House) -> None:
    """While there is nothing to do, no thread of the runner is woken, not even once in two seconds."""
    child = house.start()
    house.drop("kimi-1700000000-aaaaaaaa.json", {"prompt": "x", "standin": True})
    house.wait("kimi-1700000000-aaaaaaaa")
    until(lambda: _threads_sleep(child.pid))
    before = _switches(child.pid)
    time.sleep(2)  # what is measured is that nothing happens in this time
    assert _switches(child.pid) - before <= 1


def _switches(pid: int) -> int:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def _threads_sleep(pid: int) -> bool:
    """Tell whether nothing moved for a fifth of a second: the last task's news has been told."""
    before = _switches(pid)
    time.sleep(0.2)
    return _switches(pid) == before


def test_the_file_of_a_task_is_kept_until_it_has_ended(house: House) -> None:
    """Accepted and waiting, its file lies in spool/accepted/; ended, nothing of it is left there."""
    house.drop("later.md", "---\nnot_before: 3600\n---\nhello")
    house.drop("now.md", "hello")

    house.drain()

    (kept,) = house.workspace.accepted.iterdir()
    assert kept.name.endswith("__later.md")
    assert kept.read_text().endswith("hello")


def test_a_file_whose_end_was_cut_is_forgotten_at_the_next_start(house: House) -> None:
    """A crash between a task's end and the removal of its file leaves nothing behind for ever."""
    house.drop("now.md", "hello")
    house.drain()
    left = house.workspace.accepted / f"{house.entry().id}__now.md"
    left.write_text("hello")

    house.drain()

    assert not left.exists()


def test_the_file_of_an_unknown_task_is_taken_again(house: House) -> None:
    """A journal that has lost a task must not take it along: its file is still there."""
    house.drain()
    (house.workspace.accepted / "kimi-1771342200-q7x2m9ab__now.md").write_text("hello")

    house.drain()

    assert house.result("kimi-1771342200-q7x2m9ab")["outcome"] == "done"
    assert list(house.workspace.accepted.iterdir()) == []
