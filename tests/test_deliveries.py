"""News reaches the user's hooks: every hook, every time, recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from kimi_hooks.events import FIELDS
from kimi_hooks.standin.faults import Fault
from tests.house import KEY, House, group_lives, until


def test_a_hook_reads_the_event_as_one_line_of_json(house: House) -> None:
    """All fields are there, null where they do not apply; the answer stands in two of them."""
    house.hook("#!/bin/sh\ncat > told.json\n")
    house.drop("a.json", {"prompt": "do it", "name": "job", "group": "-5", "thread_id": 7, "metadata": {"k": [1]}})
    house.drain()
    raw = (house.home / "told.json").read_text()
    told = json.loads(raw)
    result = house.result()
    assert raw.count("\n") == 1
    assert set(told) == FIELDS
    assert told["hook_event_name"] == "TaskCompleted"
    assert told["session_id"] == told["task_id"] == result["task_id"]
    assert told["output"] == told["last_assistant_message"] == result["output"]
    assert told["usage"]["total_tokens"] == result["tokens"]["total"]
    assert told["event_id"] == f"{result['task_id']}-TaskCompleted"
    assert (told["group"], told["thread_id"], told["metadata"]) == ("-5", "7", {"k": [1]})
    assert told["result_file"] == str(house.workspace.result_file(result["task_id"]))
    assert told["error"] is None


def test_a_failure_is_told_with_its_kind(house: House) -> None:
    """TaskFailed carries the error and matches on its kind; the alias keeps its own name."""
    house.kimi.add(Fault("http", status=404, type="resource_not_found_error"))
    house.hook("#!/bin/sh\ncat >> told.json\n")
    handler = {"command": "hooks/hook.sh"}
    house.configure(
        {
            "TaskFailed": [{"matcher": "rate_limit", "hooks": [{**handler, "id": "no"}]}],
            "StopFailure": [{"matcher": "model_not_found|rate_limit", "hooks": [{**handler, "id": "yes"}]}],
            "TaskCompleted": [{"hooks": [{**handler, "id": "neither"}]}],
        }
    )
    house.drop("a.md", "a")
    house.drain()
    told = json.loads((house.home / "told.json").read_text())
    assert told["hook_event_name"] == "StopFailure"
    assert (told["status"], told["error"]["kind"]) == ("failed", "model_not_found")
    assert [run.hook_id for run in house.runs()] == ["yes"]


def test_a_hook_sees_a_clean_environment(house: House) -> None:
    """The event's variables and a plain base; a secret only by name; the API key never by default."""
    house.workspace.secrets_file.write_text(
        "WEBHOOK_SECRET=whsec_very_secret\nOPENCLAW_HOOKS_TOKEN=token_secret\nMY_TOKEN=mine\n"
    )
    house.hook("#!/bin/sh\nenv > env.txt\n", env=["WEBHOOK_SECRET", "HAND_PICKED", "MY_TOKEN"])
    house.drop("a.json", {"prompt": "a", "name": "a name"})
    house.drain(HAND_PICKED="picked", NOT_PICKED="private")
    lines = (house.home / "env.txt").read_text().splitlines()
    seen = dict(line.split("=", 1) for line in lines if "=" in line)
    result = house.result()
    assert seen["KIMI_EVENT"] == "TaskCompleted"
    assert seen["KIMI_EVENT_ID"] == f"{result['task_id']}-TaskCompleted"
    assert seen["KIMI_TASK_ID"] == result["task_id"]
    assert seen["KIMI_TASK_NAME"] == "a name"
    assert seen["KIMI_TASK_STATUS"] == "done"
    assert seen["KIMI_RESULT_FILE"] == str(house.workspace.result_file(result["task_id"]))
    assert seen["KIMI_HOOKS_HOME"] == seen["CLAUDE_PROJECT_DIR"] == str(house.home)
    assert seen["WEBHOOK_SECRET"] == "whsec_very_secret"
    assert seen["HAND_PICKED"] == "picked"
    assert seen["MY_TOKEN"] == "mine"
    text = "\n".join(lines)
    assert KEY not in text
    assert "token_secret" not in text
    assert "private" not in text


def test_hooks_find_the_program(house: House) -> None:
    """The program's own folder comes first on PATH."""
    house.hook("#!/bin/sh\nkimi-hooks --version > version.txt\n")
    house.drop("a.md", "a")
    house.drain()
    assert "kimi-hooks" in (house.home / "version.txt").read_text()


