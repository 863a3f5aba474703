"""Gates: hooks that are asked before a task is taken on, before it is sent, and before an answer is final."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
import yaml

from kimi_hooks import gates, schedule, started, turns
from kimi_hooks.atomic import TEMPORARY_PREFIX
from kimi_hooks.errors import JournalError
from kimi_hooks.journal import tasks
from kimi_hooks.journal.store import Journal
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import State
from kimi_hooks.taken import Taken
from tests.house import House, until

TASK = "kimi-1700000000-aaaaaaaa"


def messages(house: House, number: int) -> list[dict[str, Any]]:
    """Return the messages of the nth request to Kimi."""
    body = house.kimi.requests[number].body
    assert body is not None
    sent: list[dict[str, Any]] = body["messages"]
    return sent


def gate(house: House, event: str, script: str, **keys: Any) -> None:
    """Make a script the only hook, under one event."""
    house.hook(f"#!/bin/sh\n{script}\n", event=event, **keys)


def test_a_new_task_can_be_refused(house: House) -> None:
    """Exit code 2 at TaskCreated ends the task, kind `blocked`, with the hook's words; Kimi is not asked."""
    gate(house, "TaskCreated", "echo 'not on a Sunday' >&2; exit 2")
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["error"]["kind"]) == ("failed", "blocked")
    assert "not on a Sunday" in result["error"]["message"]
    assert (result["attempts"], result["turns"]) == (0, 0)
    assert not house.kimi.requests


def test_a_new_task_that_is_let_through_is_sent(house: House) -> None:
    """Exit code 0 lets it through; the hook has read what Claude Code's hooks read."""
    gate(house, "TaskCreated", "cat > told.json")
    house.drop("a.json", {"prompt": "do it", "name": "job"})
    house.drain()
    told = json.loads((house.home / "told.json").read_text())
    assert house.result()["outcome"] == "done"
    assert (told["task_subject"], told["task_description"]) == ("job", "do it")
    assert told["event_id"] == f"{told['task_id']}-TaskCreated"
    assert [run.outcome for run in house.runs()] == ["allowed"]


def test_a_prompt_can_be_refused(house: House) -> None:
    """Exit code 2 at UserPromptSubmit ends the task before anything has left."""
    gate(house, "UserPromptSubmit", 'grep -q secret && echo "a secret" >&2 && exit 2; exit 0')
    house.drop("a.md", "the secret is x")
    house.drop("b.md", "nothing of the kind")
    house.drain()
    results = {entry.name: house.result(entry.id) for entry in house.entries()}
    assert results["a"]["error"]["kind"] == "blocked"
    assert (results["a"]["attempts"], results["a"]["started_at"]) == (0, None)
    assert results["b"]["outcome"] == "done"
    assert house.prompts() == ["nothing of the kind"]


def test_plain_words_become_context_of_the_prompt(house: House) -> None:
    """What a UserPromptSubmit hook prints goes along, before the prompt."""
    gate(house, "UserPromptSubmit", "echo 'Use tabs.'")
    house.drop("a.md", "write code")
    house.drain()
    context, prompt = messages(house, 0)
    assert (context["role"], prompt["role"]) == ("system", "user")
    assert context["content"].strip() == "Use tabs."
    assert prompt["content"] == "write code"


def test_an_answer_can_be_sent_back(house: House) -> None:
    """Exit code 2 at Stop: the reason is the next message of the same conversation, and the next answer counts."""
    house.kimi.add(Fault("answer", text="First", times=1), Fault("answer", text="Second", times=1))
    gate(house, "Stop", 'cat > told.json; grep -q First told.json || exit 0; echo "try again" >&2; exit 2')
    house.drop("a.md", "write")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["output"], result["turns"], result["attempts"]) == ("done", "Second", 2, 2)
    first, second = messages(house, 0), messages(house, 1)
    answer = {"role": "assistant", "content": "First", "reasoning_content": house.result()["reasoning"]}
    assert second == [*first, answer, {"role": "user", "content": "try again"}]
    told = json.loads((house.home / "told.json").read_text())
    assert (told["stop_hook_active"], told["stop_hook_count"]) == (True, 1)
    assert told["last_assistant_message"] == "Second"
    assert [run.outcome for run in house.runs()] == ["blocked", "allowed"]


