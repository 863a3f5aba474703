"""News over HTTP: delivered, tried again, given up, and a receiver that is gone for good."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from kimi_hooks import config, openclaw
from kimi_hooks.config_hooks import HttpPart
from kimi_hooks.events import FIELDS, Notification
from kimi_hooks.hooks import body
from kimi_hooks.journal import deliveries, switches
from kimi_hooks.journal.store import Connection, Journal
from tests.hooks.test_posting import SECRET
from tests.house import PROGRAM, House, until
from tests.receiver import Answer, Receiver

TELL = "#!/bin/sh\ncat >> told.txt\n"


def listen(house: House, receiver: Receiver, **keys: Any) -> None:
    """Post ended tasks to the receiver, one post at a time, and write notifications into told.txt."""
    house.hook(TELL, "tell.sh")
    post = {"id": "post", "type": "http", "url": f"{receiver.url}/hidden-path", "allow_private": True, **keys}
    tell = {"id": "tell", "command": "hooks/tell.sh"}
    hooks = {"TaskCompleted": [{"hooks": [post]}], "Notification": [{"hooks": [tell]}]}
    house.configure(hooks, limits={"requests_per_minute": 10_000, "hooks": 1})


def told(house: House) -> list[dict[str, Any]]:
    """Return the notifications that hooks were told of."""
    file = house.home / "told.txt"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def posts(house: House) -> list[tuple[str, int | None, int]]:
    """Return outcome, status and attempt of each run of the hook that posts."""
    return [(run.outcome, run.http_status, run.attempt) for run in house.runs() if run.hook_id == "post"]


def test_an_ended_task_is_posted(house: House, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """The receiver gets what a command would read, signed with the workspace's secret; the record tells the status."""
    caplog.set_level("INFO")
    house.workspace.secrets_file.write_text(f"WEBHOOK_SECRET={SECRET}\nMY_TOKEN=a-hidden-token\n")
    listen(house, receiver, headers={"Authorization": "Bearer $MY_TOKEN"}, allowedEnvVars=["MY_TOKEN"])
    house.drop("a.json", {"prompt": "a", "name": "a name"})
    house.drain()
    (seen,) = receiver.seen
    fields = Webhook(SECRET).verify(seen.body, dict(seen.headers))
    assert (fields["task_name"], fields["status"], fields["attempt"]) == ("a name", "done", 1)
    assert fields["output"] == house.result()["output"]
    assert seen.headers["authorization"] == "Bearer a-hidden-token"
    assert seen.headers["webhook-id"] == f"{house.entry().id}-TaskCompleted"
    (run,) = house.runs()
    assert (run.outcome, run.http_status, run.exit_code) == ("delivered", 200, None)
    assert "hook post delivered: http=200" in caplog.text
    assert "hidden" not in caplog.text + repr(run)


def test_a_busy_receiver_is_asked_again(house: House, receiver: Receiver) -> None:
    """Each try has the same id, and says which it is."""
    receiver.answer(503, 429)
    listen(house, receiver)
    house.drop("a.md", "a")
    house.drain()
    assert posts(house) == [("retry", 503, 1), ("retry", 429, 2), ("delivered", 200, 3)]
    assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1
    assert [seen.json["attempt"] for seen in receiver.seen] == [1, 2, 3]


def test_a_receiver_says_when_to_come_back(house: House, receiver: Receiver) -> None:
    """Retry-After is waited for, where it is longer than the pause would be."""
    receiver.answers = [Answer(503, b"", {"Retry-After": "3600"})]
    listen(house, receiver)
    house.drop("a.md", "a")
    with house.running():
        until(lambda: bool(posts(house)))
    (run,) = house.runs()
    due_at = house.read_journal(
        lambda db: db.execute("SELECT due_at FROM deliveries WHERE state = 'waiting'").fetchone()
    )
    assert due_at[0] - run.ended_at == 3600


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (302, 1), (500, 3)])
def test_news_that_is_not_taken_is_given_up(house: House, receiver: Receiver, status: int, tries: int) -> None:
    """At once where the receiver refuses, after `retries` where it does not get well; and that is told."""
    receiver.answer(*[status] * tries)
    listen(house, receiver, retries=2)
    house.drop("a.md", "a")
    house.drain()
    assert [outcome for outcome, _, _ in posts(house)] == ["retry"] * (tries - 1) + ["gave_up"]
    assert [news["notification_type"] for news in told(house)] == ["hook_gave_up"]


