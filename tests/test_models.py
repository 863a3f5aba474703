"""Which model is asked for a task, what is sent to it, and what the person is told when it is another one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kimi_hooks.clock import Clock, parse_iso
from kimi_hooks.journal import facts
from tests.house import House, until

# The official hosts are not to be reached from here; what holds for them holds for tasks for the imitation.
OLD = {"prompt": "a", "model": "moonshot-v1-128k", "standin": True}


def config_of(house: House, **kimi: Any) -> None:
    house.configure(kimi=kimi)


def test_a_retired_model_is_replaced(house: House) -> None:
    """The successor answers; the result keeps the name that was asked for and warns; the log warns once."""
    house.drop("a.json", OLD)
    house.drain()
    result = house.result()
    assert (result["outcome"], result["requested_model"], result["model"]) == ("done", "moonshot-v1-128k", "kimi-k3")
    (warning,) = [warning for warning in result["warnings"] if "moonshot-v1-128k" in warning]
    assert "kimi-k3 is asked in its place" in warning


def test_the_log_warns_once_for_each_task(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """However often it is tried; the result tells it once, too, though it failed."""
    house.configure(retry={"max_attempts": 3, "first_pause": 0.01})
    house.drop("a.json", {**OLD, "prompt": "standin: status=500 times=9"})
    house.drain()
    result = house.result()
    assert (result["attempts"], result["error"]["kind"]) == (3, "server_error")
    told = "moonshot-v1-128k is retired"
    assert len([record for record in caplog.records if told in record.getMessage()]) == 1
    assert [record.levelname for record in caplog.records if told in record.getMessage()] == ["WARNING"]
    assert len([warning for warning in result["warnings"] if told in warning]) == 1


def test_the_default_model_may_be_retired_too(house: House) -> None:
    """KIMI_MODEL is no more than a name that a task did not give."""
    house.drop("a.json", {"prompt": "a", "standin": True})
    house.drain(KIMI_MODEL="kimi-latest")
    result = house.result()
    assert (result["requested_model"], result["model"]) == ("kimi-latest", "kimi-k3")


def test_another_host_is_asked_for_what_was_written(house: House) -> None:
    """A relay may have it still; if not, it says so."""
    house.drop("a.json", {"prompt": "a", "model": "moonshot-v1-128k"})
    house.drain()
    assert [request.body and request.body["model"] for request in house.kimi.requests] == ["moonshot-v1-128k"]
    assert house.result()["error"]["kind"] == "model_not_found"


def test_send_asks_for_what_was_written(house: House) -> None:
    """`kimi.retired_models: send` changes nothing; the imitation does not know the name."""
    config_of(house, retired_models="send")
    house.drop("a.json", OLD)
    house.drain()
    result = house.result()
    assert (result["error"]["kind"], result["error"]["http_status"]) == ("model_not_found", 404)


def test_a_host_that_has_not_a_retired_model_is_explained(house: House) -> None:
    """Whoever runs an old script is told what became of the name, and what to ask instead."""
    house.drop("a.json", {"prompt": "a", "model": "moonshot-v1-128k"})
    house.drain()
    error = house.result()["error"]
    assert error["kind"] == "model_not_found"
    for words in ("moonshot-v1-128k is retired since 2026-08-31", "kimi-k3 follows it"):
        assert words in error["message"]


def test_fail_asks_nobody(house: House) -> None:
    """`kimi.retired_models: fail` ends the task at once and names the successor."""
    config_of(house, retired_models="fail")
    house.drop("a.json", OLD)
    house.drain()
    error = house.result()["error"]
    assert (error["kind"], error["http_status"]) == ("model_not_found", None)
    assert "take kimi-k3" in error["message"]


def test_what_the_successor_refuses_is_left_out(house: House) -> None:
    """The old model took any temperature, the new one does not: the request is that of the model that is asked."""
    house.drop("a.json", {**OLD, "temperature": 0.3})
    house.drain()
    result = house.result()
    assert result["outcome"] == "done"
    assert any("temperature 0.3 was not sent: kimi-k3" in warning for warning in result["warnings"])


def test_prices_of_ones_own_make_a_cost(house: House) -> None:
    """What config.yaml says of a relay's models and money is what the result reckons with."""
    price = {"USD": {"hit": 1e6, "miss": 1e6, "output": 1e6}}
    config_of(house, models={"kimi-k3": {"prices": price}}, currency="USD")
    house.drop("a.md", "a")
    house.drain()
    result = house.result()
    assert result["cost"] == {"amount": float(result["tokens"]["total"]), "currency": "USD"}


def test_a_parameter_of_ones_own_model_is_heeded(house: House) -> None:
    """`fixed` under kimi.models takes back what the program's list says."""
    config_of(house, models={"kimi-k2.6": {"thinking": "always", "fixed": {"temperature": 0.5}}})
    house.drop("a.json", {"prompt": "a", "model": "kimi-k2.6", "thinking": "disabled", "temperature": 1.0})
    house.drain()
    body = house.kimi.requests[0].body or {}
    assert {"temperature", "thinking"}.isdisjoint(body)


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ("---\nmodel: kimi-k2.6\nthinking: disabled\n---\na", {"type": "disabled"}),
        ("---\nmodel: kimi-k2.6\nthinking: enabled\n---\na", {"type": "enabled"}),
        ("---\nmodel: kimi-k2.6\n---\na", None),
    ],
)
def test_a_task_may_do_without_thinking(house: House, content: str, sent: dict[str, str] | None) -> None:
    """`thinking` of a task file goes to a model that has the switch."""
    house.drop("a.md", content)
    house.drain()
    assert (house.kimi.requests[0].body or {}).get("thinking") == sent


