"""`hooks test`: hooks tried by hand, for real or dry, with a real event, a described one or a made-up one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.house import PROGRAM, House, group_lives, until
from tests.receiver import Receiver

REAL = "kimi-hooks: hooks are run for real: what they send is sent, what they change is changed; --dry-run shows\n"


def tried(house: House, *words: str, stdin: bytes = b"") -> Any:
    """What `hooks test` says to scripts."""
    return json.loads(house.call("hooks", "test", *words, "--json", stdin=stdin).stdout)


def under(house: House, event: str, *handlers: dict[str, Any]) -> None:
    house.configure({event: [{"hooks": list(handlers)}]})


def test_a_made_up_event_says_that_it_is_one(house: House) -> None:
    """In its texts and its id, and `standin` is true; the result file that hooks read is there meanwhile."""
    under(house, "TaskCompleted", {"id": "x", "command": 'cat; cat "$KIMI_RESULT_FILE" >&2'})
    done = tried(house, "TaskCompleted")
    (row,) = done["hooks"]
    told, result = json.loads(row["stdout"]), json.loads(row["stderr"])
    assert (done["origin"], done["about"]) == ("sample", "made up: no task is behind it")
    assert (row["outcome"], row["exit_code"]) == ("delivered", 0)
    assert told["event_id"].startswith("test-")
    assert told["event_id"] == done["event_id"]
    assert "made up" in told["output"]
    assert told["standin"] is True
    assert result["task_id"] == told["task_id"]
    assert not Path(told["result_file"]).exists()


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ("SessionStart", ["source"]),
        ("TaskCreated", ["task_description"]),
        ("UserPromptSubmit", ["prompt"]),
        ("Stop", ["last_assistant_message", "stop_hook_count", "background_tasks", "usage"]),
        ("TaskCompleted", ["output", "usage"]),
        ("TaskFailed", ["error"]),
        ("StopFailure", ["error"]),
        ("Notification", ["title", "message", "detail"]),
        ("SessionEnd", ["reason"]),
    ],
)
def test_every_event_can_be_made_up(house: House, event: str, fields: list[str]) -> None:
    """With what is its own, under the name that is configured."""
    under(house, event, {"id": "x", "command": "cat"})
    (row,) = tried(house, event)["hooks"]
    told = json.loads(row["stdout"])
    assert told["hook_event_name"] == event
    assert [name for name in fields if told[name] is None] == []


def test_a_task_on_record_is_told_as_it_was(house: House) -> None:
    """The hook reads the same as the real one did, but for the id of the event; nothing of this is put on record."""
    house.hook("#!/bin/sh\ncat > told.json\ncat told.json\n")
    house.drop("a.json", {"prompt": "say x", "name": "report", "metadata": {"ticket": "T-1"}})
    house.drain()
    real = json.loads((house.home / "told.json").read_text())
    before = house.runs()
    (row,) = tried(house, "TaskCompleted", "--task", house.entry().id)["hooks"]
    told = json.loads(row["stdout"])
    assert {key: told[key] for key in told if key != "event_id"} == {
        key: real[key] for key in real if key != "event_id"
    }
    assert told["event_id"].startswith("test-")
    assert house.runs() == before
    assert not list(house.workspace.hook_runs.iterdir())


@pytest.mark.parametrize("event", ["TaskCreated", "UserPromptSubmit", "Stop"])
def test_a_gate_is_asked_about_a_task_on_record(house: House, event: str) -> None:
    """With its prompt, and with its answer where the gate judges that."""
    house.drop("a.json", {"prompt": "say x", "name": "report", "metadata": {"ticket": "T-1"}, "group": "-5"})
    house.drain()
    under(house, event, {"id": "x", "command": "cat >&2; exit 2"})
    done = tried(house, event, "--task", house.entry().id)
    told = json.loads(done["hooks"][0]["stderr"])
    assert told["model"] == "kimi-k3"
    assert (told["task_id"], told["task_name"], told["metadata"]) == (house.entry().id, "report", {"ticket": "T-1"})
    assert (told["task_description"], told["group"], told["status"]) == ("say x", "-5", None)
    assert told["prompt"] == ("say x" if event == "UserPromptSubmit" else None)
    answer = house.result()["output"] if event == "Stop" else None
    assert told["last_assistant_message"] == answer
    assert done["hooks"][0]["outcome"] == "blocked"


def test_a_task_that_had_no_such_event_is_told(house: House) -> None:
    """One line with what it had, or what to wait for."""
    house.drop("a.md", "a")
    house.drain()
    ended = house.entry().id
    waiting = house.call("dispatch", "-p", "x").stdout.strip()
    refused = house.call("hooks", "test", "TaskFailed", "--task", ended)
    assert (refused.returncode, refused.stdout) == (1, "")
    told = f"kimi-hooks: {ended} ended done: TaskCompleted, not TaskFailed; ask about TaskCompleted\n"
    assert refused.stderr == told
    assert (
        "is no event of a task; leave --task out" in house.call("hooks", "test", "SessionStart", "--task", ended).stderr
    )
    assert "wait for it first" in house.call("hooks", "test", "TaskCreated", "--task", waiting).stderr
    assert "no such task" in house.call("hooks", "test", "TaskCreated", "--task", "nope").stderr
    assert house.call("hooks", "test", "TaskCrated").returncode == 2
    assert "(did you mean 'TaskCreated'?)" in house.call("hooks", "test", "TaskCrated").stderr


def test_a_fixture_gives_some_fields_and_the_rest_is_null(house: House) -> None:
    """From a file or standard input; of two names for one value either will do."""
    under(house, "Stop", {"id": "x", "command": "cat"})
    said = {"last_assistant_message": "it's $(date)", "session_id": "abc", "usage": {"total_tokens": 7}}
    (house.home / "f.json").write_text(json.dumps(said))
    from_file = tried(house, "Stop", "--fixture", str(house.home / "f.json"))
    from_stdin = tried(house, "Stop", "--fixture", "-", stdin=json.dumps(said).encode())
    for done in (from_file, from_stdin):
        told = json.loads(done["hooks"][0]["stdout"])
        assert (told["output"], told["task_id"], told["usage"]) == ("it's $(date)", "abc", {"total_tokens": 7})
        assert (told["prompt"], told["model"]) == (None, None)


def test_what_a_hook_was_once_handed_is_a_fixture(house: House) -> None:
    """Its folder, number and id are those of the test all the same."""
    under(house, "TaskCompleted", {"id": "x", "command": "cat"})
    handed = json.loads(tried(house, "TaskCompleted")["hooks"][0]["stdout"])
    old = {**handed, "event_id": "../../../escape", "attempt": 7, "cwd": "/nowhere"}
    done = tried(house, "TaskCompleted", "--fixture", "-", stdin=json.dumps(old).encode())
    told = json.loads(done["hooks"][0]["stdout"])
    assert (told["event_id"], told["attempt"], told["cwd"]) == (done["event_id"], 1, str(house.home))
    assert done["event_id"].startswith("test-")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "the fixture: is not JSON: "),
        ("[]", 'must hold one JSON object, such as {"task_name": "report"}'),
        ('{"tsk_name": "a"}', "unknown field 'tsk_name' (did you mean 'task_name'?)"),
        ('{"zzz": 1, "task_name": 5}', "unknown field 'zzz' (known: docs/hooks.md#what-a-hook-is-given); task_name: must be text, or null"),
        ('{"metadata": []}', "metadata: must be an object, or null"),
        ('{"duration_ms": true}', "duration_ms: must be a number, or null"),
        ('{"usage": NaN}', "NaN is no number of JSON's"),
        ('{"task_name": "a\\u0000b"}', "task_name: holds a NUL"),
        ('{"task_name": "a\\nb"}', "task_name: holds a control character"),
        ('{"output": "\\ud800"}', "output: holds half a surrogate pair"),
        ('{"hook_event_name": "Stop"}', "it tells of Stop, not of TaskCompleted; name that event, or take hook_event_name out"),
        ("[" * 100_000, "is not JSON: "),
    ],
)  # fmt: skip
def test_a_fixture_that_cannot_be_is_refused(house: House, text: str, problem: str) -> None:
    """All that is wrong with it, on one line, before anything is run."""
    house.hook("#!/bin/sh\ntouch ran\n")
    refused = house.call("hooks", "test", "TaskCompleted", "--fixture", "-", stdin=text.encode())
    assert refused.returncode == 1
    assert problem in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (house.home / "ran").exists()


def test_a_fixture_that_is_not_there(house: House) -> None:
    """The file and the cause; both ways at once are wrong usage."""
    refused = house.call("hooks", "test", "Stop", "--fixture", "/nowhere/f.json")
    assert refused.returncode == 1
    assert refused.stderr.startswith("kimi-hooks: /nowhere/f.json: cannot be read (No such file or directory); ")
    assert house.call("hooks", "test", "Stop", "--fixture", "-", "--task", "x").returncode == 2


def test_what_a_person_is_shown(house: House) -> None:
    """Each hook with its end and both outputs, and what would follow; the warning stands on standard error."""
    refuse, allow = "echo 'x is wrong' >&2; exit 2", 'echo \'{"systemMessage": "fine\\u001b[31m"}\''
    handlers = [{"id": "strict", "command": refuse}, {"id": "mild", "command": allow}, {"id": "off", "command": "true"}]
    under(house, "Stop", *handlers)
    house.call("hooks", "disable", "off")
    done = house.call("hooks", "test", "Stop")
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, REAL)
    assert lines[0] == "Stop made up: no task is behind it"
    assert lines[2].startswith("strict (echo 'x is wrong' >&2; exit 2): blocked, exit 2, ")
    assert lines[3:5] == ["    stderr:", "      x is wrong"]
    assert lines[6].startswith("mild (")
    assert "      fine\ufffd[31m" in lines
    assert "off (true): would not run: somebody said hooks disable; " in done.stdout
    assert done.stdout.endswith("\nthen: Kimi would be sent as the next message:\nx is wrong\n")
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("event", "command", "then"),
    [
        ("TaskCreated", "exit 0", "the task would be accepted"),
        ("TaskCreated", "echo no >&2; exit 2", "the task would end failed, kind blocked: no"),
        ("UserPromptSubmit", "echo no >&2; exit 2", "the task would end failed, kind blocked: no"),
        ("UserPromptSubmit", "echo mind the rules", "Kimi would be sent the prompt, with this before it:\nmind the rules"),
        ("Stop", "exit 0", "the answer would be final"),
        ("Stop", """echo '{"continue": false, "stopReason": "enough"}'""",
         "the answer would stand, for a hook says `continue: false`: enough"),
    ],
)  # fmt: skip
def test_what_would_follow_a_gate(house: House, event: str, command: str, then: str) -> None:
    """In words, by what its hooks say together."""
    under(house, event, {"id": "x", "command": command})
    assert tried(house, event)["then"] == then


@pytest.mark.parametrize(
    ("event", "handler", "code", "outcome"),
    [
        ("TaskCompleted", {"command": "exit 0"}, 0, "delivered"),
        ("TaskCompleted", {"command": "exit 1"}, 1, "retry"),
        ("TaskCompleted", {"command": "echo never >&2; exit 2"}, 1, "gave_up"),
        ("TaskCompleted", {"command": "sleep 60", "timeout": 0.2}, 1, "retry"),
        ("TaskCompleted", {"command": "hooks/missing.sh.j2"}, 1, "retry"),
        ("TaskCompleted", {"command": "/nowhere/at-all", "args": []}, 1, "retry"),
        ("Stop", {"command": "echo no >&2; exit 2"}, 0, "blocked"),
        ("Stop", {"command": "exit 7"}, 1, "failed"),
        ("Stop", {"command": "exit 7", "onFailure": "block"}, 1, "blocked"),
        ("Stop", {"command": "exit 7", "async": True}, 1, "retry"),
        ("Stop", {"command": "true", "if": "usage.total_tokens > 99999"}, 1, None),
        ("TaskCompleted", {"command": "true", "if": "cost.amount > 1"}, 0, "delivered"),
    ],
)
def test_the_exit_code_tells_whether_all_went_well(
    house: House, event: str, handler: dict[str, Any], code: int, outcome: str | None
) -> None:
    """0 only when something ran and none of it failed; a refusal at a gate is no failure."""
    under(house, event, {"id": "x", **handler})
    done = house.call("hooks", "test", event, "--json")
    (row,) = json.loads(done.stdout)["hooks"]
    assert (done.returncode, row.get("outcome")) == (code, outcome)


def test_nobody_is_asked_after_a_refusal_in_a_sequential_group(house: House) -> None:
    """As at the gate itself; another group goes on."""
    refuse, allow = {"id": "a", "command": "echo no >&2; exit 2"}, {"id": "b", "command": "touch b"}
    groups = [{"sequential": True, "hooks": [refuse, allow]}, {"hooks": [{"id": "c", "command": "touch c"}]}]
    house.configure({"Stop": groups})
    rows = {row["hook_id"]: row for row in tried(house, "Stop")["hooks"]}
    assert rows["b"]["why_not"] == "it comes after a in its group, which refused"
    assert (rows["c"]["outcome"], (house.home / "b").exists()) == ("allowed", False)


def test_what_cannot_start_at_a_gate_is_no_refusal(house: House) -> None:
    """Though its shell ends with 2: the hook is looked at before it is run, as at the gate itself."""
    script = house.workspace.hooks / "broken.sh"
    script.write_text("if then\n")
    under(house, "Stop", {"id": "x", "command": "sh hooks/broken.sh"})
    done = house.call("hooks", "test", "Stop", "--json")
    (row,) = json.loads(done.stdout)["hooks"]
    assert (done.returncode, row["outcome"], row["exit_code"]) == (1, "failed", None)
    assert "broken.sh" in row["decision"]["reason"]


def test_a_real_gate_is_on_record_and_explained(house: House) -> None:
    """Its run has a number and what it decided; news of it cannot be had again."""
    refuse = """grep -q '"stop_hook_count": 0' && echo again >&2 && exit 2; exit 0"""
    house.configure({"Stop": [{"hooks": [{"id": "strict", "command": refuse}]}]})
    house.drop("a.md", "say x")
    house.drain()
    runs = json.loads(house.call("hooks", "runs", "--event", "Stop", "--json").stdout)
    assert [(run["outcome"], run["reason"]) for run in runs] == [("allowed", None), ("blocked", "again")]
    told = house.call("hooks", "explain", "Stop", "--task", house.entry().id).stdout
    assert "  strict  runs\n" in told
    assert "blocked at " in told
    refused = house.call("hooks", "replay", str(runs[0]["run"]))
    assert refused.returncode == 1
    assert "cannot be decided again" in refused.stderr


def test_one_hook_alone(house: House) -> None:
    """The others are not run; one that stands elsewhere is told where."""
    handlers = [{"id": "a", "command": "touch a"}, {"id": "b", "command": "touch b"}]
    house.configure({"TaskCompleted": [{"hooks": handlers}], "Stop": [{"hooks": [{"id": "c", "command": "true"}]}]})
    assert house.call("hooks", "test", "TaskCompleted", "--hook", "a").returncode == 0
    assert ((house.home / "a").exists(), (house.home / "b").exists()) == (True, False)
    refused = house.call("hooks", "test", "TaskCompleted", "--hook", "c")
    assert refused.stderr == "kimi-hooks: c: not under TaskCompleted; it stands under Stop: try that event\n"
    assert "there are: c, a, b" in house.call("hooks", "test", "Stop", "--hook", "zz").stderr


def test_the_environment_is_the_real_one(house: House) -> None:
    """Secrets come by name alone, from the same places as for a runner."""
    house.workspace.secrets_file.write_text("MY_TOKEN=abc\n")
    under(house, "TaskCompleted", {"id": "x", "command": "env", "env": ["MY_TOKEN", "FROM_HERE"]})
    done = house.call("hooks", "test", "TaskCompleted", "--json", FROM_HERE="def", NOT_NAMED="ghi")
    printed = json.loads(done.stdout)["hooks"][0]["stdout"]
    assert "MY_TOKEN=abc\n" in printed
    assert "FROM_HERE=def\n" in printed
    assert "ghi" not in printed
    assert "KIMI_API_KEY" not in printed


def test_a_dry_run_shows_and_runs_nothing(house: House) -> None:
    """The rendered script, the command, the folder and the names of variables, never a secret's value."""
    house.workspace.secrets_file.write_text("MY_TOKEN=abc-secret\n")
    house.hook("#!/bin/sh\ntouch ran\necho {{ task_name }}\n", "x.sh.j2", env=["MY_TOKEN", "OTHER"])
    done = house.call("hooks", "test", "TaskCompleted", "--dry-run", "--fixture", "-", stdin=b'{"task_name": "it\'s"}')
    assert (done.returncode, done.stderr) == (0, "")
    assert "my-hook (hooks/x.sh.j2): would run\n" in done.stdout
    assert "command: sh -c '/bin/sh SCRIPT'\n" in done.stdout
    assert f"folder: {house.home}\n" in done.stdout
    assert "      _kh1='it'\\''s'\n" in done.stdout
    assert "    MY_TOKEN: set\n    OTHER: not set\n" in done.stdout
    assert "abc-secret" not in done.stdout
    assert not (house.home / "ran").exists()
    (row,) = tried(house, "TaskCompleted", "--dry-run")["hooks"]
    assert (row["named"], row["problem"], row["timeout"]) == ({"MY_TOKEN": True, "OTHER": False}, None, 600.0)


