"""How a command is started, what is kept of it, and what is no fault of its own."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

import pytest

from kimi_hooks import news
from kimi_hooks.process.client import Processes
from kimi_hooks.process.protocol import Finished
from kimi_hooks.runner import Runner
from tests.house import House

# Two pipes, what is given on stdin, and the pipe on which a failed start is told.
NEEDED_TO_START = 7
MOST_IN_A_PIPE = 1024 * 1024


@pytest.mark.parametrize(("file", "words"), [("one.sh", ""), ("one.sh", " x"), ("one.sh.j2", ""), ("one.sh.j2", " x")])
def test_every_line_of_a_command_is_run(house: House, file: str, words: str) -> None:
    """A command of two lines is two commands for the shell, and not one with more arguments."""
    house.hook('#!/bin/sh\necho "one:" "$@" >> told.txt\n', file)
    house.hook('#!/bin/sh\necho "two:" "$@" >> told.txt\n', "two.sh")
    _tell(house, f"hooks/{file}{words}\nhooks/two.sh\n")
    assert (house.home / "told.txt").read_text() == f"one:{words}\ntwo:\n"


@pytest.mark.parametrize("odd", ["\r", "\u00a0b", "\u3000b", "\fb", "\vb"], ids=ascii)
def test_what_the_shell_takes_as_part_of_a_word_is_part_of_a_word(house: House, odd: str) -> None:
    """Only space, tab and line end part words; whatever else looks like one is left to the shell."""
    house.hook("#!/bin/sh\ntouch ran\n", "one.sh")
    _tell(house, f"hooks/one.sh{odd}")
    assert [run.exit_code for run in house.runs()] == [127]
    assert not (house.home / "ran").exists()


def test_what_the_shell_takes_as_part_of_a_word_follows_a_template_too(house: House) -> None:
    """After a template's name the words are those of the shell as well."""
    house.hook('#!/bin/sh\nprintf "%s|" "$@" > told.txt\n', "one.sh.j2")
    _tell(house, "hooks/one.sh.j2 a\u00a0b c\fd")
    assert (house.home / "told.txt").read_text() == "a\u00a0b|c\fd|"


class _Wanting(Processes):
    """Lacks descriptors for the first runs."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._wants = times

    def run(self, *args: Any, **options: Any) -> Finished:
        if self._wants:
            self._wants -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().run(*args, **options)


def test_want_of_descriptors_is_no_run_of_the_hook(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The news is told later; it costs no retry and leaves no record."""
    monkeypatch.setattr(news, "AGAIN_SECONDS", 0.01)
    house.hook("#!/bin/sh\nexit 1\n", retries=1)
    house.drop("a.md", "a")
    parts = house.parts()
    Runner(replace(parts, processes=_Wanting(3))).run(drain=True)
    assert [(run.outcome, run.exit_code) for run in house.runs()] == [("retry", 1), ("gave_up", 1)]


@pytest.mark.parametrize("name", ["hook.sh", "hook.sh.j2"])
def test_a_run_that_timed_out_keeps_its_folder(house: House, name: str) -> None:
    """Also when the command says goodbye with exit code 0: the news was not delivered."""
    script = "#!/bin/sh\ntrap 'exit 0' TERM\necho said\nwhile :; do sleep 0.05; done\n"
    house.hook(script, name, retries=0, timeout=0.5)
    house.drop("a.md", "a")
    house.drain()
    (folder,) = house.workspace.hook_runs.iterdir()
    assert (folder / "stdout").read_text() == "said\n"
    assert [run.outcome for run in house.runs()] == ["gave_up"]


@pytest.mark.parametrize("handler", [
    {"command": "${CLAUDE_PROJECT_DIR}/hooks/one.sh", "args": ["${CLAUDE_PROJECT_DIR}/a b", "$HOME"]},
    {"command": "${CLAUDE_PROJECT_DIR}/hooks/one.sh.j2", "args": ["${CLAUDE_PROJECT_DIR}/a b", "$HOME"]},
    {"command": '"$CLAUDE_PROJECT_DIR"/hooks/one.sh "$CLAUDE_PROJECT_DIR/a b" \'$HOME\''},
    {"command": '"${CLAUDE_PROJECT_DIR}"/hooks/one.sh.j2 "$CLAUDE_PROJECT_DIR/a b" \'$HOME\''},
    {"command": '$CLAUDE_PROJECT_DIR/hooks/one.sh.j2 "$CLAUDE_PROJECT_DIR/a b" \'$HOME\''},
])  # fmt: skip
def test_the_project_folder_stands_in_commands(house: House, handler: dict[str, Any]) -> None:
    """As in Claude Code: filled in where no shell reads the words, left to the shell where one does."""
    for name in ("one.sh", "one.sh.j2"):
        house.hook('#!/bin/sh\nprintf "%s|" "$@" > told.txt\n', name)
    house.configure({"TaskCompleted": [{"hooks": [{**handler, "retries": 0}]}]})
    house.drop("a.md", "a")
    house.drain()
    assert [run.outcome for run in house.runs()] == ["delivered"]
    assert (house.home / "told.txt").read_text() == f"{house.home}/a b|$HOME|"


def _tell(house: House, command: str) -> None:
    """Let a task end whose only hook is this command, run once."""
    house.configure({"TaskCompleted": [{"hooks": [{"command": command, "retries": 0}]}]})
    house.drop("a.md", "a")
    house.drain()
