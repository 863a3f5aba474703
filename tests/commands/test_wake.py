"""`kimi-hooks wake`: what the gateway gets, and what the exit code means to a hook."""

from __future__ import annotations

import json

import pytest

from tests.house import PROGRAM, House
from tests.receiver import Answer, Receiver

TOKEN = "hooks-token-of-nobody"


@pytest.fixture
def ended(house: House, receiver: Receiver) -> House:
    """Two ended tasks; the gateway's address and token stand where users keep them."""
    house.drop("first.json", {"prompt": "a", "name": "first", "group": "-5298003529"})
    house.drain()
    house.drop("second.json", {"prompt": "b", "name": "second"})
    house.drain()
    house.workspace.secrets_file.write_text(f"OPENCLAW_HOOKS_TOKEN={TOKEN}\nOPENCLAW_GATEWAY_URL={receiver.url}/\n")
    return house


def test_the_newest_ended_task_is_told(ended: House, receiver: Receiver) -> None:
    """Path, bearer token, mode, one line with the exact command to acknowledge; the words on stdout say queued."""
    finished = ended.call("wake")
    assert finished.returncode == 0, finished.stderr
    (seen,) = receiver.seen
    second = ended.entries()[1].id
    assert seen.path == "/hooks/wake"
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.json == {"text": seen.json["text"], "mode": "now"}
    assert f"[kimi] task {second} (second) done, " in seen.json["text"]
    assert seen.json["text"].endswith(f"then run: {PROGRAM} --home {ended.home} ack {second}")
    assert finished.stdout == f"queued by the gateway: {seen.json['text']}\n"


def test_the_command_in_the_line_acknowledges(ended: House, receiver: Receiver) -> None:
    """What the agent is told to run does what it says, from anywhere."""
    ended.call("wake")
    command = receiver.seen[0].json["text"].rpartition("then run: ")[2].split()
    assert ended.call(*command[3:]).returncode == 0
    assert [pending["task_name"] for pending in ended.pending()["pending"]] == ["first"]


def test_a_task_is_named_or_is_the_hook_s(ended: House, receiver: Receiver) -> None:
    """An id on the command line comes first, then the one that a hook is given."""
    first, second = (entry.id for entry in ended.entries())
    ended.call("wake", KIMI_TASK_ID=first)
    ended.call("wake", second, KIMI_TASK_ID=first)
    assert [first in seen.json["text"] for seen in receiver.seen] == [True, False]


def test_the_queue_is_told_of_by_the_notification_s_id(ended: House, receiver: Receiver) -> None:
    """On the command line, or as a hook has it, where it goes before the task that it is about."""
    event_id = paused(ended)
    ended.call("wake", event_id)
    ended.call("wake", "", KIMI_EVENT_ID=event_id, KIMI_TASK_ID="")
    ended.call("wake", KIMI_EVENT_ID=event_id, KIMI_TASK_ID=ended.entries()[0].id)
    assert len({seen.json["text"] for seen in receiver.seen}) == 1
    assert receiver.seen[0].json["text"].startswith("[kimi] the queue is paused since ")


def test_a_notification_that_is_not_there(ended: House, receiver: Receiver) -> None:
    """Exit code 1, one line with the id and where to look; nothing is sent."""
    finished = ended.call("wake", "notification-0")
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"kimi-hooks: notification-0: no such notification in {ended.home}; see: ")
    assert finished.stderr.count("\n") == 1
    assert receiver.seen == []


def test_a_hook_that_is_told_of_the_queue_gets_its_news(ended: House) -> None:
    """Title and message, and nothing of the newest task, which was not meant; a task that is named is told of."""
    event_id = paused(ended)
    told = ended.call("report", KIMI_EVENT_ID=event_id, KIMI_TASK_ID="")
    as_json = json.loads(ended.call("report", "--json", KIMI_EVENT_ID=event_id, KIMI_TASK_ID="").stdout)
    assert told.returncode == 0, told.stderr
    assert told.stdout == f"{as_json['title']}\n{as_json['message']}\n"
    assert (as_json["event_id"], as_json["type"]) == (event_id, "queue_paused")
    missing = ended.call("report", "notification-0")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "notification-0: no such notification" in missing.stderr
    first = ended.entries()[0].id
    assert "first" in ended.call("report", KIMI_EVENT_ID=event_id, KIMI_TASK_ID=first).stdout


def paused(house: House) -> str:
    """Pause the queue and return the id of the news of it."""
    house.call("pause")
    query = "SELECT event_id FROM notifications"
    return house.read_journal(lambda db: str(db.execute(query).fetchone()["event_id"]))


def test_the_group_is_not_told_twice(ended: House, receiver: Receiver) -> None:
    """With --group-told the line asks for no report to the group."""
    first = ended.entries()[0].id
    ended.call("wake", first)
    ended.call("wake", first, "--group-told")
    asked, told = (seen.json["text"] for seen in receiver.seen)
    assert "report to the user (telegram group -5298003529)" in asked
    assert "do not report to the telegram group -5298003529" in told