def test_a_dry_run_of_an_address_hides_what_may_be_a_token(house: House, receiver: Receiver) -> None:
    """Nothing is posted; of the address the host is shown, of headers the names, and the body is whole."""
    handler = {"id": "x", "type": "http", "url": f"{receiver.url}/T/secret", "headers": {"Authorization": "Bearer $MY"}}
    under(house, "TaskCompleted", {**handler, "allowedEnvVars": ["MY"], "allow_private": True})
    done = house.call("hooks", "test", "TaskCompleted", "--dry-run", MY="abc-secret")
    assert "secret" not in done.stdout.replace("WEBHOOK_SECRET", "")
    assert f"post to: {receiver.url}/***\n" in done.stdout
    assert "header: Authorization: ***\n" in done.stdout
    assert "    MY: set\n" in done.stdout
    assert (
        json.loads(tried(house, "TaskCompleted", "--dry-run")["hooks"][0]["body"])["hook_event_name"] == "TaskCompleted"
    )
    assert receiver.seen == []


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [(200, 0, "delivered"), (503, 1, "retry"), (404, 1, "gave_up"), (410, 1, "gave_up")],
)
def test_an_address_is_really_posted_to(house: House, receiver: Receiver, status: int, code: int, outcome: str) -> None:
    """With the id of the test; what the receiver says counts here alone, so that none is switched off."""
    receiver.answer(status)
    handler = {
        "id": "x",
        "type": "http",
        "url": receiver.url,
        "allow_private": True,
        "body": {"text": "{{ task_name }}"},
    }
    under(house, "TaskCompleted", handler)
    done = house.call("hooks", "test", "TaskCompleted", "--json")
    (row,) = json.loads(done.stdout)["hooks"]
    assert (done.returncode, row["outcome"], row["http_status"]) == (code, outcome, status)
    (seen,) = receiver.seen
    assert seen.json == {"text": "made-up task"}
    assert seen.headers["webhook-id"] == json.loads(done.stdout)["event_id"]
    assert json.loads(house.call("hooks", "list", "--json").stdout)[0]["off"] is None
    assert f"x ({receiver.url}): delivered, HTTP 200, " in house.call("hooks", "test", "TaskCompleted").stdout