@pytest.mark.parametrize("word", ["on", "off", "true", "Enabled"])
def test_other_words_for_thinking_are_refused(house: House, word: str) -> None:
    """YAML makes some of them true or false; the refusal names the two that are taken."""
    house.drop("a.md", f"---\nthinking: {word}\n---\na")
    house.drain()
    assert f"thinking: must be enabled or disabled, not '{word}'" in house.result()["error"]["message"]


def test_dispatch_refuses_other_words_for_thinking(house: House) -> None:
    """At once, and not when the task's turn comes."""
    finished = house.call("dispatch", "-p", "x", "--thinking", "on")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert "thinking: must be enabled or disabled, not 'on'" in finished.stderr


def test_nothing_of_ours_is_in_the_body(house: House) -> None:
    """Kimi sees no metadata, no address of a webhook, no secret, no group: not in one byte of what is sent."""
    secrets = {"WEBHOOK_URL": "https://hook.example.test/in", "WEBHOOK_SECRET": "whsec_c2VjcmV0", "MY_TOKEN": "tok-123"}
    house.workspace.secrets_file.write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    ours = {"name": "its-name", "group": "-529", "channel": "slack", "account": "acc", "thread_id": "t14",
            "reply_to": "r77", "dedupe_key": "dk-1", "metadata": {"ticket": "M-42"}}  # fmt: skip
    house.drop("kimi-1700000000-aaaaaaaa.json", {"prompt": "a", "system": "s", "max_tokens": 9, **ours})
    house.drain()
    raw = house.kimi.requests[0].raw.decode()
    sent = json.loads(raw)
    assert set(sent) == {"model", "messages", "stream", "stream_options", "max_completion_tokens"}
    told = [*secrets, *secrets.values(), "kimi-1700000000-aaaaaaaa", "metadata", "ticket", "M-42", "its-name", "slack"]
    told += ["-529", "acc", "t14", "r77", "dk-1", house.environ["KIMI_API_KEY"], str(house.home)]
    assert [word for word in told if word in raw] == []


# What is told beforehand


def test_the_runner_says_at_its_start_that_the_default_is_retired(house: House) -> None:
    """The log tells the successor and both prices, and nobody is called for it; status names who is asked."""
    house.start(KIMI_MODEL="kimi-k2.5", KIMI_API_URL="https://api.moonshot.cn/v1")
    assert "WARNING KIMI_MODEL (environment): kimi-k2.5 is retired" in house.log.replace("  ", " ")
    assert "before 4 and 21" in house.log
    told = json.loads(house.call("status", "--json").stdout)["kimi"]
    assert "kimi-k2.5 (retired, kimi-k3 is asked)" in told
    assert house.kimi.requests == ()


def test_the_runner_says_at_its_start_that_the_default_is_unknown(house: House) -> None:
    """A slip of the pen shows before the first task."""
    house.start(KIMI_MODEL="kimi-k33")
    assert "nothing is known of the model kimi-k33" in house.log


def test_the_runner_says_nothing_of_a_model_that_is_well(house: House) -> None:
    """No line without need."""
    house.start()
    until(lambda: "runner started" in house.log)
    assert "KIMI_MODEL" not in house.log


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        (["--standin", "--model", "moonshot-v1-8k"], {}),
        (["--model", "moonshot-v1-8k"], {"KIMI_API_URL": "https://api.moonshot.ai/v1"}),
        ([], {"KIMI_API_URL": "https://api.moonshot.ai/v1", "KIMI_MODEL": "moonshot-v1-8k"}),
    ],
)
def test_dispatch_says_who_will_be_asked(house: House, options: list[str], environ: dict[str, str]) -> None:
    """Whoever types an old name learns it at once, on stderr; the id alone stands on stdout."""
    house.environ.update(environ)
    finished = house.call("dispatch", "-p", "x", *options)
    assert finished.returncode == 0
    assert finished.stdout.startswith("kimi-")
    assert "moonshot-v1-8k is retired (since 2026-08-31), so kimi-k3 is asked in its place" in finished.stderr


@pytest.mark.parametrize("options", [["--model", "moonshot-v1-8k"], ["--model", "kimi-k9"], []])
def test_dispatch_says_nothing_without_need(house: House, options: list[str]) -> None:
    """Another host may have it, and of an unknown one nothing can be said."""
    assert "kimi-k3" not in house.call("dispatch", "-p", "x", *options).stderr
    assert house.read_journal(facts.pause_of) is None


def test_a_day_of_retirement_that_has_not_come_changes_nothing(house: House) -> None:
    """The model itself answers, and nothing is warned of; the runner's clock says which day it is."""
    config_of(house, models={"kimi-k2.6": {"retired": "2999-12-31", "successor": "kimi-k3"}})
    house.drop("a.json", {"prompt": "a", "model": "kimi-k2.6", "standin": True})
    house.drain()
    assert house.result()["model"] == "kimi-k2.6"
    assert not any("retired" in warning for warning in house.result()["warnings"])


def test_the_day_of_retirement_is_that_of_the_runners_clock(house: House) -> None:
    """On the day itself the successor answers."""
    config_of(house, models={"kimi-k2.6": {"retired": "2999-12-31", "successor": "kimi-k3"}})
    noon = parse_iso("2999-12-31T12:00:00")
    house.drop("a.json", {"prompt": "a", "model": "kimi-k2.6", "standin": True})
    house.drain(Clock(now=lambda: noon, boot_id=str))
    assert house.result()["model"] == "kimi-k3"
