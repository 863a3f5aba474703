"""News about the queue itself: told once for each change, whoever made it, whatever is killed meanwhile."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest

from kimi_hooks import config, notifying
from kimi_hooks.clock import parse_iso
from kimi_hooks.events import FIELDS, NOTIFICATION_ID
from kimi_hooks.journal import facts, tasks
from kimi_hooks.journal.deliveries import HookRun
from kimi_hooks.journal.facts import Pause
from kimi_hooks.journal.store import Connection, Journal
from kimi_hooks.standin.faults import Fault
from tests.house import House, until

FIRST, SECOND = "kimi-1700000000-aaaaaaaa", "kimi-1700000000-bbbbbbbb"
TELL = "#!/bin/sh\ncat >> told.jsonl\n"
REFUSED = Fault("http", status=401, type="invalid_authentication_error")
TELLER = {"id": "teller", "command": "hooks/tell.sh"}


def listen(house: House, script: str = TELL, *, matcher: str = "", others: Mapping[str, Any] | None = None) -> None:
    """Configure a hook for notifications that appends what it reads to told.jsonl."""
    write(house, "tell.sh", script)
    house.configure({"Notification": [{"matcher": matcher, "hooks": [TELLER]}], **(others or {})})


def write(house: House, name: str, script: str) -> None:
    (house.workspace.hooks / name).write_text(textwrap.dedent(script))
    (house.workspace.hooks / name).chmod(0o755)


def told(house: House) -> list[dict[str, Any]]:
    """Return what the hook has read so far, one for each run."""
    file = house.home / "told.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def types(house: House) -> list[str]:
    return [each["notification_type"] for each in told(house)]


def rows(house: House) -> list[str]:
    """Return the types of all notifications that were ever made."""
    return house.read_journal(lambda db: [row["type"] for row in db.execute("SELECT type FROM notifications")])


# Pauses


def test_a_refused_key_is_told_once(house: House) -> None:
    """However many calls were under way with it; the hook reads why, and how the queue goes on."""
    listen(house)
    house.kimi.add(Fault("http", status=401, type="invalid_authentication_error", times=5, latency=0.2))
    for number in range(5):
        house.drop(f"{number}.md", "x")
    house.drain()
    assert len(house.kimi.requests) == 5
    (news,) = told(house)
    assert set(news) == FIELDS
    assert (news["hook_event_name"], news["notification_type"]) == ("Notification", "queue_paused")
    assert news["title"] == "The queue is paused"
    assert news["message"].startswith("Kimi at ")
    assert "KIMI_API_URL" in news["message"]
    assert "kimi-hooks resume" in news["message"]
    assert news["message"].isprintable()
    assert news["detail"] == {"reason": "authentication_failed"}
    assert news["session_id"] == news["event_id"]
    assert parse_iso(news["timestamp"])
    present = {name for name, value in news.items() if value is not None}
    assert present == {"session_id", "cwd", "hook_event_name", "event_id", "timestamp", "attempt", "notification_type",
                       "title", "message", "detail"}  # fmt: skip
    assert rows(house) == ["queue_paused"]


def test_another_pause_for_the_same_reason_is_news_again(house: House) -> None:
    """Once the queue has gone on, a refusal is a new one."""
    listen(house)
    house.kimi.add(REFUSED)
    house.drop("a.md", "x")
    house.drain()
    house.call("resume")
    house.kimi.add(REFUSED)
    house.drain()
    assert rows(house) == ["queue_paused", "queue_resumed", "queue_paused"]
    assert sorted(types(house)) == sorted(rows(house))
    assert len({news["event_id"] for news in told(house)}) == 3


def test_a_person_pauses_and_resumes(house: House) -> None:
    """From another process, told by the runner that is at work; a second `pause` or `resume` is no news."""
    listen(house)
    with house.running():
        for verb in ("pause", "pause", "resume", "resume"):
            assert house.call(verb).returncode == 0
        until(lambda: len(told(house)) == 2)
    paused, resumed = sorted(told(house), key=lambda news: str(news["notification_type"]))
    assert (paused["notification_type"], paused["detail"]) == ("queue_paused", {"reason": "person"})
    assert "Somebody said kimi-hooks pause" in paused["message"]
    assert (resumed["notification_type"], resumed["detail"]) == ("queue_resumed", {"reason": "person", "how": "person"})
    assert rows(house) == ["queue_paused", "queue_resumed"]
    assert house.log.count(f"{paused['event_id']} queue_paused: {paused['message']}") == 1


def test_what_happened_without_a_runner_is_told_by_the_next_one(house: House) -> None:
    """The verb writes down that the hook is owed it."""
    listen(house)
    house.call("pause")
    assert told(house) == []
    house.drain()
    assert types(house) == ["queue_paused"]


def test_a_changed_key_lets_the_queue_go_on_and_is_told(house: House) -> None:
    """By itself, without a verb."""
    listen(house)
    house.environ.pop("KIMI_API_KEY")
    house.workspace.secrets_file.write_text("KIMI_API_KEY=sk-wrong-key\n")
    house.drop(f"{FIRST}.md", "x")
    with house.running():
        until(lambda: types(house) == ["queue_paused"])
        house.workspace.secrets_file.write_text("KIMI_API_KEY=sk-test-key-of-nobody\n")
        house.wait(FIRST)
        until(lambda: len(told(house)) == 2)
    assert told(house)[1]["notification_type"] == "queue_resumed"
    assert told(house)[1]["detail"] == {"reason": "authentication_failed", "how": "settings"}


def test_a_pause_is_told_across_sigkill(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The hook that was told when the runner died is told again, of the same event; the pause is told once."""
    listen(house, '#!/bin/sh\ncat >> told.jsonl\necho "$KIMI_EVENT_ID" >> ids\n[ -e go ] || exec sleep 60\n')
    house.kimi.add(REFUSED)
    house.drop("a.md", "x")
    child = house.start()
    until((house.home / "ids").exists)
    child.kill()
    child.wait()
    (house.home / "go").touch()
    house.drain()
    ids = (house.home / "ids").read_text().split()
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert [news["attempt"] for news in told(house)] == [1, 2]
    assert rows(house) == ["queue_paused"]
    assert f"{ids[0]} hook teller was cut by the end of the last runner; it runs again" in caplog.messages