def test_the_derived_files_are_there_before_the_hooks_run(house: House) -> None:
    """A hook that reads latest.json, task-output.txt or pending-wake.json finds its own task."""
    house.hook(
        "#!/bin/sh\ncp results/latest.json results/pending-wake.json results/task-output.txt .\n"
        'cp "$KIMI_RESULT_FILE" own.json\n'
    )
    house.drop("a.md", "a")
    house.drain()
    latest = json.loads((house.home / "latest.json").read_text())
    assert latest == json.loads((house.home / "own.json").read_text())
    assert (house.home / "task-output.txt").read_text() == latest["output"]
    assert latest["task_id"] in (house.home / "pending-wake.json").read_text()


def test_a_template_is_rendered_and_its_arguments_follow(house: House) -> None:
    """A value is one word with exactly that value, whatever it holds; what stands after the file is passed on."""
    house.hook(
        '#!/usr/bin/env bash\nprintf "%s|" {{ task_name }} {{ metadata.x }} "$@" > told.txt\n',
        "told.sh.j2",
    )
    house.configure({"TaskCompleted": [{"hooks": [{"command": "hooks/told.sh.j2 one 'two words'"}]}]})
    house.drop("a.json", {"prompt": "a", "name": "it's $(touch CANARY) `id`", "metadata": {"x": '* " \\ ~ {a,b}\n'}})
    house.drain()
    assert (house.home / "told.txt").read_text() == "it's $(touch CANARY) `id`|* \" \\ ~ {a,b}\n|one|two words|"
    assert not (house.home / "CANARY").exists()


def test_a_template_with_args_needs_no_shell(house: House) -> None:
    """`args` are passed as they are."""
    house.hook("#!/bin/sh\nprintf '%s|' \"$@\" > told.txt\n", "told.sh.j2")
    house.configure({"TaskCompleted": [{"hooks": [{"command": "hooks/told.sh.j2", "args": ["$HOME", "a b"]}]}]})
    house.drop("a.md", "a")
    house.drain()
    assert (house.home / "told.txt").read_text() == "$HOME|a b|"


def test_any_language_will_do(house: House) -> None:
    """A plain file is run as it is; a command with args is run without a shell."""
    house.hook("#!/usr/bin/env python3\nimport json, sys\nprint(json.load(sys.stdin)['task_name'])\n", "hook.py")
    house.drop("python.md", "a")
    house.drain()
    assert house.runs()[0].stdout == "python\n"
    house.configure({"TaskCompleted": [{"hooks": [{"command": "/bin/echo", "args": ["$HOME", ";"]}]}]})
    house.drop("b.md", "b")
    house.drain()
    assert house.runs()[-1].stdout == "$HOME ;\n"


@pytest.mark.parametrize(
    ("script", "outcomes"),
    [
        ("exit 0", ["delivered"]),
        ("exit 1", ["retry", "retry", "gave_up"]),
        ("echo no >&2; exit 2", ["gave_up"]),
        ("exit 2", ["retry", "retry", "gave_up"]),
        ("kill -9 $$", ["retry", "retry", "gave_up"]),
        ("sleep 60", ["retry", "retry", "gave_up"]),
    ],
    ids=["ok", "failed", "gave up with a reason", "2 without a reason", "killed", "timed out"],
)
def test_exit_codes_of_news(house: House, script: str, outcomes: list[str]) -> None:
    """0 is delivered, 2 with a reason gives up, anything else is tried again, `retries` times."""
    house.hook(f"#!/bin/sh\n{script}\n", retries=2, timeout=0.2 if "sleep" in script else 20)
    house.drop("a.md", "a")
    house.drain()
    assert [run.outcome for run in house.runs()] == outcomes
    assert [run.attempt for run in house.runs()] == list(range(1, len(outcomes) + 1))
    assert all(("time-out" in run.stderr) == ("sleep" in script) for run in house.runs())
    assert {run.event_id for run in house.runs()} == {f"{house.entry().id}-TaskCompleted"}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("hooks/missing.sh", "not found"),
        ("hooks/missing.sh.j2", "missing.sh.j2"),
        ("hooks/bad.sh.j2", "bad.sh.j2:2"),
    ],
)
def test_a_hook_that_cannot_start_is_tried_again_and_recorded(house: House, command: str, reason: str) -> None:
    """A missing or broken file is no reason to stop the runner; it may be mended before the next try."""
    (house.workspace.hooks / "bad.sh.j2").write_text('#!/bin/sh\necho "{{ task_name }}"\n')
    house.configure({"TaskCompleted": [{"hooks": [{"command": command, "retries": 1}]}]})
    house.drop("a.md", "a")
    house.drain()
    assert [run.outcome for run in house.runs()] == ["retry", "gave_up"]
    assert reason in house.runs()[0].stderr
    assert house.result()["outcome"] == "done"