def test_a_private_address_is_given_up(house: House, receiver: Receiver) -> None:
    """Nothing is sent to this machine unless the handler says so; the record has the remedy."""
    listen(house, receiver, allow_private=False)
    house.drop("a.md", "a")
    house.drain()
    (run,) = [run for run in house.runs() if run.hook_id == "post"]
    assert (run.outcome, run.http_status) == ("gave_up", None)
    assert "write allow_private: true" in run.stderr
    assert receiver.seen == []


def test_a_receiver_that_is_gone_is_not_asked_again(house: House, receiver: Receiver) -> None:
    """410 switches the hook off, which is told once; news that it was owed already is given up in silence."""
    receiver.answers = [Answer(503, b"", {"Retry-After": "3600"})] * 3
    listen(house, receiver)
    for name in ("a", "b", "c"):
        house.drop(f"{name}.md", name)
    with house.running():
        until(lambda: len(posts(house)) == 3)
    house.make_deliveries_due()
    receiver.answer(410)
    house.drain()
    assert len(receiver.seen) == 4
    assert posts(house)[3:] == [("gave_up", 410, 2), ("gave_up", None, 2), ("gave_up", None, 2)]
    (news,) = told(house)
    assert news["notification_type"] == "hook_disabled"
    assert news["detail"]["hook_id"] == "post"
    assert news["detail"]["event"] == "TaskCompleted"
    assert news["detail"]["why"] == "its receiver said 410: gone for good"
    assert news["detail"]["remedy"] == "kimi-hooks hooks enable post"
    assert news["detail"]["task_id"] == news["task_id"] == receiver.seen[3].json["task_id"]
    assert "The hook post is switched off: its receiver said 410: gone for good." in news["message"]
    assert news["message"].endswith("kimi-hooks hooks enable post")
    (gone,) = [run.stderr for run in house.runs() if run.hook_id == "post" and run.http_status == 410]
    assert gone.endswith("switched on with: kimi-hooks hooks enable post")
    listed = house.call("hooks", "list").stdout
    assert f"gone for good; back with: {PROGRAM} --home {house.home} hooks enable post, " in listed
    quiet = [run.stderr for run in house.runs() if run.hook_id == "post" and run.http_status is None]
    reason = "the hook 'post' is switched off (its receiver said 410: gone for good); switch it on with: "
    assert quiet == [f"{reason}kimi-hooks hooks enable post"] * 2


def test_a_hook_that_is_switched_off_is_owed_nothing(house: House, receiver: Receiver) -> None:
    """No later task is posted, until it is switched on again."""
    receiver.answer(410)
    listen(house, receiver)
    house.drop("a.md", "a")
    house.drain()
    house.drop("b.md", "b")
    house.drain()
    assert len(posts(house)) == 1
    journal = Journal(house.workspace.journal_file)
    journal.write(lambda db: switches.switch_on(db, "post"))
    journal.close()
    house.drop("c.md", "c")
    house.drain()
    assert [seen.json["task_name"] for seen in receiver.seen] == ["a", "c"]


def test_the_switch_and_its_news_come_together_or_not_at_all(house: House, receiver: Receiver) -> None:
    """What cannot be recorded whole is not recorded in part: the hook runs again."""
    receiver.answer(410, 410)
    listen(house, receiver)
    house.drop("a.md", "a")
    parts = house.parts()
    write = parts.journal.write

    def broken(operation: Any) -> Any:
        def half(db: Connection) -> Any:
            done = operation(db)
            if switches.switched_off(db) and len(receiver.seen) == 1:
                raise OSError("the disk is full")
            return done

        return write(half)

    parts.journal.write = broken  # type: ignore[method-assign]
    with house.running(parts=parts):
        until(lambda: house.workspace.journal_file.exists() and ("gave_up", 410) in [post[:2] for post in posts(house)])
    assert len(receiver.seen) == 2
    assert [post[:2] for post in posts(house)] == [("gave_up", 410)]


