"""The examples in a running workspace, where they steer tasks or post by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from kimi_hooks import config
from kimi_hooks.standin.faults import Fault
from tests.examples import EXAMPLES, config_of, install
from tests.house import House
from tests.receiver import Receiver
from tests.test_examples_asked import BAD, GOOD, SECRETS, VALID, needs_jq

# What each service would get, and where it is in the config.
HOSTS = ("https://hooks.slack.com", "https://api.telegram.org", "https://ntfy.sh")
SECRET = "hidden-token"
NAME = "it's <!channel> & more"


def outcomes(house: House) -> list[str]:
    return [run.outcome for run in house.runs()]


def test_kimi_is_sent_back_until_the_tests_pass(house: House) -> None:
    """The first answer fails its tests, Kimi is told why, and the second one is the result."""
    install(house, "run-tests")
    house.kimi.add(Fault(text=BAD, times=1), Fault(text=GOOD, times=1))
    house.drop("code-a.md", "Write f.")
    house.drain()
    assert outcomes(house) == ["blocked", "allowed"]
    assert "assert 1 == 2" in house.prompts()[1]
    assert (house.result()["outcome"], house.result()["output"]) == ("done", GOOD)


def test_only_tasks_of_that_name_are_tested(house: House) -> None:
    """Code of other answers is not run."""
    install(house, "run-tests")
    house.kimi.add(Fault(text=BAD, times=1))
    house.drop("story.md", "Write f.")
    house.drain()
    assert (outcomes(house), house.result()["outcome"]) == ([], "done")


@needs_jq
def test_kimi_is_sent_back_until_the_json_is_right(house: House) -> None:
    """The first answer breaks a rule, Kimi is told which, and the second one is the result."""
    install(house, "check-json")
    house.kimi.add(Fault(text='{"title": ""}', times=1), Fault(text=VALID, times=1))
    house.drop("json-a.md", "Describe it.")
    house.drain()
    assert outcomes(house) == ["blocked", "allowed"]
    assert "- `title` must be a text" in house.prompts()[1]
    assert house.result()["output"] == VALID


def test_a_prompt_with_a_secret_is_not_sent(house: House) -> None:
    """The task fails, Kimi is asked nothing, and the reason does not repeat the secret."""
    install(house, "refuse-secrets")
    secret = SECRETS["a GitHub token"]
    house.drop("a.md", f"Use {secret}.")
    house.drain()
    error = house.result()["error"]
    assert error["kind"] == "blocked"
    assert "a GitHub token on line 1" in error["message"]
    assert house.kimi.requests == ()
    assert secret not in str(error) + str(house.runs()) + house.log


def test_without_its_guard_nothing_is_sent(house: House) -> None:
    """A guard that cannot run refuses."""
    install(house, "refuse-secrets")
    (house.workspace.hooks / "refuse-secrets.py").unlink()
    house.drop("a.md", "hello")
    house.drain()
    assert house.result()["error"]["kind"] == "blocked"
    assert house.kimi.requests == ()


def test_conventions_go_along(house: House) -> None:
    """Kimi is told what stands in the repository, and the prompt as it was."""
    install(house, "add-conventions")
    (house.home / "shop").mkdir()
    (house.home / "shop" / "AGENTS.md").write_text("Use tabs.")
    house.drop("a.json", {"prompt": "Write f.", "metadata": {"repo": "shop"}})
    house.drain()
    (request,) = house.kimi.requests
    assert request.body
    told = "\n".join(str(message["content"]) for message in request.body["messages"])
    assert "Use tabs." in told
    assert "Write f." in told


@pytest.mark.parametrize(("length", "status"), [(100_000, "done"), (100_001, "failed")])
def test_large_prompts_are_refused(house: House, length: int, status: str) -> None:
    """At the limit it is sent, above it it is not."""
    install(house, "limit-size")
    house.drop("a.json", {"prompt": "a" * length})
    house.drain()
    assert house.result()["status"] == status
    assert len(house.kimi.requests) == (status == "done")


def test_large_answers_are_noted(house: House) -> None:
    """Only the task that took many tokens is."""
    install(house, "limit-size")
    house.drop("a.md", "standin: size=300KB no-cap")
    house.drop("b.md", "small")
    house.drain()
    large, _ = sorted(house.entries(), key=lambda entry: entry.name)
    notes = list((house.home / "large-answers").iterdir())
    assert [note.name for note in notes] == [f"{large.id}-TaskCompleted"]
    assert notes[0].read_text() == f"{house.workspace.result_file(large.id)}\n"


# chat-http


def set_up(house: House, receiver: Receiver, *wanted: str) -> None:
    """Install the wanted handlers, with the receiver in place of the services, and what they need in .env.kimi."""
    hooks = config_of("chat-http")["hooks"]
    for groups in hooks.values():
        for group in groups:
            group["hooks"] = [local(one, receiver.url) for one in group["hooks"] if one["id"] in wanted]
    house.configure(hooks)
    values = {"SLACK_WEBHOOK": f"T0/B0/{SECRET}", "TELEGRAM_BOT_TOKEN": SECRET, "NTFY_TOPIC": SECRET}
    house.workspace.secrets_file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def local(handler: dict[str, Any], url: str) -> dict[str, Any]:
    (host,) = [host for host in HOSTS if handler["url"].startswith(f"{host}/")]
    return {**handler, "url": handler["url"].replace(host, url), "allow_private": True}


def test_the_config_for_chats_can_be_pasted() -> None:
    """It is a good config by itself."""
    text = (EXAMPLES / "chat-http" / "config.yaml").read_text()
    assert len(config.parse(text, "chat-http").named_hooks()) == 4


def test_slack_is_told(house: House, receiver: Receiver) -> None:
    """A name is plain text there: it can call nobody."""
    set_up(house, receiver, "slack")
    house.drop("a.json", {"prompt": "hello", "name": NAME, "standin": True})
    house.drain()
    (seen,) = receiver.seen
    assert seen.path == f"/services/T0/B0/{SECRET}"
    assert seen.json == {"text": "it's &lt;!channel&gt; &amp; more: done"}
    assert SECRET not in str(house.runs()) + house.log


def test_slack_is_told_of_failures(house: House, receiver: Receiver) -> None:
    """With the kind of error."""
    set_up(house, receiver, "slack")
    house.drop("a.json", {"prompt": "standin: status=400 type=content_filter", "name": "a"})
    house.drain()
    assert [seen.json for seen in receiver.seen] == [{"text": "a: failed (content_filter)"}]


def test_telegram_is_told(house: House, receiver: Receiver) -> None:
    """The task's group is the chat, the text holds the beginning of the answer and fits; without a group nobody is."""
    set_up(house, receiver, "telegram")
    house.drop("a.json", {"prompt": "standin: size=20KB", "name": NAME, "group": "-5298003529"})
    house.drop("b.md", "hello")
    house.drain()
    (seen,) = receiver.seen
    assert seen.path == f"/bot{SECRET}/sendMessage"
    assert seen.json["chat_id"] == "-5298003529"
    assert seen.json["text"].startswith(f"{NAME}: done\n\n")
    assert len(seen.json["text"]) < 2048


def test_ntfy_is_told(house: House, receiver: Receiver) -> None:
    """Title and message are in the JSON, and the headers tell ntfy to take them out of it."""
    set_up(house, receiver, "ntfy")
    house.drop("a.json", {"prompt": "hello", "name": NAME})
    house.drain()
    (seen,) = receiver.seen
    assert seen.path == f"/{SECRET}"
    assert (seen.headers["x-template"], seen.headers["x-title"]) == ("yes", "{{.title}}")
    assert seen.headers["x-message"] == "{{.message}}"
    assert seen.json == {"title": "Kimi: done", "message": NAME}


@pytest.mark.parametrize("service", ["slack", "telegram", "ntfy"])
def test_a_busy_service_is_asked_again(house: House, receiver: Receiver, service: str) -> None:
    """What was busy at first gets the same once more."""
    set_up(house, receiver, service)
    receiver.answer(503)
    house.drop("a.json", {"prompt": "hello", "name": "a", "group": "g"})
    house.drain()
    assert outcomes(house) == ["retry", "delivered"]
    assert receiver.seen[0].json == receiver.seen[1].json