def test_a_dry_run_shows_the_body_that_would_be_posted(house: House) -> None:
    """Filled in; a variable of the address that is not set is the problem."""
    handler = {"id": "x", "type": "http", "url": "https://example.com/$TOKEN", "allowedEnvVars": ["TOKEN"]}
    under(house, "TaskCompleted", {**handler, "body": {"text": "{{ task_name }}"}})
    missing = house.call("hooks", "test", "TaskCompleted", "--dry-run")
    assert missing.returncode == 1
    assert "problem: TOKEN, which stands in url, is not set; put it into .env.kimi\n" in missing.stdout
    shown = house.call("hooks", "test", "TaskCompleted", "--dry-run", TOKEN="abc-secret")
    assert shown.returncode == 0
    assert '      {"text": "made-up task"}\n' in shown.stdout
    assert "abc-secret" not in shown.stdout


def test_a_dry_run_tells_what_cannot_be_started(house: House) -> None:
    """Exit code 1 and the place of the mistake."""
    house.hook('#!/bin/sh\necho "{{ task_name }}"\n', "x.sh.j2")
    done = house.call("hooks", "test", "TaskCompleted", "--dry-run")
    assert done.returncode == 1
    assert "would not be started\n    problem: " in done.stdout
    assert "x.sh.j2:2: " in done.stdout


