"""Hooks of Claude Code's become hooks of ours, and nothing is left out, moved or changed in silence."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks import config, strict_yaml
from kimi_hooks.errors import ConfigError
from kimi_hooks.events import KINDS
from kimi_hooks.importing import groups, source, writing
from kimi_hooks.importing.groups import Imported
from kimi_hooks.importing.handlers import name_of
from kimi_hooks.importing.http import is_at_home
from kimi_hooks.importing.scripts import variables
from tests.test_foreign_events import THEIRS

HOOK = {"type": "command", "command": "true"}


def imported(tmp_path: Path, hooks: Any, **keys: Any) -> Imported:
    """Read a project's settings file with these hooks, for a workspace beside it."""
    file = tmp_path / "project" / ".claude" / "settings.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"hooks": hooks, **keys}))
    return groups.translate(source.read(file), tmp_path / "ws")


def one(tmp_path: Path, event: str, handler: Any, **group: Any) -> Imported:
    return imported(tmp_path, {event: [{**group, "hooks": [handler]}]})


def only(made: Imported) -> dict[str, Any]:
    ((group,),) = made.hooks.values()
    (handler,) = group["hooks"]
    return dict(handler)


def told(made: Imported) -> str:
    return "\n".join(note.line for note in made.notes)


def test_what_means_the_same_is_kept(tmp_path: Path) -> None:
    """Command, arguments, time-out, shell and the rest come through as they are, without a word."""
    handler = {**HOOK, "timeout": 20, "async": True, "statusMessage": "…", "onFailure": "block", "shell": "bash"}
    made = one(tmp_path, "UserPromptSubmit", handler, matcher="*")
    assert only(made) == handler
    assert made.hooks == {"UserPromptSubmit": [{"hooks": [handler]}]}
    assert made.notes == []


@pytest.mark.parametrize("event", THEIRS)
def test_every_event_is_taken_or_refused_with_a_reason(tmp_path: Path, event: str) -> None:
    """Nothing of a settings file goes missing without a line."""
    made = one(tmp_path, event, HOOK)
    if event in KINDS:
        assert made.count == 1
    else:
        assert made.count == 0
        assert told(made).startswith(f"left out: {event}: ")


def test_what_blocks_an_ended_task_is_asked_before_its_end(tmp_path: Path) -> None:
    """TaskCompleted goes to Stop, and says so; what can decide nothing stays."""
    made = one(tmp_path, "TaskCompleted", HOOK)
    assert list(made.hooks) == ["Stop"]
    assert "moved: TaskCompleted, group 1, handler 1: to Stop, where it can send Kimi back" in told(made)
    assert list(one(tmp_path, "TaskCompleted", {**HOOK, "async": True}).hooks) == ["TaskCompleted"]


def test_what_reads_an_error_is_told_that_it_is_another(tmp_path: Path) -> None:
    """`error` is a word under StopFailure there and an object here."""
    assert "note: StopFailure: a script that reads `error` finds an object here" in told(
        one(tmp_path, "StopFailure", HOOK)
    )


def test_a_gate_keeps_the_time_that_it_had(tmp_path: Path) -> None:
    """Their default is 600 seconds, ours 60: it is written down, and said."""
    made = one(tmp_path, "Stop", HOOK)
    assert only(made)["timeout"] == 600
    assert "changed: Stop, group 1, handler 1: `timeout: 600`" in told(made)
    assert "if milliseconds were meant, write 60" in told(one(tmp_path, "Stop", {**HOOK, "timeout": 60000}))


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        ({"type": "prompt", "prompt": "ok?"}, "`type: prompt`: nobody judges here"),
        ({"type": "agent", "prompt": "ok?"}, "`type: agent`: there are no agents"),
        ({"type": "mcp_tool", "server": "s", "tool": "t"}, "`type: mcp_tool`: there are no MCP"),
        ({**HOOK, "if": "Bash(git *)"}, "its `if` asks about tool calls"),
        ({**HOOK, "asyncRewake": True}, "`asyncRewake`: there is no session"),
        ({**HOOK, "shell": "powershell"}, "PowerShell"),
        ({"type": "command"}, "command: is missing"),
        ({**HOOK, "timeout": "soon"}, "timeout: "),
        ({"type": "http", "url": "ftp://a.example"}, "url: is not an address"),
        ("run.sh", "is no handler"),
    ],
)
def test_a_handler_that_cannot_run_is_left_out_with_its_place(tmp_path: Path, handler: Any, why: str) -> None:
    """Event, group and handler, counted from 1, then the reason; its neighbours come along."""
    made = imported(tmp_path, {"Stop": [{"hooks": [HOOK]}, {"hooks": [HOOK, handler]}]})
    (line,) = [note.line for note in made.notes if note.kind == "left out"]
    assert line.startswith("left out: Stop, group 2, handler 2: ")
    assert why in line
    assert made.count == 2