def test_every_hook_gets_every_event(house: House) -> None:
    """A hundred tasks and two hooks: exactly two hundred runs."""
    house.hook("#!/bin/sh\nexit 0\n")
    house.configure(
        {"TaskCompleted": [{"hooks": [{"id": name, "command": "hooks/hook.sh"} for name in ("one", "two")]}]}
    )
    for number in range(100):
        house.drop(f"{number}.md", "x")
    house.drain()
    runs = house.runs()
    assert len(runs) == len({(run.event_id, run.hook_id) for run in runs}) == 200
    assert all(run.outcome == "delivered" for run in runs)


def test_hooks_run_at_the_same_time(house: House) -> None:
    """Two hooks that wait for each other both end."""
    for name, other in (("one", "two"), ("two", "one")):
        script = f"#!/bin/sh\ntouch {name}.here\nwhile [ ! -e {other}.here ]; do sleep 0.02; done\n"
        (house.workspace.hooks / f"{name}.sh").write_text(script)
        (house.workspace.hooks / f"{name}.sh").chmod(0o755)
    hooks = [{"id": name, "command": f"hooks/{name}.sh", "timeout": 20, "retries": 0} for name in ("one", "two")]
    house.configure({"TaskCompleted": [{"hooks": hooks}]})
    house.drop("a.md", "a")
    house.drain()
    assert {run.outcome for run in house.runs()} == {"delivered"}


def test_a_hanging_hook_does_not_hold_up_the_others(house: House) -> None:
    """While one hook hangs, the next task is answered and told."""
    house.hook("#!/bin/sh\ncase $KIMI_TASK_NAME in slow) sleep 60;; esac\n", timeout=60)
    with house.running() as running:
        house.drop("slow.md", "a")
        house.drop("kimi-1700000000-aaaaaaaa.md", "b")
        house.wait("kimi-1700000000-aaaaaaaa")
        until(lambda: any(run.task_id == "kimi-1700000000-aaaaaaaa" for run in house.runs()))
        running.runner._parts.site.processes.close()


def test_a_delivery_cut_by_sigkill_runs_again(house: House) -> None:
    """At least once: the hook that was running when the runner died runs again, with the same event id."""
    house.hook('#!/bin/sh\necho "$KIMI_EVENT_ID $$" >> runs.txt\n[ -e go ] || sleep 60\n')
    house.drop("a.md", "a")
    _kill_once_there(house, "runs.txt")
    (house.home / "go").touch()
    house.drain()
    lines = (house.home / "runs.txt").read_text().splitlines()
    assert len(lines) == 2
    assert len({line.split()[0] for line in lines}) == 1
    assert [run.outcome for run in house.runs()] == ["delivered"]
    assert house.runs()[0].attempt == 2


def test_a_stop_does_not_use_up_a_hooks_retries(house: House) -> None:
    """What the end of the runner cuts is no failure of the hook: it runs again, as after a crash."""
    house.hook("#!/bin/sh\ntouch ran\n[ -e go ] || exec sleep 60\n", retries=0)
    config = yaml.safe_load(house.workspace.config_file.read_text())
    house.workspace.config_file.write_text(yaml.safe_dump({**config, "grace_seconds": 0}))
    house.drop("a.md", "a")
    for _ in range(2):
        child = house.start()
        until((house.home / "ran").exists)
        child.terminate()
        assert child.wait(20) == 0
        (house.home / "ran").unlink()
    assert house.runs() == []
    assert "1 cut (to be run again at the next start)" in house.call("status").stdout
    assert house.log.count("hook my-hook was cut by the end of the last runner; it runs again") == 1
    (house.home / "go").touch()
    house.drain()
    assert [(run.outcome, run.attempt) for run in house.runs()] == [("delivered", 3)]


def test_no_hook_outlives_its_runner(house: House) -> None:
    """Killed, the runner takes its hooks along, those that do not heed TERM too."""
    house.hook("#!/bin/sh\ntrap '' TERM\necho $$ > .pid; mv .pid pid\nsleep 60 & wait\n")
    house.drop("a.md", "a")
    _kill_once_there(house, "pid")
    group = int((house.home / "pid").read_text())
    until(lambda: not group_lives(group))