SLOW_ONCE = """cat > told-$$.json
[ -e begun ] || { touch begun; exec sleep 60; }
"""


def kill_in_gate(house: House) -> None:
    """Kill the runner while its gate is asked, and let the next one finish."""
    runner = house.start()
    until((house.home / "begun").exists)
    runner.kill()
    runner.wait()
    house.drain()


def event_ids(house: House) -> list[str]:
    """Return the event ids that the hooks were told, one for each time that one was started."""
    return [json.loads(file.read_text())["event_id"] for file in house.home.glob("told-*.json")]


@pytest.mark.parametrize("event", ["TaskCreated", "UserPromptSubmit", "Stop"])
def test_a_crash_while_a_gate_is_asked_repeats_the_gate_and_not_the_call(house: House, event: str) -> None:
    """The gate is asked again with the same event id; Kimi is called once, and nothing is said of a lost call."""
    gate(house, event, SLOW_ONCE)
    house.drop("kimi-1700000000-aaaaaaaa.md", "a")
    kill_in_gate(house)
    result = house.result()
    assert (result["outcome"], result["attempts"], result["crashes"], result["turns"]) == ("done", 1, 0, 1)
    assert len(house.kimi.requests) == 1
    assert not [warning for warning in result["warnings"] if "runner died" in warning]
    ids = event_ids(house)
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert [run.outcome for run in house.runs()] == ["allowed"]


def test_an_answer_that_the_row_does_not_know_of_is_judged_and_not_asked_for_again(house: House) -> None:
    """The crash came between the answer on the disk and its row."""
    gate(house, "Stop", "exit 0")
    house.drop(f"{TASK}.md", "a")
    house.drain()
    result = house.result()
    kept = {"text": "Kept", "reasoning": None, "finish_reason": "stop", "model": "kimi-k3", "warnings": [],
            "took": asdict(Taken(prompt=3, completion=4, total=7, amount=0.5, currency="CNY")), "fingerprint": None,
            "request_id": "chatcmpl-1", "at": result["completed_at"], "whole": True}  # fmt: skip
    turns.keep_turn(house.workspace.turns, TASK, 1, kept)
    house.workspace.result_file(TASK).unlink()
    journal = Journal(house.workspace.journal_file)
    reset = "UPDATE tasks SET state = 'executing', outcome = NULL, ended = NULL, turns = 0, taken = NULL, attempts = 1"
    journal.write(lambda db: db.execute(reset))
    journal.close()
    house.drain()
    assert (house.result()["output"], house.result()["tokens"]["total"]) == ("Kept", 7)
    assert house.result()["cost"] == {"amount": 0.5, "currency": "CNY"}
    assert len(house.kimi.requests) == 1


def test_after_so_many_refusals_the_last_answer_stands(house: House) -> None:
    """The eighth refusal ends the task as done with a warning; the limit can be set."""
    gate(house, "Stop", "echo more >&2; exit 2")
    house.drop("a.md", "a")
    house.drain()
    assert (house.result()["outcome"], house.result()["turns"]) == ("done", 8)
    (warning,) = (told for told in house.result()["warnings"] if "Stop hook" in told)
    assert "8 times (limits.stop_blocks)" in warning
    assert warning.endswith("more")
    config = yaml.safe_load(house.workspace.config_file.read_text())
    house.configure(config["hooks"], limits={"requests_per_minute": 100, "stop_blocks": 2})
    house.drop("b.md", "b")
    house.drain()
    assert house.result(house.entries()[-1].id)["turns"] == 2


