"""Whether the files and programs are there that a command starts with; in doubt they are."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kimi_hooks.hooks import check_syntax

# Programs that are given a script, by the names they have, and those options of theirs that are followed by nothing.
_INTERPRETERS = {
    re.compile(r"python(?:3(?:\.\d+)?)?"): re.compile(r"-[bBdEIOPqsSuv]+"),
    re.compile(r"sh|dash|bash|zsh"): re.compile(r"-[eux]+"),
    re.compile(r"node|nodejs"): re.compile(r"--no-warnings|--no-deprecation"),
    re.compile(r"ruby"): re.compile(r"-w"),
    re.compile(r"perl"): re.compile(r"-[wTW]+"),
}
_NODE = re.compile(r"node|nodejs")
# Other words may be a subcommand of it, or the beginning of a file's name.
_NODE_SCRIPT = re.compile(r".*\.[cm]?[jt]s")
_NODE_ENDINGS = ("", ".js", ".json", ".node")
# Linux reads that much of a first line: https://www.man7.org/linux/man-pages/man2/execve.2.html
_FIRST_LINE_BYTES = 256


@dataclass(frozen=True)
class Place:
    """Where a hook is started: its current folder, and its PATH, None where that is not certain."""

    cwd: Path
    path: str | None

    def lacks(self, name: str) -> bool:
        """Tell whether a program is certainly not on the PATH."""
        if self.path is None or not all(folder.startswith("/") for folder in self.path.split(":")):
            return False
        return shutil.which(name, path=self.path) is None

    def holds(self, name: str) -> bool:
        """Tell whether a file of this name, run bit or not, lies in a folder of the PATH; true when in doubt."""
        return self.path is None or any(Path(folder, name).exists() for folder in self.path.split(":"))

    def located(self, program: str) -> str | None:
        """Return the path of a program that is there."""
        return str(self.cwd / program) if "/" in program else shutil.which(program, path=self.path or "")


def words_problem(words: Sequence[str], place: Place, *, by_shell: bool) -> str | None:
    """Return why a command of these words cannot start. Raises OSError where it may not be looked.

    `by_shell`: a name may also be a word of the shell's own.
    """
    program, *rest = words
    if "/" in program:
        problem = _file_problem(place.cwd / program, place)
    else:
        is_missing = not (by_shell and _options_of(program) is None) and place.lacks(program)
        problem = f"{program} is not on the PATH of hooks; install it or write its whole path" if is_missing else None
    return problem or _script_problem(program, rest, place)


def interpreter_problem(file: Path, words: Sequence[str], place: Place) -> str | None:
    """Return why the words of a script's first line, without `#!`, cannot start it."""
    program = words[0] if words else ""
    if not program.startswith("/"):
        return None
    if not Path(program).exists():
        return _missing(file, program)
    name = _by_env(words)
    return _missing(file, name) if name and "/" not in name and place.lacks(name) else None


def _missing(file: Path, program: str) -> str:
    if program.endswith("\r"):
        return f"{file}: its first line ends as on Windows, so its interpreter is not found; sed -i 's/\\r$//' {file}"
    return f"{file}: its interpreter {program} is not there; install it or mend the first line"


def _file_problem(file: Path, place: Place) -> str | None:
    if not file.exists():
        return f"{file}: there is no such file; mend the path or put the file there"
    if file.is_dir():
        return f"{file}: is a folder; name the file in it that is to be run"
    if not os.access(file, os.X_OK):
        return f"{file}: the run bit is missing; chmod +x {file}"
    words = _first_line(file)
    return interpreter_problem(file, words, place) or _shebang_syntax_problem(file, words, place)


def _is_script(program: str | None) -> bool:
    """Tell whether what has an interpreter's name is a script that may do anything; true when in doubt."""
    return program is None or not os.access(program, os.R_OK) or bool(_first_line(Path(program)))


def _first_line(file: Path) -> list[str]:
    """Return the words after `#!` as the kernel divides them: a program and at most one more."""
    if not os.access(file, os.R_OK):
        return []
    with file.open("rb") as opened:
        line, end, _ = opened.read(_FIRST_LINE_BYTES).partition(b"\n")
    if not line.startswith(b"#!") or not end:
        return []
    return [word.strip(" \t") for word in re.split(r"[ \t]+", os.fsdecode(line[2:]).strip(" \t"), maxsplit=1)]


def _by_env(words: Sequence[str]) -> str | None:
    """Return the program that `env` in a first line starts, None when there is none or it cannot be told."""
    if Path(words[0]).name != "env" or len(words) == 1:
        return None
    name, *more = re.split(r"[ \t]+", words[1])
    if name == "-S" and more:
        name, *more = more
    elif more:
        return None
    return None if name.startswith("-") or "=" in name else name


def _shebang_syntax_problem(file: Path, words: Sequence[str], place: Place) -> str | None:
    program = (_by_env(words) or words[0]) if words else ""
    return _syntax_problem(file, program, place)


def _syntax_problem(file: Path, program: str, place: Place) -> str | None:
    shell = place.located(program) if Path(program).name in check_syntax.SHELLS else None
    told = check_syntax.of_file(shell, file) if shell and os.access(file, os.R_OK) else None
    return f"{file}: {Path(program).name} cannot read it: {told}; mend it there" if told else None


def _script_problem(program: str, rest: Sequence[str], place: Place) -> str | None:
    """Return why the script that an interpreter is given cannot be run."""
    options = _options_of(program)
    operand = next((word for word in rest if not (options and options.fullmatch(word))), "")
    if options is None or not operand or operand.startswith("-") or _is_script(place.located(program)):
        return None
    if _NODE.fullmatch(Path(program).name) and not _NODE_SCRIPT.fullmatch(operand):
        return None
    file = place.cwd / operand
    if not any(Path(f"{file}{ending}").exists() for ending in _NODE_ENDINGS) and not (
        "/" not in operand and place.holds(operand)
    ):
        return f"{file}: there is no such file for {program}; mend the path or put the file there"
    return _syntax_problem(file, program, place)


def _options_of(program: str) -> re.Pattern[str] | None:
    """Return what the options of an interpreter look like, None for any other program."""
    name = Path(program).name
    return next((options for names, options in _INTERPRETERS.items() if names.fullmatch(name)), None)