def test_a_notification_hook_whose_receiver_is_gone(house: House, receiver: Receiver) -> None:
    """It is told to the other hooks of notifications, and not to itself."""
    receiver.answer(410)
    house.hook("#!/bin/sh\nexit 2\n", "never.sh")
    house.hook(TELL, "tell.sh")
    post = {"id": "post", "type": "http", "url": receiver.url, "allow_private": True}
    tell = {"id": "tell", "command": "hooks/tell.sh"}
    bad = {"id": "bad", "command": "echo no >&2; exit 2"}
    house.configure({"TaskCompleted": [{"hooks": [bad]}], "Notification": [{"hooks": [post, tell]}]})
    house.drop("a.md", "a")
    house.drain()
    assert sorted(news["notification_type"] for news in told(house)) == ["hook_disabled", "hook_gave_up"]
    assert [seen.json["notification_type"] for seen in receiver.seen] == ["hook_gave_up"]
    assert house.read_journal(deliveries.counts).get("waiting") is None


def test_an_agent_is_told_of_a_hook_that_is_switched_off(house: House) -> None:
    """The line for agents has our own words only, and leaves the decision to the user."""
    detail = {"hook_id": "post", "event": "TaskCompleted", "why": "x"}
    news = Notification("notification-1", "hook_disabled", "t", "m", detail, 0.0)
    line = openclaw.queue_line(news, program="kimi-hooks", home=house.home)
    assert line.startswith("[kimi] the hook post is switched off since 1970-01-01T00:00:00Z")
    assert line.endswith("hooks enable post")


def test_check_reads_the_body(house: House) -> None:
    """A name that no event has is told with its place before anything is posted; an address is shown by its host."""
    bad = {
        "id": "bad",
        "type": "http",
        "url": "https://me:pw@hooks.example/secret",
        "body": {"a": [{"b": "{{ tesk_name }}"}]},
    }
    good = {"id": "good", "type": "http", "url": "https://hooks.example/secret", "body": {"a": "{{ task_name }}"}}
    house.configure({"TaskCompleted": [{"hooks": [bad, good]}]})
    checked = house.call("hooks", "check")
    assert checked.returncode == 1
    assert (
        "error TaskCompleted bad: body.a.0.b: the name tesk_name is unknown; did you mean 'task_name'?"
        in checked.stdout
    )
    assert "ok    TaskCompleted good: https://hooks.example\n" in checked.stdout
    assert "secret" not in checked.stdout


def test_the_bodies_in_the_documents_can_be_filled_in() -> None:
    """What docs/http-hooks.md shows as a body is one, for an event of the kind that it stands under."""
    page = (Path(__file__).parent.parent / "docs" / "http-hooks.md").read_text()
    shown = [config.parse(text, "page") for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)]
    hooks = [hook for each in shown for hook in each.each_hook()]
    bodies = [hook.handler.body for hook in hooks if isinstance(hook.handler, HttpPart) and hook.handler.body]
    known = {"task_name": "n", "status": "failed", "error": {"kind": "timeout"}, "group": "-5", "output": "o",
             "title": "t", "message": "m"}  # fmt: skip
    filled = [json.loads(body.render(each, known)) for each in bodies]
    assert filled == [
        {"text": "n: failed (timeout)"}, {"chat_id": "-5", "text": "n: failed\no"}, {"title": "t", "message": "m"}
    ]  # fmt: skip
    for each in bodies:
        body.check(each, FIELDS)


def test_a_guard_whose_receiver_is_gone_keeps_refusing(house: House, receiver: Receiver) -> None:
    """410 does not switch a hook off that says `onFailure: block`: what it guards would stand open."""
    receiver.answer(410, 410)
    guard = {"id": "post", "type": "http", "url": receiver.url, "allow_private": True, "onFailure": "block"}
    house.configure({"UserPromptSubmit": [{"hooks": [guard]}]})
    for name in ("a", "b"):
        house.drop(f"{name}.md", name)
        house.drain()
    assert [run.outcome for run in house.runs()] == ["blocked", "blocked"]
    assert house.read_journal(switches.switched_off) == {}