def test_tokens_and_cost_are_summed_over_all_answers(house: House) -> None:
    """The result tells of all calls, and the bill has one record for each."""
    house.kimi.add(Fault(text="One"), Fault(text="Two two"), Fault(text="Three"))
    gate(house, "Stop", "grep -q Three || { echo more >&2; exit 2; }")
    config = yaml.safe_load(house.workspace.config_file.read_text())
    house.configure(config["hooks"], kimi={"currency": "CNY"})
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    bill = house.read_journal(
        lambda db: db.execute(
            "SELECT sum(prompt), sum(completion), round(sum(amount), 6), count(*) FROM sends"
        ).fetchone()
    )
    assert tuple(bill) == (result["tokens"]["prompt"], result["tokens"]["completion"], result["cost"]["amount"], 3)
    assert house.read_journal(tasks.counts) == {"completed": 1}


def test_the_transcript_tells_the_whole_conversation(house: House) -> None:
    """One line for each message, in Claude Code's format, chained, there while a gate is asked and after the end."""
    house.kimi.add(Fault(text="One"), Fault(text="Two"))
    gate(house, "Stop", 'cat > told.json; cp "$(jq -r .transcript_path told.json)" copy.jsonl;'
         " grep -q Two told.json || { echo more >&2; exit 2; }")  # fmt: skip
    house.drop(f"{TASK}.md", "write")
    house.drain()
    lines = [json.loads(line) for line in house.workspace.transcript_file(TASK).read_text().splitlines()]
    assert [line["type"] for line in lines] == ["user", "assistant", "user", "assistant"]
    assert [line["message"]["content"] for line in lines if line["type"] == "user"] == ["write", "more"]
    texts = [block["text"] for line in lines if line["type"] == "assistant"
             for block in line["message"]["content"] if block["type"] == "text"]  # fmt: skip
    assert texts == ["One", "Two"]
    assert [line["parentUuid"] for line in lines] == [None, *(line["uuid"] for line in lines[:-1])]
    assert {line["sessionId"] for line in lines} == {TASK}
    assert (house.home / "copy.jsonl").read_text() == house.workspace.transcript_file(TASK).read_text()


def test_an_answer_in_parts_is_judged_once_and_as_a_whole(house: House) -> None:
    """A cut answer is carried on first; what is sent back follows the joined answer."""
    house.kimi.add(Fault(text="Half ", finish_reason="length"), Fault(text="an answer"),
                   Fault(text="Another ", finish_reason="length"), Fault(text="one"))  # fmt: skip
    gate(house, "Stop", 'cat > told.json; grep -q "Another one" told.json || { echo again >&2; exit 2; }')
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert (result["output"], result["turns"], result["attempts"]) == ("Another one", 4, 4)
    assert len(house.runs()) == 2
    last = messages(house, -1)
    assert [(message["role"], message["content"], message.get("partial")) for message in last] == [
        ("user", "a", None), ("assistant", "Half an answer", None), ("user", "again", None),
        ("assistant", "Another ", True),
    ]  # fmt: skip


def test_a_failed_call_is_tried_again_without_asking_the_gate_again(house: House) -> None:
    """UserPromptSubmit is asked before the first call only, and its context goes along each time."""
    house.kimi.add(Fault("http", status=500), Fault("reset"))
    gate(house, "UserPromptSubmit", "echo context")
    house.drop("a.md", "a")
    house.drain()
    assert house.result()["attempts"] == 3
    assert len(house.runs()) == 1
    assert {messages(house, number)[0]["content"].strip() for number in range(3)} == {"context"}


def test_a_task_waits_for_both_its_gate_and_the_task_it_comes_after(house: House) -> None:
    """TaskCreated is asked at once; what comes after another task waits on when it was let through."""
    gate(house, "TaskCreated", "cat >> told.txt; grep -c task_id told.txt > count.txt")
    house.drop("b.json", {"prompt": "b", "name": "b", "after": ["a"]})
    with house.running():
        until(lambda: len(house.entries()) == 1 and house.entry().hold_reason == "after")
        assert not house.kimi.requests
        house.drop("a.json", {"prompt": "a", "name": "a"})
        until(lambda: [entry.state for entry in house.entries()] == [State.COMPLETED] * 2)
    assert house.prompts() == ["a", "b"]


