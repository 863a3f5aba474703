"""No byte that steers a terminal comes through to one, whoever has said it: Kimi, a task, a hook, a config."""

from __future__ import annotations

import copy
import json
import os
import pty
import subprocess
import unicodedata
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks.show import as_json, harmless
from kimi_hooks.standin.faults import Fault
from tests.house import PATIENCE, PROGRAM, House

# Colours, titles, the clipboard, links, pasted text, 8-bit controls, overwritten lines, turned directions, hidden text.
STEERING = (
    "A\x1b[31m\x1b]0;title\x07\x1b]52;c;aGk=\x07\x1b]8;;http://x\x1b\\link\x1b[200~rm\x1b[201~\x1bc\x9b2J\x90q\x9c"
    "\rover\x08\x7f\u202egpj\u2066\u061c\u2028\u2029\x85\ufeff\u00ad\u200b\U000e0041\x00\x0e Z"
)
# What a name may hold: it stands on one line, without controls.
NAME = "name\u202egpj\u2066\u061c\ufeff\u00ad\u200b\U000e0041"
FAILED, DONE, PAUSED = "kimi-1700000000-aaaaaaaa", "kimi-1700000000-bbbbbbbb", "kimi-1700000000-cccccccc"
JOINERS = "\u200c\u200d"


def on_a_terminal(house: House, *arguments: str) -> str:
    """Run the program on a terminal of its own, one that takes no colours, and return what comes there."""
    ours, its = pty.openpty()
    environ = {**house.environ, "TERM": "dumb", "COLUMNS": "200"}
    with subprocess.Popen(
        [PROGRAM, "--home", str(house.home), *arguments],
        env=environ, stdin=its, stdout=its, stderr=its, close_fds=True,
    ) as child:  # fmt: skip
        os.close(its)
        came = b"".join(iter(lambda: _piece(ours), b""))
        child.wait(PATIENCE)
    os.close(ours)
    # The terminal's driver makes each line end so.
    return came.decode().replace("\r\n", "\n")


def _piece(fd: int) -> bytes:
    """Return what comes next; the end of a terminal is an error on Linux."""
    try:
        return os.read(fd, 65_536)
    except OSError:
        return b""


def steering(text: str) -> list[str]:
    """Return each character that could move, hide or turn what is seen."""
    odd = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return [char for char in text if unicodedata.category(char) in odd and char not in f"\n\t{JOINERS}"]


@pytest.fixture
def told(house: House) -> House:
    """Let a task fail, be answered, and pause the queue, in words that steer; hooks say such words, too."""
    hook = house.workspace.hooks / "says.sh"
    hook.write_bytes(
        b"#!/bin/sh\nprintf '%s' '" + STEERING.replace("\0", "").encode() + b"' | tee /dev/stderr\nexit 2\n"
    )
    hook.chmod(0o755)
    command = [{"id": "says", "command": "hooks/says.sh", "statusMessage": NAME, "if": "status != 'x'"}]
    hooks: Mapping[str, Any] = {
        event: [{"matcher": f"(?!{NAME}x)", "hooks": copy.deepcopy(command)}]
        for event in ("TaskCompleted", "TaskFailed")
    }
    house.configure(hooks)
    house.kimi.add(
        Fault("http", status=400, message=STEERING, when="fail"),
        Fault(text=STEERING, when="answer", finish_reason=STEERING),
        Fault("http", status=401, message=STEERING, when="pause"),
    )
    for task_id, prompt in ((FAILED, "fail"), (DONE, "answer"), (PAUSED, "pause")):
        house.drop(f"{task_id}.json", {"prompt": prompt, "name": NAME, "group": NAME, "priority": -len(prompt)})
    house.drain()
    return house