def test_keys_without_a_meaning_here_are_told(tmp_path: Path) -> None:
    """`once` and what nobody knows; `onFailure` where nothing can be blocked, or where only we heed it."""
    lines = told(
        one(tmp_path, "Stop", {**HOOK, "once": True, "colour": "red", "onFailure": "block"}, onFailure="block")
    )
    assert "handler 1: `once` is left out" in lines
    assert "handler 1: the key `colour` is left out: nothing here knows it" in lines
    assert "note: Stop, group 1, handler 1: `onFailure: block` counts under Stop here" in lines
    assert "changed: Stop, group 1: the key `onFailure` is left out" in lines
    news = one(tmp_path, "StopFailure", {**HOOK, "onFailure": "block"})
    assert only(news) == HOOK
    assert "`onFailure` is left out: StopFailure is news" in told(news)


@pytest.mark.parametrize(
    ("event", "matcher", "written", "said"),
    [
        ("Stop", "abc", None, "Claude Code ignores it"),
        ("SessionStart", "startup", "startup", ""),
        ("SessionStart", "startup|resume", "startup", "became 'startup'"),
        ("SessionEnd", "logout|other", "stopped", "became 'stopped'"),
        ("StopFailure", "rate_limit|overloaded", "rate_limit|overloaded", ""),
        ("StopFailure", "^(?<kind>rate)", "^(?P<kind>rate)", ""),
        ("Notification", "queue_paused", "queue_paused", ""),
    ],
)
def test_matchers_mean_what_they_meant(
    tmp_path: Path, event: str, matcher: str, written: str | None, said: str
) -> None:
    """Ignored where they were, in our words where there are some, as they stand otherwise."""
    made = one(tmp_path, event, HOOK, matcher=matcher)
    ((group,),) = made.hooks.values()
    assert group.get("matcher") == written
    assert said in told(made)
    assert made.notes or not said


@pytest.mark.parametrize(
    ("event", "matcher", "why"),
    [
        ("SessionStart", "resume|clear", "neither resumed nor cleared"),
        ("SessionEnd", "resume", "only stopped and drained"),
        ("Notification", "permission_prompt|idle_prompt", "nearest is `matcher: queue_paused`"),
        ("Notification", "agent_completed", "there is the event TaskCompleted"),
        ("Notification", "nothing", "there are queue_paused, "),
        ("StopFailure", "(", "not a regular expression"),
        ("StopFailure", ["a", "b"], "write one text: a|b"),
    ],
)
def test_a_group_that_could_never_match_is_left_out(tmp_path: Path, event: str, matcher: Any, why: str) -> None:
    """With what happens here in its place."""
    made = one(tmp_path, event, HOOK, matcher=matcher)
    assert made.hooks == {}
    assert told(made).startswith(f"left out: {event}, group 1: ")
    assert why in told(made)


def test_a_script_that_is_not_in_the_workspace_is_told_with_the_command_that_brings_it(tmp_path: Path) -> None:
    """The command works as it is, blanks and all; then there is nothing more to say of it."""
    script = tmp_path / "project" / ".claude" / "hooks" / "it's mine.sh"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    handler = {**HOOK, "timeout": 5, "command": '"$CLAUDE_PROJECT_DIR/.claude/hooks/it\'s mine.sh"'}
    ask = {**HOOK, "timeout": 5, "command": "python3 tools/none.py"}
    lines = told(imported(tmp_path, {"Stop": [{"hooks": [handler, ask]}]})).splitlines()
    assert "tools/none.py is not in the workspace, where hooks run; put it there" in lines[1]
    subprocess.run(["sh", "-c", lines[0].partition("copy it: ")[2]], check=True)
    assert (tmp_path / "ws/.claude/hooks/it's mine.sh").read_text() == "#!/bin/sh\n"
    assert one(tmp_path, "Stop", handler).notes == []


def test_without_a_shell_the_project_is_the_workspace(tmp_path: Path) -> None:
    """Claude Code puts the folder in itself; here `args` get a name that leads to the same place."""
    handler = {**HOOK, "timeout": 5, "command": "${CLAUDE_PROJECT_DIR}/a.sh", "args": ["${CLAUDE_PROJECT_DIR}", "$1"]}
    made = one(tmp_path, "Stop", handler)
    assert (only(made)["command"], only(made)["args"]) == ("./a.sh", [".", "$1"])
    assert "changed: Stop, group 1, handler 1: `${CLAUDE_PROJECT_DIR}` is left out" in told(made)