def test_a_hook_that_is_no_longer_configured_is_given_up_and_recorded(house: House) -> None:
    """What a removed hook is owed does not stay open for ever."""
    house.hook("#!/bin/sh\nexit 1\n", retries=50)
    house.configure(
        {"TaskCompleted": [{"hooks": [{"id": "my-hook", "command": "hooks/hook.sh"}]}]},
        retry={"first_pause": 3600, "max_pause": 3600},
    )
    with house.running():
        house.drop("a.md", "a")
        until(lambda: len(house.runs()) == 1)
    house.configure({})
    house.make_deliveries_due()
    house.drain()
    assert [run.outcome for run in house.runs()] == ["retry", "gave_up"]
    assert "no longer" in house.runs()[-1].stderr


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells open files the way Linux does")
def test_what_a_hook_is_given_and_says_lies_in_no_file(house: House) -> None:
    """Nobody else can open it, and nothing of it stays."""
    house.hook('#!/bin/sh\nfor fd in 0 1 2; do file=$(readlink "/proc/$$/fd/$fd"); echo "$file" >> files.txt; done\n')
    house.drop("a.md", "a")
    house.drain()
    given, said, complained = (house.home / "files.txt").read_text().splitlines()
    assert given.endswith("(deleted)")
    assert said.startswith("pipe:")
    assert complained.startswith("pipe:")
    assert list(house.workspace.hook_runs.iterdir()) == []


def test_a_hook_may_write_to_dev_stderr(house: House) -> None:
    """Opening it anew does not cut off what was printed before."""
    house.hook("#!/bin/sh\necho one >&2\necho two >/dev/stderr\necho three >&2\n")
    house.drop("a.md", "a")
    house.drain()
    assert [run.stderr for run in house.runs()] == ["one\ntwo\nthree\n"]


def test_the_folder_of_a_template_is_private_and_goes_after_success(house: House) -> None:
    """A rendered script holds the task's values."""
    house.hook('#!/bin/sh\nstat -c %a "$(dirname "$0")" > mode.txt\n', "hook.sh.j2")
    house.drop("a.md", "a")
    house.drain()
    assert (house.home / "mode.txt").read_text().strip() == "700"
    assert list(house.workspace.hook_runs.iterdir()) == []


def test_the_outputs_of_a_failed_run_stay_up_to_a_mebibyte_each(house: House) -> None:
    """Whoever looks for the fault finds the end of what was said, and a flood does not fill the disk."""
    house.hook("#!/bin/sh\nyes | head -c 3000000\necho end\necho why >&2\nexit 2\n")
    house.drop("a.md", "a")
    house.drain()
    (folder,) = house.workspace.hook_runs.iterdir()
    assert (folder / "stdout").stat().st_size == 1024 * 1024
    assert (folder / "stdout").read_text().endswith("end\n")
    assert (folder / "stderr").read_text() == "why\n"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("script", "code"),
    [("echo no shebang; exit 7\n", 7), ("#!/nowhere/sh\n", 127)],
    ids=["no first line", "no interpreter"],
)
def test_a_file_that_cannot_be_executed_as_it_is_goes_to_the_shell(house: House, script: str, code: int) -> None:
    """A plain command is started without a shell, and ends as it would have ended with one."""
    house.hook(script, retries=0)
    house.drop("a.md", "a")
    house.drain()
    assert [run.exit_code for run in house.runs()] == [code]


def test_a_hook_that_a_signal_ended_is_recorded_with_its_number(house: House) -> None:
    """Told apart from one that exited, and tried again as any other failure."""
    house.hook("#!/bin/sh\nkill -9 $$\n", retries=0)
    house.drop("a.md", "a")
    house.drain()
    assert [(run.exit_code, run.outcome) for run in house.runs()] == [(-9, "gave_up")]


def test_disable_all_hooks(house: House) -> None:
    """One switch silences them all."""
    house.hook("#!/bin/sh\ntouch ran\n")
    house.configure({"TaskCompleted": [{"hooks": [{"command": "hooks/hook.sh"}]}]}, disableAllHooks=True)
    house.drop("a.md", "a")
    house.drain()
    assert house.runs() == []


def test_a_hook_that_will_not_run_is_warned_of_at_the_start(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """A warning and never a refusal: the tasks are answered all the same."""
    house.configure({"TaskCompleted": [{"hooks": [{"id": "gone", "command": "hooks/gone.sh", "retries": 0}]}]})
    house.drop("a.md", "a")
    house.drain()
    assert any("gone" in message and "no such file" in message for message in caplog.messages)
    assert house.result()["outcome"] == "done"


def _kill_once_there(house: House, file: str) -> None:
    """Start a runner, and kill it as soon as a hook has made the file."""
    child = house.start()
    until((house.home / file).exists)
    child.kill()
    child.wait()


def test_a_result_that_is_away_may_come_back(house: House) -> None:
    """News whose result cannot be found is tried again like any other, and given up when it stays away."""
    house.hook("#!/bin/sh\n", retries=1)
    house.drop("a.md", "a")
    house.drain()
    house.workspace.result_file(house.entry().id).unlink()
    assert house.call("hooks", "replay", "--since", "1h").returncode == 0
    house.drain()
    assert [run.outcome for run in house.runs()] == ["delivered", "retry", "gave_up"]
    assert "is gone" in house.runs()[-1].stderr