def test_words_of_your_own(house: House, receiver: Receiver) -> None:
    """They are one line, and need no task."""
    told = house.call(
        "wake", "--text", "hello\n  there", "--json", OPENCLAW_HOOKS_TOKEN=TOKEN, OPENCLAW_GATEWAY_URL=receiver.url
    )
    assert json.loads(told.stdout) == {"http_status": 200, "outcome": "queued", "text": "hello there"}
    assert receiver.seen[0].json == {"text": "hello there", "mode": "now"}
    assert house.call("wake", "--text", " ", OPENCLAW_HOOKS_TOKEN=TOKEN).returncode == 2


def test_the_path_is_configured(ended: House, receiver: Receiver) -> None:
    """`openclaw.wake_path` follows the gateway's own hooks.path."""
    ended.configure(openclaw={"wake_path": "/other/wake"})
    assert ended.call("wake").returncode == 0
    assert receiver.seen[0].path == "/other/wake"


def test_without_a_token(house: House) -> None:
    """Exit code 1, one line: which name, which file."""
    finished = house.call("wake", "--text", "x")
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert "OPENCLAW_HOOKS_TOKEN=" in finished.stderr
    assert str(house.workspace.secrets_file) in finished.stderr


def test_no_task_to_tell_of(house: House, receiver: Receiver) -> None:
    """None has ended, one is unknown, one has not ended, one has lost its file: told apart, nothing sent."""
    house.environ |= {"OPENCLAW_HOOKS_TOKEN": TOKEN, "OPENCLAW_GATEWAY_URL": receiver.url}
    assert "no task has ended" in house.call("wake").stderr
    assert "no such task" in house.call("wake", "kimi-1-abcdefgh").stderr
    later = house.call("dispatch", "-p", "x").stdout.strip()
    told = house.call("wake", later)
    assert (told.returncode, "has not ended (it is dropped)" in told.stderr) == (1, True)
    house.drain()
    house.workspace.result_file(later).unlink()
    assert "missing or spoilt" in house.call("wake", later).stderr
    assert receiver.seen == []


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (Answer(401, b"Unauthorized"), 2, "hooks.token"),
        (Answer(404, b"Not Found"), 2, "hooks.enabled"),
        (Answer(405, b""), 2, "hooks.enabled"),
        (Answer(200, b"<!doctype html>", {"Content-Type": "text/html"}), 2, "web page"),
        (Answer(200, b'{"ok":false,"error":"later"}'), 1, "later"),
        (Answer(429, b""), 1, "try again later"),
        (Answer(503, b""), 1, "try again later"),
    ],
)
def test_what_the_exit_code_says(ended: House, receiver: Receiver, answer: Answer, code: int, words: str) -> None:
    """2 when the gateway refused it for good, 1 when it may pass; one line on stderr, nothing on stdout, no token."""
    receiver.answers = [answer]
    finished = ended.call("wake", "--json")
    assert (finished.returncode, finished.stdout) == (code, "")
    assert finished.stderr.count("\n") == 1
    assert words in finished.stderr
    assert TOKEN not in finished.stderr


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("127.0.0.1:18789", "is not an address that can be posted to; write http://HOST:PORT\n"),
        ("gateway", "is not an address that can be posted to; write http://HOST:PORT\n"),
        (
            "http://127.0.0.1:9/hooks/wake",
            "must not hold the hooks path; write http://HOST:PORT alone, openclaw.wake_path",
        ),
        ("http://127.0.0.1:9/hooks/", "must not hold the hooks path; write http://HOST:PORT alone, openclaw.wake_path"),
    ],
)
def test_an_address_that_cannot_be_the_gateways(ended: House, receiver: Receiver, address: str, remedy: str) -> None:
    """Told before anything is sent, with what to write."""
    finished = ended.call("wake", OPENCLAW_GATEWAY_URL=address)
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"kimi-hooks: OPENCLAW_GATEWAY_URL {remedy}")
    assert receiver.seen == []


def test_a_prefix_before_the_hooks_path_is_no_mistake(ended: House, receiver: Receiver) -> None:
    """A gateway behind a proxy has one; and with a wake path of its own it may even be called hooks."""
    assert ended.call("wake", OPENCLAW_GATEWAY_URL=f"{receiver.url}/claw").returncode == 0
    ended.configure(openclaw={"wake_path": "/wake"})
    assert ended.call("wake", OPENCLAW_GATEWAY_URL=f"{receiver.url}/hooks").returncode == 0
    assert [seen.path for seen in receiver.seen] == ["/claw/hooks/wake", "/hooks/wake"]


def test_a_refused_token_of_the_environment(ended: House, receiver: Receiver) -> None:
    """It is told that the environment goes before .env.kimi, unless both say the same."""
    receiver.answer(401, 401)
    told = "the token came from the environment, which goes before .env.kimi"
    assert told in ended.call("wake", OPENCLAW_HOOKS_TOKEN="another-token").stderr
    refused = ended.call("wake", OPENCLAW_HOOKS_TOKEN=TOKEN).stderr
    assert "hooks.token" in refused
    assert told not in refused


def test_no_gateway_may_pass(ended: House) -> None:
    """Exit code 1, with the address and where it is set."""
    finished = ended.call("wake", OPENCLAW_GATEWAY_URL="http://127.0.0.1:9")
    assert finished.returncode == 1
    assert "http://127.0.0.1:9 gave no answer (Connection refused)" in finished.stderr
    assert "OPENCLAW_GATEWAY_URL" in finished.stderr