def test_an_answer_at_its_gate_leaves_its_place_to_the_next_call(house: House) -> None:
    """One call at once is allowed; while the gate is asked about the first answer, the second task is answered."""
    gate(
        house,
        "Stop",
        'cat > "told-$KIMI_TASK_NAME"; [ "$KIMI_TASK_NAME" = b ] || while [ ! -e told-b ]; do sleep 0.01; done',
    )
    config = yaml.safe_load(house.workspace.config_file.read_text())
    house.configure(config["hooks"], limits={"requests_per_minute": 100, "concurrency": 1})
    house.drop("a.md", "a")
    house.drop("b.md", "b")
    house.drain()
    assert [house.result(entry.id)["outcome"] for entry in house.entries()] == ["done", "done"]


def test_the_time_at_the_gate_does_not_count(house: House) -> None:
    """A task's time-out and duration begin when its first call leaves."""
    gate(house, "UserPromptSubmit", "sleep 0.7")
    house.drop("a.json", {"prompt": "a", "timeout": 0.5})
    house.drain()
    assert house.result()["outcome"] == "done"
    assert house.result()["duration_ms"] < 500


def test_a_whole_answer_after_a_refusal_will_not_do_for_others(house: House) -> None:
    """`reuse` gives only answers to the prompt itself."""
    house.kimi.add(Fault(text="One"))
    gate(house, "Stop", "grep -q One && { echo more >&2; exit 2; }; exit 0")
    house.drop("a.json", {"prompt": "a"})
    house.drain()
    house.drop("b.json", {"prompt": "a", "reuse": 3600})
    house.drain()
    assert len(house.kimi.requests) == 3
    assert house.result(house.entries()[-1].id)["reused_from"] is None


def test_a_refused_answer_whose_next_call_fails_is_still_in_the_result(house: House) -> None:
    """The task fails, and what Kimi had said stands under `output`."""
    house.kimi.add(Fault(text="One"), Fault("http", status=400, type="invalid_request_error"))
    gate(house, "Stop", "echo more >&2; exit 2")
    house.drop("a.md", "a")
    house.drain()
    assert (house.result()["outcome"], house.result()["output"], house.result()["turns"]) == ("failed", "One", 1)


def test_a_conversation_that_fills_the_window_ends_with_its_last_answer(house: House) -> None:
    """Kimi could only refuse another call."""
    house.kimi.add(Fault(text="One" * 100))
    gate(house, "Stop", "echo more >&2; exit 2")
    config = yaml.safe_load(house.workspace.config_file.read_text())
    house.configure(config["hooks"], kimi={"models": {"kimi-k3": {"context": 140_000}}})
    house.drop("a.json", {"prompt": "a", "max_tokens": 139_950})
    house.drain()
    assert (house.result()["outcome"], house.result()["output"]) == ("done", "One" * 100)
    assert any("no room" in warning for warning in house.result()["warnings"])


def test_hooks_of_a_gate_run_side_by_side_and_count_in_the_order_of_the_config(house: House) -> None:
    """Each waits for the other to have begun; what they say stands in the order of config.yaml."""
    wait = "touch $1; while [ ! -e $2 ]; do sleep 0.01; done; echo $1"
    (house.workspace.hooks / "one.sh").write_text(f"#!/bin/sh\n{wait}\n")
    (house.workspace.hooks / "one.sh").chmod(0o755)
    handlers = [{"command": "hooks/one.sh one two"}, {"command": "hooks/one.sh two one"}]
    house.configure({"UserPromptSubmit": [{"hooks": handlers}]})
    house.drop("a.md", "a")
    house.drain()
    assert messages(house, 0)[0]["content"].split() == ["one", "two"]


