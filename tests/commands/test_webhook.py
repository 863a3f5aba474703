"""`kimi-hooks webhook send`: what the receiver gets, and what the exit code means to a hook."""

from __future__ import annotations

import json

import pytest
from standardwebhooks import Webhook

from tests.house import House
from tests.receiver import Answer, Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def ended(house: House, receiver: Receiver) -> House:
    """One ended task; the receiver's address, with a token in it, and a secret stand where users keep them."""
    house.drop("a.json", {"prompt": "a", "name": "登入 頁"})
    house.drain()
    house.workspace.secrets_file.write_text(
        f"WEBHOOK_URL={receiver.url}/in?token=hidden-token\nWEBHOOK_SECRET={SECRET}\n"
    )
    return house


def test_the_whole_result_is_sent_and_signed(ended: House, receiver: Receiver) -> None:
    """The bytes of the file; a receiver with the same secret accepts them; the event's id as webhook-id."""
    finished = ended.call("webhook", "send")
    assert finished.returncode == 0, finished.stderr
    (seen,) = receiver.seen
    task_id = ended.entry().id
    assert seen.path == "/in?token=hidden-token"
    assert seen.body == ended.workspace.result_file(task_id).read_bytes()
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["webhook-id"] == f"{task_id}-TaskCompleted"
    assert Webhook(SECRET).verify(seen.body, dict(seen.headers)) == ended.result()
    assert finished.stdout.startswith(f'sent {task_id} to {receiver.url} (signed); it answered 200: {{"ok"')


def test_without_a_secret_it_says_so(ended: House, receiver: Receiver) -> None:
    """Nothing is signed then, and the id is there all the same."""
    ended.workspace.secrets_file.write_text(f"WEBHOOK_URL={receiver.url}\n")
    assert "(not signed, for WEBHOOK_SECRET is not set)" in ended.call("webhook", "send").stdout
    assert "webhook-signature" not in receiver.seen[0].headers
    assert receiver.seen[0].headers["webhook-id"] == f"{ended.entry().id}-TaskCompleted"


def test_every_try_has_the_same_id(ended: House, receiver: Receiver) -> None:
    """Derived from the task, or as the hook was told; an id of another task is not taken."""
    task_id = ended.entry().id
    ended.call("webhook", "send", task_id)
    ended.call("webhook", "send", KIMI_TASK_ID=task_id, KIMI_EVENT_ID=f"{task_id}-TaskCompleted")
    ended.call("webhook", "send", task_id, KIMI_EVENT_ID="kimi-1-abcdefgh-TaskFailed")
    ended.call("webhook", "send", task_id, KIMI_EVENT_ID=f"{task_id}-x\nevil: 1")
    assert {seen.headers["webhook-id"] for seen in receiver.seen} == {f"{task_id}-TaskCompleted"}
    ended.call("webhook", "send", task_id, KIMI_EVENT_ID=f"{task_id}-Other")
    assert receiver.seen[-1].headers["webhook-id"] == f"{task_id}-Other"


def test_a_failure_has_an_id_of_its_own(ended: House, receiver: Receiver) -> None:
    """The newest ended task is the one that failed."""
    ended.drop("b.md", " ")
    ended.drain()
    assert ended.call("webhook", "send").returncode == 0
    assert receiver.seen[0].headers["webhook-id"] == f"{ended.entries()[1].id}-TaskFailed"


def test_json(ended: House, receiver: Receiver) -> None:
    """What scripts read: where, which id, signed or not, what was answered."""
    told = json.loads(ended.call("webhook", "send", "--json").stdout)
    task_id = ended.entry().id
    assert told == {
        "task_id": task_id,
        "webhook_id": f"{task_id}-TaskCompleted",
        "to": receiver.url,
        "signed": True,
        "http_status": 200,
        "said": '{"ok": true, "mode": "now", "eventOutcome": "queued"}',
    }


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (301, 2, "redirects are not followed"),
        (400, 2, "the receiver's log"),
        (401, 2, "WEBHOOK_SECRET"),
        (404, 2, "WEBHOOK_URL"),
        (410, 2, "WEBHOOK_URL"),
        (408, 1, "try again later"),
        (409, 1, "try again later"),
        (425, 1, "try again later"),
        (429, 1, "try again later"),
        (500, 1, "try again later"),
    ],
)
def test_what_the_exit_code_says(ended: House, receiver: Receiver, status: int, code: int, words: str) -> None:
    """2 when the receiver refused it for good, 1 when it may pass; what it said is on one line, and no secret."""
    receiver.answers = [Answer(status, b"no\n\x1b[2J /in?token=hidden-token")]
    finished = ended.call("webhook", "send")
    assert (finished.returncode, finished.stdout) == (code, "")
    assert finished.stderr.count("\n") == 1
    assert words in finished.stderr
    assert f"{status}: no \\x1b[2J /in?***" in finished.stderr
    assert "hidden-token" not in finished.stderr
    assert SECRET not in finished.stderr


def test_what_is_not_set_up(ended: House, receiver: Receiver) -> None:
    """No address, a broken secret: exit code 1, one line with the remedy and without the secret."""
    broken = ended.call("webhook", "send", WEBHOOK_SECRET="whsec_hidden*secret")
    assert (broken.returncode, broken.stderr.count("\n")) == (1, 1)
    assert "WEBHOOK_SECRET" in broken.stderr
    assert "hidden" not in broken.stderr
    ended.workspace.secrets_file.write_text("")
    unset = ended.call("webhook", "send")
    assert (unset.returncode, unset.stderr.count("\n")) == (1, 1)
    assert "WEBHOOK_URL=" in unset.stderr
    assert receiver.seen == []
