"""What is known of a hook before it runs: that it cannot start, or that something in it does nothing; no false alarm."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kimi_hooks.config import Config, parse
from kimi_hooks.hooks import check, check_settings
from kimi_hooks.hooks.check import launch_problem
from tests.house import PATIENCE, House
from tests.test_docs import error_kinds, read

PYTHON_IN_SH = """#!/bin/sh
'''exec' python3 "$0" "$@"
' '''
import sys
if sys.argv: print("(")
"""
ARCHIVE = '#!/bin/sh\nmain() {\n  echo "$1"\n}\nmain "$@"; exit $?\n)))) \x1f\x8b ((((\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a workspace whose path needs quotes."""
    made = tmp_path / "my ws"
    (made / "hooks").mkdir(parents=True)
    (made / "sub").mkdir()
    return made


def configured(hooks: Any) -> Config:
    return parse(json.dumps({"hooks": hooks}), "config.yaml")


def problem(home: Path, command: str, event: str = "Stop", **keys: Any) -> str | None:
    (hook,) = configured({event: [{"hooks": [{"command": command, **keys}]}]}).each_hook()
    return launch_problem(hook, home)


def put(home: Path, text: str, name: str = "hooks/x.sh", mode: int = 0o755) -> Path:
    path = home / name
    path.write_text(text)
    path.chmod(mode)
    return path


# What certainly cannot start


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("hooks/gone.sh", {}),
        ("hooks/gone.sh some words", {}),
        ('hooks/gone.sh "$(date)"', {}),
        ("hooks/gone.sh >/dev/null 2>&1", {}),
        ("hooks/gone.sh && echo done", {}),
        ('"$CLAUDE_PROJECT_DIR"/hooks/gone.sh', {}),
        ('"$CLAUDE_PROJECT_DIR/hooks/gone.sh" x', {}),
        ('"${CLAUDE_PROJECT_DIR}/hooks/gone.sh"', {}),
        ("'hooks/gone.sh'", {}),
        ("~/gone.sh", {}),
        ('"$HOME/gone.sh"', {}),
        ("hooks/gone.sh", {"args": []}),
        ("${CLAUDE_PROJECT_DIR}/hooks/gone.sh", {"args": ["x"]}),
        ("python3 hooks/gone.py", {}),
        ("python3 -u -B hooks/gone.py", {}),
        ("python3 gone.py", {}),
        ("python3", {"args": ["hooks/gone.py"]}),
        ('python3 "$CLAUDE_PROJECT_DIR/hooks/gone.py" x', {}),
        ("sh hooks/gone.sh", {}),
        ("bash -eu hooks/gone.sh", {}),
        ("perl -w hooks/gone.pl", {}),
    ],
)
def test_a_file_that_is_missing(home: Path, command: str, keys: dict[str, Any]) -> None:
    """Whether it is run itself or given to an interpreter; the shell agrees that it is not there."""
    told = problem(home, command, **keys)
    assert told is not None
    assert "gone." in told
    assert ": there is no such file" in told
    words = (
        [command.replace("${CLAUDE_PROJECT_DIR}", str(home)), *keys["args"]]
        if "args" in keys
        else ["sh", "-c", command]
    )
    try:
        ran = subprocess.run(words, cwd=home, env={**os.environ, "CLAUDE_PROJECT_DIR": str(home)}, check=False)
    except FileNotFoundError:
        return
    assert ran.returncode in {1, 2, 127}


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        ("#!/bin/sh\n", 0o644, "the run bit is missing; chmod +x"),
        ("#!/nowhere/sh\n", 0o755, "its interpreter /nowhere/sh is not there"),
        ("#! /nowhere/sh -e\n", 0o755, "its interpreter /nowhere/sh is not there"),
        ("#!/usr/bin/env nobody-has-this\n", 0o755, "its interpreter nobody-has-this is not there"),
        ("#!/usr/bin/env -S nobody-has-this -x\n", 0o755, "its interpreter nobody-has-this is not there"),
        ("#!/bin/sh\r\necho\r\n", 0o755, "its first line ends as on Windows"),
        ("#!/usr/bin/env python3\r\nprint()\r\n", 0o755, "its first line ends as on Windows"),
        ("#!/bin/sh\nif true; then\n  echo\n", 0o755, "sh cannot read it: "),
        ("#!/bin/sh\nif true; then\n  echo\nexit 0\n", 0o755, "sh cannot read it: "),
        ("#!/bin/sh\ndie() { echo; exit 2; }\n[ -n \"$1\" ] && exit 0\ntrap 'exit 1' TERM\nfi\n", 0o755, "sh cannot"),
        ("#!/usr/bin/env bash\necho $((\n", 0o755, "bash cannot read it: "),
        ("#!/bin/bash -e\necho 'a\n", 0o755, "bash cannot read it: "),
    ],
)
def test_a_script_that_cannot_start(home: Path, text: str, mode: int, told: str) -> None:
    """Its run bit, its interpreter, its grammar; the shell cannot start it either."""
    file = put(home, text, mode=mode)
    found = problem(home, "hooks/x.sh")
    assert found is not None
    assert found.startswith(f"{file}: ")
    assert told in found
    assert subprocess.run(["sh", "-c", "hooks/x.sh"], cwd=home, check=False, capture_output=True).returncode in {
        1, 2, 126, 127
    }  # fmt: skip