def test_hooks_of_a_sequential_group_are_asked_one_after_the_other(house: House) -> None:
    """After a refusal the rest is not asked."""
    handlers = [{"id": "one", "command": "touch one; sleep 0.1; touch two"},
                {"id": "two", "command": "[ -e two ] || exit 1; echo stop >&2; exit 2"},
                {"id": "three", "command": "touch three"}]  # fmt: skip
    house.configure({"TaskCreated": [{"sequential": True, "hooks": handlers}]})
    house.drop("a.md", "a")
    house.drain()
    assert [(run.hook_id, run.outcome) for run in house.runs()] == [("one", "allowed"), ("two", "blocked")]
    assert not (house.home / "three").exists()


def test_an_async_hook_of_a_gate_decides_nothing(house: House) -> None:
    """It is news: delivered, tried again, and nobody waits for it."""
    gate(house, "Stop", "cat > told.json; [ -e once ] || { touch once; exit 1; }; exit 0",
         **{"async": True, "retries": 2})  # fmt: skip
    house.drop("a.md", "a")
    house.drain()
    assert (house.result()["outcome"], house.result()["turns"]) == ("done", 1)
    assert [run.outcome for run in house.runs()] == ["retry", "delivered"]
    told = json.loads((house.home / "told.json").read_text())
    assert (told["hook_event_name"], told["attempt"], told["last_assistant_message"]) == (
        "Stop",
        2,
        house.result()["output"],
    )


def test_a_task_that_waits_for_its_next_answer_survives_a_restart(house: House) -> None:
    """The refused answer, what was said to it and how often it was refused are kept."""
    house.kimi.add(Fault(text="One"), Fault("hang"))
    gate(house, "Stop", "cat > told.json; grep -q One told.json && { echo more >&2; exit 2; }; exit 0")
    house.drop(f"{TASK}.md", "a")
    runner = house.start()
    until(lambda: len(house.kimi.requests) == 2)
    runner.kill()
    runner.wait()
    house.drain()
    assert house.result()["outcome"] == "done"
    assert [message["content"] for message in messages(house, 2)] == ["a", "One", "more"]
    assert json.loads((house.home / "told.json").read_text())["stop_hook_count"] == 1


@pytest.mark.parametrize("event", ["TaskCreated", "UserPromptSubmit", "Stop"])
def test_a_gate_whose_record_cannot_be_written_is_asked_again(
    house: House, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    """The journal fails once: the gate is asked again, the call is not made again, and the task is done."""
    failing = iter([JournalError("the disk is full")])

    def record(*arguments: Any) -> None:
        for error in failing:
            raise error
        real(*arguments)

    real = gates._record
    monkeypatch.setattr(gates, "_record", record)
    monkeypatch.setattr(schedule, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(started, "ANSWERED_SECONDS", 0.05)
    gate(house, event, "echo asked >> asked.txt")
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["attempts"], result["turns"], result["crashes"]) == ("done", 1, 1, 0)
    assert len(house.kimi.requests) == 1
    assert (house.home / "asked.txt").read_text().count("asked") == 2


def test_a_hook_that_hangs_at_a_gate_is_ended_and_does_not_refuse(house: House) -> None:
    """After its time-out the task goes on, with a warning; other tasks were answered meanwhile."""
    gate(house, "TaskCreated", '[ "$KIMI_TASK_NAME" = a ] && exec sleep 60; exit 0', timeout=0.5)
    house.drop("a.md", "a")
    house.drop("b.md", "b")
    house.drain()
    results = {entry.name: house.result(entry.id) for entry in house.entries()}
    assert [result["outcome"] for result in results.values()] == ["done", "done"]
    assert any("could not be heard" in warning for warning in results["a"]["warnings"])
    assert results["b"]["completed_at"] <= results["a"]["completed_at"]


@pytest.mark.parametrize("event", ["TaskCreated", "UserPromptSubmit", "Stop"])
def test_a_guard_that_fails_refuses(house: House, event: str) -> None:
    """With `onFailure: block` a failed hook ends the task as `blocked`; an answer that was not judged is kept."""
    gate(house, event, "exit 1", onFailure="block")
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["error"]["kind"]) == ("failed", "blocked")
    assert bool(result["output"]) == (event == "Stop")
    assert len(house.kimi.requests) == (1 if event == "Stop" else 0)


