"""What a failed call means: again later, never again, or a pause of the whole queue."""

from __future__ import annotations

import logging
import re
import time

import pytest

from kimi_hooks.journal import facts
from kimi_hooks.standin.faults import Fault
from kimi_hooks.states import Outcome, State
from tests.house import House, until


@pytest.mark.parametrize(
    "fault",
    [
        Fault("http", status=500),
        Fault("http", status=503),
        Fault("http", status=429, type="engine_overloaded_error"),
        Fault("http", status=429, type="rate_limit_reached_error"),
        Fault("reset"),
        Fault("cut"),
        Fault("no-done"),
        Fault("stream-error", type="server_error"),
        Fault("malformed"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.type or fault.status}",
)
def test_what_passes_is_tried_again(house: House, fault: Fault) -> None:
    """A fault that passes costs another attempt and nothing else."""
    house.kimi.add(fault)
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["attempts"]) == ("done", 2)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("http", status=400, type="invalid_request_error"), "invalid_request"),
        (Fault("http", status=400, type="content_filter"), "content_filter"),
        (Fault("http", status=404, type="resource_not_found_error"), "model_not_found"),
        (Fault(finish_reason="content_filter"), "content_filter"),
        (Fault(text="", finish_reason="length"), "max_output_tokens"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_pass_is_never_tried_again(house: House, fault: Fault, kind: str) -> None:
    """One call, one failed result that names the kind."""
    house.kimi.add(fault)
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert (result["outcome"], result["error"]["kind"], result["attempts"]) == ("failed", kind, 1)
    assert len(house.kimi.requests) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("http", status=401, type="invalid_authentication_error"), "authentication_failed"),
        (Fault("http", status=429, type="exceeded_current_quota_error"), "billing_error"),
    ],
    ids=["key", "quota"],
)
def test_a_refused_key_or_an_empty_account_pauses_the_queue(house: House, fault: Fault, reason: str) -> None:
    """No task fails for it; the pause survives a restart and ends with `resume`."""
    house.configure(limits={"concurrency": 1, "requests_per_minute": 1000})
    house.kimi.add(fault)
    for name in "abc":
        house.drop(f"{name}.md", name)
    assert house.drain().has_failures
    house.drain()
    assert len(house.kimi.requests) == 1
    assert [entry.state for entry in house.entries()] == [State.AVAILABLE] * 3
    assert house.read_journal(facts.paused) == reason
    assert house.call("resume").returncode == 0
    house.drain()
    assert [entry.outcome for entry in house.entries()] == [Outcome.DONE] * 3
    assert [house.result(entry.id)["attempts"] for entry in house.entries()] == [1, 1, 1]