@pytest.mark.parametrize(("command", "told"), [
    ("sh hooks/x.sh", "sh cannot read it: "),
    ("bash -e hooks/x.sh a b", "bash cannot read it: "),
    ("bash", "bash cannot read it: "),
])  # fmt: skip
def test_a_script_that_its_shell_cannot_read(home: Path, command: str, told: str) -> None:
    """Given to a shell by name it needs neither a run bit nor a first line."""
    put(home, "case x in\n", mode=0o644)
    keys: dict[str, Any] = {"args": ["hooks/x.sh"]} if command == "bash" else {}
    found = problem(home, command, **keys)
    assert found is not None
    assert told in found


@pytest.mark.parametrize(("command", "shell"), [("if true; then", "sh"), ("echo 'a", "sh"), ("echo <(", "bash")])
def test_a_command_that_the_shell_cannot_read(home: Path, command: str, shell: str) -> None:
    """The text in config.yaml itself."""
    found = problem(home, command, shell=shell)
    assert found is not None
    assert found.startswith(f"{shell} cannot read the command: ")


def test_a_program_that_is_nowhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter by its name, and any program where no shell stands between; on the PATH that hooks have."""
    assert problem(home, "nobody-has-this", args=[]) == (
        "nobody-has-this is not on the PATH of hooks; install it or write its whole path"
    )
    assert problem(home, "ruby x.rb", env=["PATH"]) is None
    (home / "bin").mkdir()
    for name in ("sh", "env"):
        (home / "bin" / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(home / "bin"))
    told = problem(home, "perl -e 1")
    assert told is not None
    assert told.startswith("perl is not on the PATH")
    monkeypatch.setenv("PATH", f"{home / 'bin'}:.")
    assert problem(home, "perl -e 1") is None


def test_a_folder_to_start_in_that_is_missing(home: Path) -> None:
    """`cwd` must be there, and what the command names is looked for in it."""
    put(home, "#!/bin/sh\n", "sub/x.sh")
    assert problem(home, "./x.sh", cwd="sub") is None
    told = problem(home, "./x.sh", cwd="gone")
    assert told == f"{home / 'gone'}: there is no such folder to start in; make it or mend `cwd`"
    assert problem(home, "sub/x.sh", cwd="sub") is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('#!/bin/sh\necho "{{ task_name }}"\n', "x.sh.j2:2: "),
        ("#!/nowhere/bash\necho {{ task_name }}\n", "its interpreter /nowhere/bash is not there"),
    ],
)
@pytest.mark.parametrize("command", ["hooks/x.sh.j2 a", '"$CLAUDE_PROJECT_DIR"/hooks/x.sh.j2'])
def test_a_template_that_cannot_be_rendered_or_run(home: Path, command: str, text: str, told: str) -> None:
    """A template needs no run bit; it must load, and its interpreter must be there."""
    put(home, "#!/bin/sh\necho {{ task_name }}\n", "hooks/x.sh.j2", 0o644)
    assert problem(home, command) is None
    put(home, text, "hooks/x.sh.j2", 0o644)
    found = problem(home, command)
    assert found is not None
    assert told in found


def test_a_template_in_quotes(home: Path) -> None:
    """It would be run as it stands, tags and all."""
    put(home, "#!/bin/sh\n", "hooks/x.sh.j2")
    told = problem(home, "'hooks/x.sh.j2' a")
    assert told is not None
    assert "without quotes" in told


# What may start


@pytest.mark.parametrize(
    "command",
    [
        "hooks/gone.sh || true",
        "hooks/gone.sh; echo done",
        "hooks/gone.sh | cat",
        "hooks/gone.sh & wait",
        "[ -x hooks/gone.sh ] && hooks/gone.sh",
        "if [ -e x ]; then hooks/gone.sh; fi",
        "hooks/*.sh",
        "cd sub && ./x.sh",
        '"$SOME_DIR"/gone.sh',
        "$CLAUDE_PROJECT_DIR/hooks/gone.sh",
        "A=1 hooks/gone.sh",
        "hooks/go\\ne.sh",
        "nobody-has-this",
        "python3 -c 'import sys; sys.exit(0)'",
        "python3 -m gone",
        "python3 -W ignore hooks/x.py",
        "python3 - x",
        "python3 2>hooks/err",
        "python3 sub",
        "node inspect",
        "node hooks/x",
        "perl -e 1",
        "sh -c true",
        "bash -lc true",
        "sh true",
        "docker ps --format '{{.ID}}'",
        "cat <<EOF\n)\nEOF",
        "shopt -s extglob\necho !(a)",
        "exit 0\n)))",
        'jq -e ".usage.total_tokens > 5" >/dev/null',
    ],
)
def test_in_doubt_there_is_no_problem(home: Path, command: str) -> None:
    """What only the shell or the program can tell is left to them."""
    put(home, "", "hooks/x.js")
    put(home, "", "hooks/x.py")
    assert problem(home, command, shell="bash" if "extglob" in command else "sh") is None


PARTS = st.sampled_from(
    ["hooks/ok.sh", "hooks/gone.sh", "'hooks/ok.sh'", '"$CLAUDE_PROJECT_DIR/hooks/gone.sh"', "~/gone.sh", "sh", "bash", "-e",
     "-c", "perl", "true", "false", "!", "{", "}", "if", "then", "fi", "(", ")", ";", "&&", "||", "|", "&", "\n", "a=b", "exit",
     "exec", "'", "$(", "#", "<<E", "E", "<hooks/ok.sh", ">out", "2>&1", "x() {"]
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PARTS, min_size=1, max_size=8).map(" ".join), st.sampled_from(["sh", "bash"]))
def test_there_is_no_false_alarm(home: Path, command: str, shell: str) -> None:
    """A command that is said not to start fails when a real shell runs it; and so it does as a script."""
    put(home, "#!/bin/sh\nexit 0\n", "hooks/ok.sh")
    put(home, f"#!/bin/{shell}\n{command}\n")
    for command_, words in ((command, [shell, "-c", command]), ("hooks/x.sh", ["hooks/x.sh"])):
        if problem(home, command_, shell=shell) is not None:
            environ = {"PATH": "/usr/bin:/bin", "HOME": str(home), "CLAUDE_PROJECT_DIR": str(home)}
            ran = subprocess.run(
                words,
                cwd=home,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            assert ran.returncode != 0


def test_what_is_not_ours_to_know(home: Path) -> None:
    """A post has no file; a name of the handler's own environment is not ours to know."""
    hooks = configured({"Stop": [{"hooks": [{"type": "http", "url": "https://example.org/gone"}]}]}).each_hook()
    assert [launch_problem(hook, home) for hook in hooks] == [None]
    assert problem(home, "~/gone.sh", env=["HOME"]) is None
    assert problem(home, '"$CLAUDE_PROJECT_DIR"/gone.sh', env=["CLAUDE_PROJECT_DIR"]) is None


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\necho\n",
        "#!/usr/bin/env python3\nif: (\n",
        "#!/usr/bin/env -S python3 -u\n",
        "#!/usr/bin/env -i nobody-has-this\n",
        "#!/usr/bin/env A=1 nobody-has-this\n",
        "#!nowhere/sh\n",
        "if\n",
        "",
        "#!/bin/bash\nshopt -s extglob\necho !(a|b)\n",
        "#!/bin/bash\n. ./lib.sh\necho !(a|b)\n",
        "#!/bin/sh\nalias begin='{'\nbegin\necho\n}\n",
        "#!/bin/sh\nif\0\n",
        PYTHON_IN_SH,
        ARCHIVE,
    ],
)
def test_scripts_that_may_run(home: Path, text: str) -> None:
    """Other languages, what follows an exit, and what a shell reads in another way when it runs."""
    put(home, text)
    assert problem(home, "hooks/x.sh") is None