def test_a_hook_can_end_it_all(house: House) -> None:
    """`continue: false` goes over a refusal: at Stop the answer stands, at UserPromptSubmit the task has ended."""
    said = json.dumps({"continue": False, "stopReason": "enough", "decision": "block", "reason": "more"})
    gate(house, "Stop", f"echo '{said}'")
    house.drop("a.md", "a")
    house.drain()
    assert (house.result()["outcome"], house.result()["turns"]) == ("done", 1)
    assert any("enough" in warning for warning in house.result()["warnings"])
    gate(house, "UserPromptSubmit", f"echo '{said}'")
    house.drop("b.md", "b")
    house.drain()
    result = house.result(house.entries()[-1].id)
    assert (result["outcome"], result["error"]["kind"]) == ("failed", "blocked")
    assert "enough" in result["error"]["message"]


def test_context_at_stop_sends_kimi_on(house: House) -> None:
    """`additionalContext` without a refusal is a message to Kimi all the same, and counts like one."""
    said = json.dumps({"hookSpecificOutput": {"hookEventName": "Stop", "additionalContext": "and in French"}})
    gate(house, "Stop", f"""[ -e once ] || {{ touch once; echo '{said}'; }}""")
    house.drop("a.md", "a")
    house.drain()
    assert house.prompts() == ["a", "and in French"]
    assert house.result()["turns"] == 2


def test_what_a_hook_says_to_people_stands_in_the_result(house: House) -> None:
    """`systemMessage` of each gate is a warning."""
    for event in ("TaskCreated", "UserPromptSubmit", "Stop"):
        gate(house, event, f"""echo '{{"systemMessage": "from {event}"}}'""")
        house.drop(f"{event}.md", "a")
        house.drain()
        assert any(f"from {event}" in told for told in house.result(house.entries()[-1].id)["warnings"])


def test_too_long_a_text_is_cut_and_lies_in_a_file(house: House) -> None:
    """Kimi gets 10,000 characters at most; the whole text lies where the end of its text says."""
    gate(house, "UserPromptSubmit", "head -c 30000 /dev/zero | tr '\\0' x")
    house.drop("a.md", "a")
    house.drain()
    sent = messages(house, 0)[0]["content"]
    assert len(sent) <= 10_000
    (kept,) = house.workspace.hook_runs.glob("*.txt")
    assert str(kept) in sent
    assert kept.read_text() == "x" * 30_000


def test_a_gate_that_cannot_start_is_no_refusal(house: House) -> None:
    """An interpreter that is gone ends with 2 in some shells: it is a failure, and says what is wrong."""
    house.configure({"TaskCreated": [{"hooks": [{"id": "gone", "command": "python3 hooks/gone.py"}]}]})
    house.drop("a.md", "a")
    house.drain()
    assert house.result()["outcome"] == "done"
    (run,) = house.runs()
    assert run.outcome == "failed"
    assert "gone.py" in (run.reason or "")


def test_gates_are_not_asked_when_hooks_are_off(house: House) -> None:
    """`disableAllHooks`, `enabled: false` and a matcher that names others: nothing is asked, nothing is kept."""
    refuse = {"command": "echo no >&2; exit 2"}
    for event in ("TaskCreated", "UserPromptSubmit", "Stop"):
        house.configure({event: [{"hooks": [refuse]}]}, disableAllHooks=True)
        house.drop("off.md", "a")
        house.drain()
        house.configure(
            {event: [{"hooks": [{**refuse, "enabled": False}]}, {"matcher": "other", "hooks": [{**refuse, "id": "x"}]}]}
        )
        house.drop("on.md", "a")
        house.drain()
    assert {house.result(entry.id)["outcome"] for entry in house.entries()} == {"done"}
    assert not house.runs()