@pytest.mark.parametrize("as_json_too", [(), ("--json",)], ids=["words", "json"])
def test_no_verb_lets_it_through(told: House, as_json_too: tuple[str, ...]) -> None:
    """Each verb that shows what others have said, on a terminal; and with --json it is the same value nevertheless."""
    verbs = [
        ["show", DONE], ["show", FAILED], ["show", PAUSED], ["wait", DONE, FAILED], ["status"], ["report", DONE],
        ["report", FAILED], ["cost", "--by", "name"], ["cost", "--by", "model"], ["models"], ["models", "--remote"],
        ["hooks", "runs"], ["hooks", "list"], ["hooks", "explain", "TaskCompleted", "--task", DONE],
        ["hooks", "test", "TaskFailed", "--task", FAILED],
    ]  # fmt: skip
    for verb in verbs:
        came = on_a_terminal(told, *verb, *as_json_too)
        assert steering(came) == [], verb
        assert "a bug" not in came
    if as_json_too:
        assert json.loads(told.call("show", DONE, "--json").stdout) == told.result(DONE)


def test_an_answer_that_is_waited_for(house: House) -> None:
    """Through dispatch to the terminal: what is seen of it are its words."""
    house.kimi.add(Fault(text=STEERING))
    house.start()
    came = on_a_terminal(house, "dispatch", "-p", "hello", "-n", NAME, "--wait")
    assert steering(came) == []
    assert "title" in came


def test_messages_of_mistakes(house: House) -> None:
    """Mistakes quote what is wrong: in a task, in a fixture, in config.yaml."""
    assert steering(on_a_terminal(house, "dispatch", "-p", "x", "--model", "a\x9bb", "--standin")) == []
    fixture = house.home / "event.json"
    fixture.write_text(json.dumps({STEERING: STEERING, "task_name": STEERING, "output": STEERING}))
    assert steering(on_a_terminal(house, "hooks", "test", "TaskCompleted", "--fixture", str(fixture))) == []
    house.workspace.config_file.write_text(f'workspace: 1\n"k{json.dumps(STEERING)[1:-1]}": 1\n')
    for verb in (["status"], ["hooks", "list"], ["hooks", "check"], ["models"], ["dispatch", "-p", "x", "--standin"]):
        assert steering(on_a_terminal(house, *verb)) == [], verb


def test_a_workspace_whose_name_is_no_text(house: House) -> None:
    """Its bytes are shown as escapes, wherever the output goes."""
    odd = os.fsencode(house.home) + b"-\xff\xfe"
    os.rename(house.home, odd)
    shown = subprocess.run([PROGRAM, "--home", odd, "status"], env=house.environ, capture_output=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert rb"\udcff\udcfe" in shown.stdout


@given(text=st.text(st.characters(codec=None)))
def test_whatever_the_text(text: str) -> None:
    """What is left of any text steers nothing; text that is all printable stays as it is."""
    assert steering(harmless(text)) == []
    assert not text.isprintable() or harmless(text) == text


@given(text=st.text(st.characters(codec=None)), is_utf8=st.booleans())
def test_whatever_the_value(text: str, is_utf8: bool) -> None:
    """JSON for a terminal is the same value, and steers nothing."""
    shown = as_json({"key": [text], text: None}, is_utf8=is_utf8)
    assert steering(shown) == []
    assert is_utf8 or shown.isascii()
    pairs = json.dumps(text)
    assert json.loads(shown) == {"key": [json.loads(pairs)], json.loads(pairs): None}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("line\nline\tcell\r\nend", "line\nline\tcell\nend"),
        (
            "👨\u200d👩\u200d👧 क्\u200dष 日本\u3000語\u00a0é",
            "👨\u200d👩\u200d👧 क्\u200dष 日本\u3000語\u00a0é",
        ),
        ("over\rwritten", "over�written"),
        ("soft\u00adly", "softly"),
        ("\ufeff", ""),
    ],
)
def test_what_a_reader_sees(text: str, shown: str) -> None:
    """Writing of all kinds stays whole; what would move the cursor is marked, what nobody sees is left out."""
    assert harmless(text) == shown