def test_variables_that_no_hook_sees_are_named(tmp_path: Path) -> None:
    """From the command and its script, names only; what only Claude Code sets is told apart."""
    script = tmp_path / "ws" / "hooks" / "tell.py"
    script.parent.mkdir(parents=True)
    script.write_text("import os\nos.environ['CHAT_TOKEN']\nos.getenv('CHAT_ID')\nos.environ.get('CLAUDE_ENV_FILE')\n")
    lines = told(one(tmp_path, "StopFailure", {**HOOK, "command": "python3 hooks/tell.py $OTHER_KEY $HOME"}))
    assert "add `env: [CHAT_ID, CHAT_TOKEN, OTHER_KEY]`" in lines
    assert "it reads CLAUDE_ENV_FILE, which only Claude Code sets" in lines


def test_what_a_script_sets_itself_is_not_asked_for() -> None:
    """Assignments, loops and `read` give a variable its value; one that only falls back is still looked for."""
    text = (
        "DIR=/x\nexport OUT=y\nTOKEN=${TOKEN:-none}\nfor FILE in *; do read -r LINE; done\necho $DIR $OUT $FILE $LINE\n"
    )
    assert variables(text) == {"TOKEN"}


def test_no_secret_is_copied_or_shown(tmp_path: Path) -> None:
    """A token in a header stays where it is, with a name in its place; values under `env` are not read."""
    handler = {
        "type": "http",
        "url": "https://a.example/hook",
        "headers": {"Authorization": "Bearer sesame", "X-Api-Key": "sesame", "X-Kind": "task", "X-Own": "$MINE"},
        "allowedEnvVars": ["MINE"],
    }
    made = imported(tmp_path, {"StopFailure": [{"hooks": [handler]}]}, env={"PASSWORD": "sesame"})
    assert only(made)["headers"] == {
        "Authorization": "Bearer $A_EXAMPLE_AUTHORIZATION",
        "X-Api-Key": "$A_EXAMPLE_X_API_KEY",
        "X-Kind": "task",
        "X-Own": "$MINE",
    }
    assert only(made)["allowedEnvVars"] == ["MINE", "A_EXAMPLE_AUTHORIZATION", "A_EXAMPLE_X_API_KEY"]
    assert "in a line A_EXAMPLE_X_API_KEY=..." in told(made)
    assert "to do: env: PASSWORD: " in told(made)
    assert "sesame" not in told(made) + writing.text(made.hooks)
    assert "a secret seems to stand in it" in told(
        one(tmp_path, "Stop", {**HOOK, "command": "curl -H 'Authorization: Bearer abcdefghijklmn'"})
    )


def test_what_to_put_in_place_of_a_secret_is_told(tmp_path: Path) -> None:
    """Of a header with a scheme only what follows it; names that were allowed are to be set as well."""
    headers = {"Authorization": "Bearer sesame", "X-Api-Key": "sesame"}
    handler = {"type": "http", "url": "https://a.example/x", "headers": headers, "allowedEnvVars": ["MINE", "YOURS"]}
    said = told(one(tmp_path, "Stop", handler))
    assert "put only what follows `Bearer ` into .env.kimi, in a line A_EXAMPLE_AUTHORIZATION=..." in said
    assert "put it into .env.kimi, in a line A_EXAMPLE_X_API_KEY=..." in said
    assert "to do: Stop, group 1, handler 1: its allowedEnvVars are looked up in .env.kimi here" in said
    assert "put them there: MINE=... and YOURS=..." in said


@pytest.mark.parametrize("to", [">> ", "> ", "2> ", "&>> ", ">| ", ">"])
def test_what_is_written_to_is_no_script(tmp_path: Path, to: str) -> None:
    """It need not be there, and gives the hook no name."""
    made = one(tmp_path, "StopFailure", {**HOOK, "command": f"jq -r .task_subject {to}~/not-there/done.txt"})
    assert "not-there" not in told(made)
    assert name_of(only(made)) == "jq"


@pytest.mark.parametrize(
    ("url", "is_home"),
    [
        ("http://localhost:8080/x", True),
        ("http://127.0.0.1/", True),
        ("http://[::1]:1/", True),
        ("http://10.1.2.3/", True),
        ("http://receiver/", True),
        ("http://box.local/", True),
        ("https://a.example/", False),
        ("https://8.8.8.8/", False),
        ("http://169.254.169.254/", False),
    ],
)
def test_an_address_at_home_is_allowed_and_told(tmp_path: Path, url: str, is_home: bool) -> None:
    """As far as it can be told without asking anybody; the address that clouds give secrets away at never is."""
    assert is_at_home(url) is is_home
    made = one(tmp_path, "StopFailure", {"type": "http", "url": url})
    assert only(made).get("allow_private", False) is is_home
    assert ("`allow_private: true`" in told(made)) is is_home