def test_a_pause_keeps_the_context_for_later(house: House) -> None:
    """A refused key comes back after the gate: the task is sent again with its context, and the gate is not asked."""
    house.kimi.add(Fault("http", status=401, type="invalid_authentication_error"))
    gate(house, "UserPromptSubmit", "echo context")
    house.drop("a.md", "a")
    house.drain()
    assert house.call("resume").returncode == 0
    house.drain()
    assert house.result()["outcome"] == "done"
    assert len(house.runs()) == 1
    assert messages(house, -1)[0]["content"].strip() == "context"


def test_a_refusal_leaves_nothing_behind(house: House) -> None:
    """The folder of a run is kept to find a fault in; to say no is none."""
    house.hook("#!/bin/sh\necho {{ task_name }} >&2; exit 2\n", "no.sh.j2", event="TaskCreated")
    house.drop("a.md", "a")
    house.drain()
    assert house.result()["error"]["kind"] == "blocked"
    assert not list(house.workspace.hook_runs.iterdir())


def test_what_a_crash_left_of_a_transcript_is_tidied_away(house: House) -> None:
    """A transcript that was being written lies under another name, and is of no use to anybody."""
    house.drain()
    left = house.workspace.transcripts / f"{TEMPORARY_PREFIX}kimi-1"
    left.write_text("half")
    house.drain()
    assert not left.exists()


def test_a_refusal_in_silence_tells_kimi_that_there_was_one(house: House) -> None:
    """What people are told of such an end is none of Kimi's business."""
    gate(house, "Stop", "[ -e once ] && exit 0; touch once; exit 2")
    house.drop("a.md", "a")
    house.drain()
    assert house.prompts()[1].startswith("Your answer was refused, and no reason was given.")
    assert house.runs()[0].outcome == "blocked"
    assert house.prompts()[1] not in (house.runs()[0].reason or "")


@pytest.mark.parametrize(
    ("event", "shown"),
    [("TaskCreated", "held (TaskCreated)"), ("UserPromptSubmit", "executing (UserPromptSubmit)"),
     ("Stop", "executing (Stop)")],
)  # fmt: skip
def test_status_tells_at_which_gate_a_task_stands(house: House, event: str, shown: str) -> None:
    """A person sees what a task waits for, and a program finds it under `gate`."""
    gate(house, event, "touch begun; while [ ! -e go ]; do sleep 0.01; done")
    house.drop("a.md", "a")
    with house.running():
        until((house.home / "begun").exists)
        assert shown in house.call("status").stdout
        (row,) = json.loads(house.call("status", "--json").stdout)["open"]
        assert row["gate"] == event
        (house.home / "go").touch()
        until(lambda: house.entry().state == State.COMPLETED)
        assert house.entry().gate is None


def test_without_gates_a_transcript_is_made_for_hooks_that_speak_of_it(house: House) -> None:
    """To make one for each task takes time; a script that reads it, behind its interpreter too, finds it."""
    house.hook("#!/bin/sh\ncat > told.json\n")
    house.drop("a.md", "a")
    house.drain()
    assert json.loads((house.home / "told.json").read_text())["transcript_path"] is None
    assert not list(house.workspace.transcripts.iterdir())
    script = house.workspace.hooks / "hook.sh"
    script.write_text('#!/bin/sh\ncp "$(jq -r .transcript_path)" copy.jsonl\n')
    for command in (
        "hooks/hook.sh",
        "sh hooks/hook.sh",
        '"$CLAUDE_PROJECT_DIR"/hooks/hook.sh',
        "cd . && hooks/hook.sh",
    ):
        house.configure({"TaskCompleted": [{"hooks": [{"command": command}]}]})
        house.drop("b.md", f"prompt for {command}")
        house.drain()
        lines = [json.loads(line) for line in (house.home / "copy.jsonl").read_text().splitlines()]
        assert [line["type"] for line in lines] == ["user", "assistant"]
        assert lines[0]["message"]["content"] == f"prompt for {command}"