def test_a_task_that_is_due_again_at_once_is_not_confused_with_its_last_call(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """However late the thread of the failed call is done: no answer is lost, none is paid twice."""
    house.configure(
        limits={"requests_per_minute": 10_000, "concurrency": 50}, retry={"first_pause": 0.001, "max_attempts": 99}
    )
    house.kimi.add(Fault("http", status=500, times=400))
    for number in range(200):
        house.drop(f"{number}.md", "a")
    house.drain()
    assert len(house.kimi.requests) == 600
    assert {entry.outcome for entry in house.entries()} == {Outcome.DONE}
    assert [record for record in caplog.records if record.exc_info] == []


def test_the_log_names_the_request_id_of_every_call(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Answered, cut at its cap, tried again or refused for good: Kimi's support can look each call up."""
    caplog.set_level(logging.INFO, "kimi_hooks")
    house.kimi.add(
        Fault("http", status=500),
        Fault(text="Half an ans", finish_reason="length"),
        Fault(text="wer"),
        Fault("http", status=400, type="content_filter"),
    )
    house.drop("a.md", "a")
    house.drain()
    house.drop("b.md", "b")
    house.drain()
    told = re.findall(r" request=(\S+)", caplog.text)
    assert told == ["standin-000001", "standin-000002", "standin-000003", "standin-000004"]


def test_attempts_are_bounded(house: House) -> None:
    """After max_attempts calls the task fails with the kind of the last error."""
    house.configure(retry={"max_attempts": 3, "first_pause": 0.01})
    house.kimi.add(Fault("http", status=500, times=99))
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert (result["attempts"], result["error"]["kind"], result["error"]["http_status"]) == (3, "server_error", 500)
    assert len(house.kimi.requests) == 3


def test_retry_after_is_a_floor(house: House) -> None:
    """A task told to come back in a second does not come back earlier, whatever our own pause would be."""
    house.kimi.add(Fault("http", status=429, type="rate_limit_reached_error", headers={"Retry-After": "1"}))
    house.drop("a.md", "a")
    house.drain()
    first, second = house.kimi.requests
    assert second.at - first.at >= 1.0


def test_a_retry_does_not_outlive_the_task(house: House) -> None:
    """When the pause is longer than what is left of the time-out, the task ends at its time-out."""
    house.kimi.add(Fault("http", status=429, type="rate_limit_reached_error", headers={"Retry-After": "3600"}))
    house.drop("a.json", {"prompt": "a", "timeout": 0.3})
    house.drain()
    assert house.result()["error"]["kind"] == "timeout"


def test_only_what_the_model_accepts_is_sent(house: House) -> None:
    """A fixed parameter is left out and warned of; our own keys never travel."""
    house.drop("a.json", {"prompt": "a", "temperature": 0.3, "max_tokens": 99, "group": "-5", "metadata": {"k": "v"}})
    house.drain()
    body = house.kimi.requests[0].body
    assert body is not None
    assert set(body) == {"model", "messages", "stream", "stream_options", "max_completion_tokens"}
    assert body["max_completion_tokens"] == 99
    assert any("temperature" in warning for warning in house.result()["warnings"])


def test_a_password_in_the_address_is_told_nowhere(house: House) -> None:
    """An address may hold a user and a password for a relay; neither log, lock nor result shows them."""
    house.start(KIMI_API_URL=house.kimi.url.replace("//", "//bob:geheim@"))
    house.drop("kimi-1700000000-aaaaaaaa.md", "hello")
    house.wait("kimi-1700000000-aaaaaaaa")
    assert house.prompts() == ["hello"]
    assert f"at={house.kimi.url}" in house.log
    written = [file.read_bytes() for file in house.home.rglob("*") if file.is_file()]
    assert not any(b"geheim" in content for content in written)


def test_system_context_and_prompt_come_in_this_order(house: House) -> None:
    """The system text, one message for each context file with its name, then the prompt as it was given."""
    (house.home / "notes.txt").write_text("remember this")
    house.drop("a.json", {"prompt": "the prompt", "system": "be brief", "context": ["notes.txt"]})
    house.drain()
    body = house.kimi.requests[0].body
    assert body is not None
    assert [message["role"] for message in body["messages"]] == ["system", "system", "user"]
    assert "notes.txt" in body["messages"][1]["content"]
    assert "remember this" in body["messages"][1]["content"]


def test_an_unknown_price_is_null_and_never_zero(house: House) -> None:
    """Where the price is not known the cost is null and a warning says so."""
    house.drop("a.md", "a")
    house.drain()
    assert house.result()["cost"] is None
    assert any("cost" in warning for warning in house.result()["warnings"])


def test_a_kept_result_is_not_asked_for_again(house: House) -> None:
    """A runner that died before `results/` could be written carries on from what it kept."""
    house.drop("a.md", "a")
    house.drain()
    entry = house.entry()
    answer = house.result()
    house.forget_ending(entry.id, answer)
    house.drain()
    assert house.result() == answer
    assert len(house.kimi.requests) == 1


def test_a_result_on_disk_is_not_asked_for_again(house: House) -> None:
    """A runner that died between result and row finishes the row and owes the news from the result."""
    house.hook("#!/bin/sh\necho told >> told.txt\n")
    house.drop("a.md", "a")
    house.drain()
    house.undo_row(house.entry().id)
    house.drain()
    assert len(house.kimi.requests) == 1
    assert house.entry().outcome is Outcome.DONE
    assert (house.home / "told.txt").read_text() == "told\n"


def test_tokens_of_a_failed_call_are_told(house: House) -> None:
    """A call that came to nothing may be paid for: what was counted stands in the result."""
    house.kimi.add(Fault(text="some text", finish_reason="content_filter"))
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert result["error"]["kind"] == "content_filter"
    assert result["tokens"]["total"] > 0


def test_an_imitated_refusal_fails_the_imitated_task_alone(house: House) -> None:
    """What the imitation is asked to refuse pauses nobody, and is not tried for ever."""
    house.drop("a.json", {"prompt": "standin: status=401", "standin": True})
    house.drain()
    assert house.result()["error"]["kind"] == "authentication_failed"
    assert house.read_journal(facts.paused) is None


def test_a_pause_does_not_use_up_the_time_out(house: House) -> None:
    """What waits for a person has its whole time-out again after `resume`."""
    house.kimi.add(Fault("http", status=401))
    house.drop("a.json", {"prompt": "a", "timeout": 0.2})
    house.drain()
    assert house.entry().state is State.AVAILABLE
    until(lambda: time.time() > (house.entry().deadline_at or 0))
    house.drain()
    assert house.entry().state is State.AVAILABLE
    house.call("resume")
    house.drain()
    assert house.entry().outcome is Outcome.DONE


def test_a_persons_pause_outlasts_an_error(house: House) -> None:
    """A call that is refused while the queue is paused does not change whose pause it is."""
    house.kimi.add(Fault("http", status=401, latency=0.5))
    house.drop("a.md", "a")
    with house.running():
        assert house.kimi.wait_for(1)
        house.call("pause")
        until(lambda: house.entry().state is State.AVAILABLE)
    assert house.read_journal(facts.paused) == "person"