def test_a_runner_that_dies_before_it_tells_has_the_next_one_tell(house: House) -> None:
    """Pause, news and debt are one transaction: after it, nothing is needed of whoever paused."""
    listen(house)
    journal = Journal(house.workspace.journal_file)
    parsed = config.parse(house.workspace.config_file.read_text(), "config.yaml")
    journal.write(lambda db: notifying.pause(db, parsed, Pause("billing_error", "no credit"), 1.0))
    journal.close()
    house.drain()
    assert [(news["notification_type"], news["detail"]["reason"]) for news in told(house)] == [
        ("queue_paused", "billing_error")
    ]


def test_a_pause_and_its_news_come_together_or_not_at_all(house: House) -> None:
    """What fails later in the transaction takes all of it back."""
    listen(house)
    parsed = config.parse(house.workspace.config_file.read_text(), "config.yaml")

    def half(db: Connection) -> None:
        assert notifying.pause(db, parsed, Pause("billing_error"), 1.0)
        raise ValueError("on purpose")

    with closing(Journal(house.workspace.journal_file)) as journal, pytest.raises(ValueError, match="on purpose"):
        journal.write(half)
    assert house.read_journal(facts.paused) is None
    assert rows(house) == []
    house.drain()
    assert told(house) == []


# What the pure parts say


@pytest.fixture
def journal() -> Any:
    with closing(Journal(None)) as made:
        yield made


def test_a_persons_pause_hides_what_goes_wrong_meanwhile(journal: Journal) -> None:
    """The queue stands still for that person anyway; a person's pause over an error's is news."""
    given = config.Config()
    made = [
        journal.write(lambda db, reason=reason: notifying.pause(db, given, Pause(reason), 1.0))  # type: ignore[misc]
        for reason in ("billing_error", "authentication_failed", facts.BY_PERSON, "billing_error")
    ]
    assert [each and each.detail["reason"] for each in made] == [
        "billing_error", "authentication_failed", "person", None
    ]  # fmt: skip