def test_what_may_not_be_looked_at_may_run(home: Path) -> None:
    """A script that can only be executed is left to the kernel."""
    put(home, "#!/nowhere/sh\n", mode=0o111)
    told = problem(home, "hooks/x.sh")
    assert told is None or os.getuid() == 0


def test_nothing_is_run(home: Path) -> None:
    """Neither a script nor a command nor what they hold."""
    put(home, "#!/bin/bash\ntouch ran; $(touch ran); echo `touch ran` <(touch ran)\nfi\n")
    assert problem(home, "hooks/x.sh") is not None
    assert problem(home, "touch ran; $(touch ran) `touch ran`; fi") is not None
    assert problem(home, "touch ran; $(touch ran)") is None
    assert not (home / "ran").exists()


def test_a_mended_script_is_seen(home: Path) -> None:
    """The answer is remembered for one state of the file."""
    file = put(home, "#!/bin/sh\nfi\n")
    assert problem(home, "hooks/x.sh") is not None
    file.write_text("#!/bin/sh\nif true; then true; fi\n")
    assert problem(home, "hooks/x.sh") is None


def test_a_shell_is_asked_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate may ask before every run: no shell is started for what has not changed, and none without -n."""
    (home / "bin").mkdir()
    put(home, f"#!/bin/sh\nprintf '%s|' \"$@\" >> '{home}/asked'\nexec /bin/sh \"$@\"\n", "bin/dash")
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")
    for text in ("#!/usr/bin/env dash\necho\n", "#!/usr/bin/env dash\necho again\n"):
        put(home, text)
        for _ in range(3):
            assert problem(home, "hooks/x.sh") is None
    assert (home / "asked").read_text() == "-n|-n|"


# What does nothing


def warnings(home: Path, hooks: Any) -> list[str]:
    return [found.message for found in check.check(configured(hooks), home) if found.level == "warning"]


def under(event: str, matcher: str = "", **keys: Any) -> dict[str, Any]:
    handler: dict[str, Any] = {"command": "true", **keys}
    return {event: [{"matcher": matcher, "hooks": [handler]}]}


def test_braces_of_other_programs(home: Path) -> None:
    """Only a tag with one of our names is one that somebody meant for us."""
    for command, level in (
        ("docker ps --format '{{.ID}}'", "ok"),
        ("echo {{ other }}", "ok"),
        ("x {{ task_id }}", "error"),
    ):
        (found,) = check.check(configured({"Stop": [{"hooks": [{"command": command}]}]}), home)
        assert found.level == level


def test_a_wrapper_may_do_anything(home: Path) -> None:
    """A script that is called as an interpreter is not known to run what it is given."""
    put(home, "#!/bin/sh\n", "hooks/python3")
    assert problem(home, "hooks/python3 gone.py") is None
    (home / "hooks/perl").symlink_to("/usr/bin/perl")
    assert problem(home, "hooks/perl gone.pl") is not None


@pytest.mark.parametrize(
    ("event", "matcher", "dead"),
    [
        ("SessionStart", "startup|resume", ["resume"]),
        ("SessionStart", "clear", ["clear"]),
        ("SessionEnd", "logout, stopped", ["logout"]),
        ("Notification", "idle_prompt|queue_paused|hook_gave_up", ["idle_prompt"]),
        ("TaskFailed", "rate_limit|ratelimit|oauth_org_not_allowed", ["ratelimit", "oauth_org_not_allowed"]),
        ("StopFailure", "Unknown", ["Unknown"]),
        ("SessionStart", "startup", []),
        ("SessionStart", "resume.*", []),
        ("SessionEnd", "stopped|drained", []),
        ("TaskFailed", "^x", []),
        ("TaskFailed", "*", []),
        ("Notification", "", []),
        ("TaskCompleted", "any|name", []),
        ("Stop", "any|name", []),
    ],
)
def test_a_matcher_that_nothing_meets(home: Path, event: str, matcher: str, dead: list[str]) -> None:
    """Each name in a list that never comes under its event; of a regular expression nothing is said."""
    found = warnings(home, under(event, matcher))
    assert len(found) == len(dead)
    for told, name in zip(found, dead, strict=True):
        assert told.startswith(f"the matcher {matcher!r}: {name!r} never comes under {event} (")


def test_every_kind_of_error_is_known() -> None:
    """None that is made or documented counts as dead."""
    section = read("docs/files.md").split("### Kinds of error")[1].split("\n## ")[0]
    documented = {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")}
    assert error_kinds() | documented <= check_settings.ERROR_KINDS


@pytest.mark.parametrize(
    ("event", "keys", "told"),
    [
        ("Stop", {"retries": 3}, "`retries` does nothing: Stop is a gate"),
        ("TaskCompleted", {"onFailure": "block"}, "`onFailure` does nothing: TaskCompleted is no gate"),
        ("Stop", {"onFailure": "block", "async": True}, "`onFailure` does nothing: an `async` hook is not waited for"),
        ("Notification", {"statusMessage": "x"}, "`statusMessage` does nothing: Notification is no gate"),
        ("TaskFailed", {"async": True}, "`async` does nothing: nobody waits"),
        ("Stop", {"retries": 3, "async": True}, None),
        ("Stop", {"onFailure": "block", "statusMessage": "x", "timeout": 5}, None),
        ("TaskCompleted", {"retries": 3, "async": False}, None),
    ],
)
def test_a_key_that_does_nothing(home: Path, event: str, keys: dict[str, Any], told: str | None) -> None:
    """It is told with the reason; where it counts, nothing is said."""
    found = warnings(home, under(event, **keys))
    assert len(found) == (told is not None)
    assert all(message.startswith(told or "") for message in found)


def test_async_says_something_in_a_group_that_goes_one_after_the_other(home: Path) -> None:
    """There it neither waits nor is waited for, also under news."""
    group = {"sequential": True, "hooks": [{"command": "true", "async": True}, {"command": "false"}]}
    assert warnings(home, {"TaskCompleted": [group]}) == []


def posting(url: str, **keys: Any) -> dict[str, Any]:
    return {"TaskCompleted": [{"hooks": [{"type": "http", "url": url, **keys}]}]}


@pytest.mark.parametrize(
    ("host", "is_private"),
    [
        ("127.0.0.1:9000", True),
        ("localhost", True),
        ("a.localhost.:80", True),
        ("10.1.2.3", True),
        ("2130706433", True),
        ("0x7f.1", True),
        ("169.254.169.254", True),
        ("[::1]:9000", True),
        ("[::ffff:192.168.1.1]", True),
        ("127.0.0.1:$PORT", True),
        ("8.8.8.8", False),
        ("[2606:4700:4700::1111]", False),
        ("localhost.example", False),
        ("$PORT.example", False),
        ("10.1.2.$PORT", False),
    ],
)
def test_an_address_that_is_not_public(home: Path, host: str, is_private: bool) -> None:
    """Written as a number it is an error with the remedy, unless it is meant; a name is not looked up."""
    keys: dict[str, Any] = {"allowedEnvVars": ["PORT"]}
    (found,) = check.check(configured(posting(f"http://{host}/x?secret", **keys)), home)
    assert (found.level == "error") is is_private
    assert ("write `allow_private: true` at the hook" in found.message) is is_private
    assert "secret" not in found.message
    (found,) = check.check(configured(posting(f"http://{host}/", **keys, allow_private=True)), home)
    assert found.level == "ok"


def test_a_variable_in_a_header_that_is_not_allowed(home: Path) -> None:
    """It is always empty, which nobody means."""
    headers = {"Authorization": "Bearer $TOKEN", "X-Both": "${OTHER} $TOKEN"}
    found = warnings(home, posting("https://a.example", headers=headers, allowedEnvVars=["TOKEN"]))
    assert found == ["the header X-Both: $OTHER is always empty, for allowedEnvVars does not name it; add it there"]


@pytest.mark.parametrize(
    ("hooks", "told"),
    [
        (under("Stop", env=["THERE", "GONE", "LOST"]), "env: GONE, LOST are set nowhere; "),
        (under("Stop", env=["THERE", "WEBHOOK_URL"]), None),
        (posting("https://a.example/$GONE/$THERE", allowedEnvVars=["GONE", "THERE"]), "url: GONE is set nowhere; "),
        (posting("https://a.example", headers={"A": "$GONE"}, allowedEnvVars=["GONE"]), None),
        (posting("https://a.example", secret="WEBHOOK_SECRET"), "secret: WEBHOOK_SECRET is set nowhere; "),
        (posting("https://a.example"), None),
    ],
)
def test_a_variable_that_is_set_nowhere(home: Path, hooks: dict[str, Any], told: str | None) -> None:
    """Only who asks with the variables hears of it: at the start of a runner they may come later."""
    assert warnings(home, hooks) == []
    found = check.check(configured(hooks), home, lambda names: {name: "value" for name in names if name == "THERE"})
    assert [finding.level for finding in found] == ["warning" if told else "ok"]
    assert found[0].message.startswith(told or "")


def test_the_verb_looks_for_variables_where_the_runner_does(house: House) -> None:
    """In .env.kimi and in the environment; names are told, and values never."""
    house.configure(under("Stop", env=["FROM_FILE", "GONE"]))
    with house.workspace.secrets_file.open("a") as file:
        file.write("\nFROM_FILE=sesame\n")
    finished = house.call("hooks", "check")
    assert finished.returncode == 0
    assert "env: GONE is set nowhere; put it into .env.kimi: GONE=..." in finished.stdout
    assert "FROM_FILE" not in finished.stdout
    assert "sesame" not in finished.stdout
    assert "GONE" not in house.call("run", "--drain").stderr


def test_a_command_that_stands_twice(home: Path) -> None:
    """Without ids two that differ run twice, and two that do not cannot be told apart."""
    two: list[dict[str, Any]] = [{"command": "true"}, {"command": "true", "timeout": 5}]
    assert len(warnings(home, {"Stop": [{"hooks": two}]})) == 1
    assert len(warnings(home, {"Stop": [{"hooks": two[:1]}, {"hooks": two[1:]}]})) == 1
    assert len(warnings(home, {"Stop": [{"hooks": [two[0], two[0]]}]})) == 1
    assert len(warnings(home, {"TaskFailed": [{"hooks": two[:1]}], "StopFailure": [{"hooks": two[1:]}]})) == 1
    # One handler with two matchers runs once.
    assert warnings(home, {"Stop": [{"matcher": "a", "hooks": two[:1]}, {"matcher": "b", "hooks": two[:1]}]}) == []
    assert warnings(home, {"Stop": [{"hooks": [two[0], {**two[1], "id": "x"}]}]}) == []
    assert warnings(home, {"Stop": [{"hooks": two[:1]}], "TaskCreated": [{"hooks": two[1:]}]}) == []


def test_warnings_are_told_and_no_failure(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """`hooks check` ends with 0, the runner says it at the start; an error beside them counts."""
    house.configure(under("SessionStart", "resume", id="x"))
    finished = house.call("hooks", "check")
    assert finished.returncode == 0
    assert finished.stdout.startswith("warning SessionStart x: the matcher 'resume'")
    house.drain()
    assert "hook x is not in order: the matcher 'resume'" in caplog.text
    house.configure({**under("SessionStart", "resume"), **under("Stop", command="hooks/gone.sh")})
    rows = json.loads(house.call("hooks", "check", "--json").stdout)
    assert [row["level"] for row in rows] == ["warning", "error"]
    assert house.call("hooks", "check").returncode == 1