def test_ids_are_made_of_scripts_and_are_unique(tmp_path: Path) -> None:
    """The same handler under two events keeps one name; another of that name gets a number."""
    commands = ["hooks/check.sh", "python3 other/check.py", "FOO=1 make -s test", "日本"]
    made = imported(
        tmp_path,
        {
            "StopFailure": [{"hooks": [{**HOOK, "command": command} for command in commands]}],
            "SessionEnd": [{"hooks": [{**HOOK, "command": "hooks/check.sh"}]}],
        },
    )
    named = writing.with_ids(made.hooks)
    ids = [handler["id"] for groups_ in named.values() for group in groups_ for handler in group["hooks"]]
    assert ids == ["check", "check-2", "make", "hook", "check"]
    again = writing.with_ids(made.hooks, frozenset({"make"}))
    assert "make-2" in writing.text(again)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
values = st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3))
handlers = st.dictionaries(
    st.sampled_from(["type", "command", "args", "timeout", "async", "url", "headers", "once", "if", "shell", "x"]),
    values | st.sampled_from(["command", "http", "https://a.example", "bash"]),
)
a_group = st.fixed_dictionaries({"hooks": st.lists(handlers | values, max_size=4)}, optional={"matcher": values})
settings = st.dictionaries(st.sampled_from(THEIRS) | texts, st.lists(a_group | values, max_size=3) | values, max_size=5)


@given(hooks=settings)
def test_whatever_stands_there_what_is_written_is_good_config(hooks: Any) -> None:
    """Nothing in a file ends in a traceback or in YAML that is refused, and it comes back as it was meant."""
    made = groups.translate(source.Source(Path("/nowhere/.claude/settings.json"), hooks), Path("/nowhere/ws"))
    named = writing.with_ids(made.hooks)
    text = writing.text(named)
    assert strict_yaml.load(text) == {"hooks": named}
    assert len(config.parse(text, "c").named_hooks()) == made.count


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"hooks": {},\n // mine\n "a": 1}',
            "line 2, column 2: Expecting property name enclosed in double quotes; comm",
        ),
        ('{"hooks": ', "line 1, column 11: Expecting value; mend it there"),
        ("[]", "has no hooks in the shape of Claude Code"),
        ('{"hooks": []}', "has no hooks in the shape of Claude Code"),
        ("{" * 100_000, "line 1"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    """Comments are named, for editors allow them."""
    file = tmp_path / "settings.json"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        source.read(file)
    assert str(caught.value).startswith(f"{file}: {problem}")


def test_a_folder_is_told_with_the_file_in_it(tmp_path: Path) -> None:
    """Whoever names the project learns which file is meant."""
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text("{}")
    with pytest.raises(
        ConfigError, match=r"is a folder; name the file with the hooks, such as .*\.claude/settings\.json"
    ):
        source.read(tmp_path)


CONFIGS = [
    "workspace: 1\n",
    "workspace: 1   # mine\n\n# the end",
    "workspace: 1\nhooks:\n  TaskFailed:\n    - hooks:\n        - {id: a, command: x}   # one\n# between\nlimits:\n  hooks: 3\n",
    "workspace: 1\nhooks:\n  Stop:\n  - hooks:\n    - id: a\n      command: |\n        one\n        two\n\n  # after\n",
    "hooks:\n    Stop:\n    - hooks: [{command: x}]\n    SessionEnd:\n    - hooks: [{command: y}]\nworkspace: 1\n",
]


@pytest.mark.parametrize("before", CONFIGS)
def test_adding_keeps_every_line(before: str) -> None:
    """The hooks come to the ends of their events; comments, order and style of all else stay."""
    hooks: dict[str, list[dict[str, Any]]] = {
        "Stop": [{"hooks": [{"id": "new", **HOOK}]}],
        "SessionEnd": [{"matcher": "stopped", "hooks": [HOOK]}],
    }
    after = writing.added(before, hooks, "config.yaml")
    lines = iter(after.splitlines())
    assert all(line in lines for line in before.splitlines() if line.strip())
    assert yaml.safe_load(after)["hooks"]["Stop"][-1] == hooks["Stop"][0]
    assert yaml.safe_load(after)["hooks"]["SessionEnd"][-1] == hooks["SessionEnd"][0]


@pytest.mark.parametrize(
    "before", ["hooks: {Stop: []}\n", "workspace: 1\nhooks:\n  Stop: [{hooks: []}]\n", "hooks: {}\n"]
)
def test_no_place_is_guessed(before: str) -> None:
    """In a file of another style nothing is added."""
    with pytest.raises(ConfigError, match="not in block style, so nothing was written; paste"):
        writing.added(before, {"Stop": [{"hooks": [HOOK]}]}, "config.yaml")