def test_a_budget_is_news_of_its_own(journal: Journal) -> None:
    """One notification, of the type that says so; it goes on by itself when its time is over."""
    given = config.Config()
    reached = journal.write(lambda db: notifying.pause(db, given, Pause(facts.BUDGET, "10 CNY are spent"), 1.0))
    again = journal.write(lambda db: notifying.pause(db, given, Pause(facts.BUDGET, "11 CNY are spent"), 2.0))
    resumed = journal.write(lambda db: notifying.resume(db, given, "time", 3.0))
    assert again is None
    assert reached is not None
    assert resumed is not None
    assert (reached.type, resumed.type) == ("budget_reached", "queue_resumed")
    assert "10 CNY are spent. Tasks wait" in reached.message
    assert resumed.detail == {"reason": "budget", "how": "time"}


def test_to_resume_what_was_not_paused_is_no_news(journal: Journal) -> None:
    """And the waiting tasks get their whole time-out all the same."""
    assert journal.write(lambda db: notifying.resume(db, config.Config(), "person", 1.0)) is None


def test_ids_are_safe_everywhere(journal: Journal) -> None:
    """No dots, as Standard Webhooks asks; never the same twice."""
    given = config.Config()
    ids = set()
    for _ in range(20):
        made = journal.write(lambda db: notifying.pause(db, given, Pause("billing_error"), 1.0))
        journal.write(tasks.resume_queue)
        assert made is not None
        ids.add(made.event_id)
    assert len(ids) == 20
    assert all(id_.startswith(NOTIFICATION_ID) and id_.replace("-", "").isalnum() for id_ in ids)


def test_a_hook_that_gave_up_on_no_task(journal: Journal) -> None:
    """An event without a task is told without one."""
    run = HookRun("x", "SessionStart", "run-1", None, 1, "gave_up", 2, 5, "", "no", 1.0)
    made = journal.write(lambda db: notifying.gave_up(db, config.Config(), run))
    assert made is not None
    assert made.message.startswith("The hook x gave up on SessionStart, after 1 try. ")
    assert made.detail["task_id"] is None


# Hooks that give up


def test_a_hook_that_gives_up_is_told(house: House) -> None:
    """With the hook, the event, the task and its result file; the record of the task's own runs is as it was."""
    write(house, "bad.sh", "#!/bin/sh\necho hidden-word >&2\nexit 1\n")
    bad = {"id": "bad", "command": "hooks/bad.sh", "retries": 1}
    listen(house, others={"TaskCompleted": [{"hooks": [bad]}]})
    house.drop(f"{FIRST}.json", {"prompt": "x", "name": "it's a job"})
    house.drain()
    (news,) = told(house)
    assert news["notification_type"] == "hook_gave_up"
    assert (news["task_id"], news["task_name"]) == (FIRST, "it's a job")
    assert news["result_file"] == str(house.workspace.result_file(FIRST))
    assert news["output"] is None
    assert "hidden-word" not in json.dumps(news)
    assert news["detail"] == {"hook_id": "bad", "event": "TaskCompleted", "event_id": f"{FIRST}-TaskCompleted",
                              "task_id": FIRST, "task_name": "it's a job"}  # fmt: skip
    assert news["message"] == (
        f"The hook bad gave up on TaskCompleted of {FIRST} (it's a job), after 2 tries. Find the reason with:"
        " kimi-hooks hooks runs --hook bad"
    )
    assert [run.hook_id for run in house.runs()] == ["bad", "bad", "teller"]
    of_task = json.loads(house.call("hooks", "runs", "--task", FIRST, "--json").stdout)
    assert [run["hook_id"] for run in of_task] == ["bad", "bad"]


def test_a_hook_of_notifications_gives_up_in_silence(house: House) -> None:
    """Else it would be told of itself for ever."""
    listen(house, "#!/bin/sh\ncat >> told.jsonl\necho no >&2\nexit 2\n")
    house.call("pause")
    house.drain()
    assert [(run.event, run.outcome) for run in house.runs()] == [("Notification", "gave_up")]
    assert rows(house) == ["queue_paused"]