def test_a_runner_is_not_disturbed(house: House) -> None:
    """While one is at work hooks can be tried all the same; it hears of nothing."""
    house.hook("#!/bin/sh\ntrue\n")
    house.start()
    until(lambda: "runner started" in house.log)
    log = house.log
    assert house.call("hooks", "test", "TaskCompleted").returncode == 0
    assert house.log == log
    assert house.runs() == []


def test_nothing_is_made_where_no_runner_has_been(house: House) -> None:
    """A fresh workspace stays as it was."""
    house.hook("#!/bin/sh\ntrue\n")
    before = sorted(path for path in house.home.rglob("*") if path.name != "config-checked.json")
    assert house.call("hooks", "test", "TaskCompleted").returncode == 0
    assert sorted(path for path in house.home.rglob("*") if path.name != "config-checked.json") == before


def test_an_interrupt_ends_the_hook_with_its_children(house: House) -> None:
    """^C leaves nothing running, and exit code 130."""
    house.hook("#!/bin/sh\nsleep 300 &\necho $$ > .pid; mv .pid pid\nsleep 300\n")
    words = [PROGRAM, "--home", str(house.home), "hooks", "test", "TaskCompleted"]
    child = subprocess.Popen(words, env=house.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until((house.home / "pid").exists)
    began = time.monotonic()
    os.kill(child.pid, signal.SIGINT)
    assert child.wait() == 130
    assert time.monotonic() - began < 30
    until(lambda: not group_lives(int((house.home / "pid").read_text())))