def test_news_for_a_hook_that_is_gone_is_not_lost_in_silence(house: House) -> None:
    """The record says why nobody was told."""
    listen(house)
    house.call("pause")
    house.configure()
    house.drain()
    (run,) = house.runs()
    assert run.outcome == "gave_up"
    assert "the hook 'teller' is no longer in config.yaml" in run.stderr


# What a hook sees, and where it is shown


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        ("queue_paused", ["queue_paused"]),
        ("queue_resumed|budget_reached", ["queue_resumed"]),
        ("^queue_", ["queue_paused", "queue_resumed"]),
        ("hook_gave_up", []),
    ],
)
def test_the_matcher_looks_at_the_type(house: House, matcher: str, expected: list[str]) -> None:
    """A list of names or a regular expression, as everywhere."""
    listen(house, matcher=matcher)
    house.call("pause")
    house.call("resume")
    house.drain()
    assert sorted(types(house)) == expected


def test_variables_that_do_not_apply_are_empty(house: House) -> None:
    """They are there, so that a script under `set -u` works."""
    listen(house, '#!/bin/sh\nset -u\necho "$KIMI_EVENT|$KIMI_EVENT_ID|$KIMI_TASK_ID$KIMI_TASK_NAME" > seen\n'
                  'echo "$KIMI_TASK_STATUS$KIMI_RESULT_FILE|" >> seen\n')  # fmt: skip
    house.call("pause")
    house.drain()
    first, second = (house.home / "seen").read_text().splitlines()
    assert first == f"Notification|{house.runs()[0].event_id}|"
    assert second == "|"


def test_a_template_has_the_fields(house: House) -> None:
    """Those of a notification as words; those of a task are empty."""
    write(house, "t.sh.j2", "#!/bin/sh\nprintf '%s|' {{ title }} {{ detail.reason }} {{ task_id }} > words\n")
    house.configure({"Notification": [{"hooks": [{"id": "t", "command": "hooks/t.sh.j2"}]}]})
    house.call("pause")
    house.drain()
    assert (house.home / "words").read_text() == "The queue is paused|person||"


def test_the_fields_of_a_notification_are_null_for_a_task(house: House) -> None:
    """One script can serve every event."""
    write(house, "tell.sh", TELL)
    house.configure({"TaskCompleted": [{"hooks": [TELLER]}]})
    house.drop("a.md", "x")
    house.drain()
    (news,) = told(house)
    assert set(news) == FIELDS
    assert [news[name] for name in ("notification_type", "title", "message", "detail")] == [None] * 4


def test_the_record_shows_notifications(house: House) -> None:
    """`hooks runs` has the event where a task would stand, and null in JSON; `hooks list` knows the event."""
    listen(house)
    house.call("pause")
    house.drain()
    (run,) = json.loads(house.call("hooks", "runs", "--json").stdout)
    assert (run["event"], run["task_id"], run["outcome"]) == ("Notification", None, "delivered")
    line = house.call("hooks", "runs").stdout
    assert f"{run['event_id']} " in line
    assert "None" not in line
    assert house.call("hooks", "list").stdout.startswith("Notification\n  teller ")
    assert house.call("hooks", "check").returncode == 0


@pytest.mark.parametrize(
    ("given", "begins"),
    [
        (Pause("budget", "the budget of the day is used up: 5 of 4"), "The budget of the day is used up: 5 of 4. Tasks wait"),
        (Pause("billing_error", "Kimi says no."), "Kimi says no. Tasks wait"),
        (Pause("billing_error"), "The reason is billing_error. Tasks wait"),
    ],
)  # fmt: skip
def test_the_reason_is_told_once_and_as_a_sentence(journal: Journal, given: Pause, begins: str) -> None:
    """Its words if there are any, else its name."""
    news = journal.write(lambda db: notifying.pause(db, config.Config(), given, 1771342200.0))
    assert news is not None
    assert news.message.startswith(begins)
