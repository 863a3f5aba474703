#!/usr/bin/env python3
"""Stop: run pytest on the Python code of Kimi's answer, and send Kimi back with what failed.

THIS RUNS CODE THAT A MODEL WROTE, as your user. It runs in a folder of its own that is removed, with a time-out,
limits on processor time and file size, and none of your variables. That is no sandbox: it can read your files and reach
your network. With RUN_TESTS_SANDBOX=bwrap it can do neither. See README.md.

Exit codes: 0 the answer may stand, 2 Kimi is sent back with standard error, 1 the tests could not be run.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Change these as you like. SECONDS must stay below the `timeout` of the hook in config.yaml.
SECONDS = 60
MOST_CORRECTIONS = 4
TOLD_CHARACTERS = 3000
MOST_FILE_BYTES = 100_000_000

PYTHON_WORDS = {"python", "py", "python3"}
# Anybody may drop files into these; they are no place for tests.
NOT_FOR_TESTS = {"outbox", "results", "spool"}
FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*(.*?)[ \t]*$")
NAME = r"([\w./\\-]*\.py)\b"
NAME_IN_INFO = re.compile(NAME)
NAME_IN_COMMENT = re.compile(rf"^#+\s*(?:file(?:name)?:?\s*)?{NAME}\s*$", re.IGNORECASE)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class CannotRunError(Exception):
    """The tests could not be run, and Kimi can do nothing about it."""


class RefusedError(Exception):
    """The answer is not good enough; the text goes to Kimi."""


@dataclass(frozen=True)
class Block:
    """One fenced code block: what stands after the fence, its text, and whether it was closed."""

    info: str
    text: str
    closed: bool


@dataclass(frozen=True)
class Python:
    """The interpreter that has pytest, and the folders that it needs."""

    program: str
    prefixes: tuple[str, ...]


def main() -> int:
    # So that what was started is ended and the folder removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    event = json.load(sys.stdin.buffer)
    try:
        check(event)
    except CannotRunError as error:
        print(f"run-tests: {error}", file=sys.stderr)
        return 1
    except RefusedError as error:
        return refuse(str(error), event.get("stop_hook_count") or 0)
    return 0


def refuse(reason: str, corrections: int) -> int:
    """Send Kimi back, unless that has happened often enough: then the answer stands, with a word to the user."""
    if corrections >= MOST_CORRECTIONS:
        message = f"run-tests: after {corrections} corrections this is still wrong: {reason[:500]}"
        print(json.dumps({"systemMessage": message}))
        return 0
    print(reason, file=sys.stderr)
    return 2


def check(event: dict[str, Any]) -> None:
    """Run the tests. Raises RefusedError when Kimi must go on, CannotRunError when there is nothing Kimi could do."""
    own_tests = tests_of_user(event)
    blocks = [block for block in code_blocks(event.get("last_assistant_message") or "") if is_python(block)]
    files = files_of(blocks)
    if not own_tests and not any(name.startswith("test_") for name in files):
        print("no tests in the answer, and none under metadata.tests: nothing was run")
        return
    if not blocks:
        raise RefusedError(
            "Your answer has no Python code block. Give the whole program between ```python and ``` lines."
        )
    if not all(block.closed for block in blocks):
        raise RefusedError("A code block of your answer has no closing ``` line. Give the whole program again.")
    with tempfile.TemporaryDirectory(prefix="run-tests-", ignore_cleanup_errors=True) as folder:
        run(Path(folder).resolve(), files, own_tests)


def tests_of_user(event: dict[str, Any]) -> Path | None:
    """Return the test file that `metadata.tests` names, seen from the workspace. Raises CannotRunError."""
    named = (event.get("metadata") or {}).get("tests")
    if named is None:
        return None
    home = Path(event["cwd"]).resolve()
    path = (home / str(named).replace("\0", "?")).resolve()
    if not path.is_relative_to(home) or NOT_FOR_TESTS & {*path.relative_to(home).parts[:1]}:
        raise CannotRunError(
            f"metadata.tests: {named!r} is no place for tests; name a file in a folder of the workspace"
        )
    if not path.is_file() or path.suffix != ".py":
        raise CannotRunError(f"metadata.tests: there is no Python file {named!r} in {home}; write its path from there")
    return path


def code_blocks(text: str) -> list[Block]:
    """Return the fenced blocks; one that is never closed goes to the end of the text."""
    blocks: list[Block] = []
    lines = iter(text.splitlines())
    for line in lines:
        found = FENCE.match(line)
        if found and not (found[2][0] == "`" and "`" in found[3]):
            blocks.append(block_from(found, lines))
    return blocks


def block_from(opening: re.Match[str], lines: Any) -> Block:
    end = re.compile(rf"^[ \t]*{re.escape(opening[2][0])}{{{len(opening[2])},}}[ \t]*$")
    inside: list[str] = []
    for line in lines:
        if end.match(line):
            return Block(opening[3], "\n".join(inside) + "\n", closed=True)
        inside.append(line.removeprefix(opening[1]))
    return Block(opening[3], "\n".join(inside) + "\n", closed=False)


def is_python(block: Block) -> bool:
    return re.split(r"[^\w]", block.info, maxsplit=1)[0].lower() in PYTHON_WORDS


def files_of(blocks: list[Block]) -> dict[str, str]:
    """Return file names and their texts. A name that comes again takes the place of the first; code without one is
    `solution.py`, tests without one are `test_answer.py`.
    """
    files: dict[str, str] = {}
    for block in blocks:
        name = name_of(block)
        if name:
            files[name] = block.text
        else:
            name = "test_answer.py" if re.search(r"^(async )?def test_", block.text, re.MULTILINE) else "solution.py"
            files[name] = files.get(name, "") + block.text
    return files


def name_of(block: Block) -> str | None:
    """Return the last part of the name that the block gives itself: a path of Kimi's leads nowhere."""
    first = block.text.partition("\n")[0]
    found = NAME_IN_INFO.search(block.info) or NAME_IN_COMMENT.match(first)
    name = re.split(r"[/\\]", found[1])[-1] if found else ""
    return name if re.fullmatch(r"\w[\w-]{0,80}\.py", name) else None


def run(folder: Path, files: dict[str, str], own_tests: Path | None) -> None:
    """Run pytest in the folder. Raises RefusedError with the end of its output, or CannotRunError."""
    python = python_with_pytest(folder)
    work = folder / "work"
    work.mkdir()
    for name, text in files.items():
        (work / name).write_text(text, "utf-8", "replace")
    tests = sorted(name for name in files if name.startswith("test_"))
    if own_tests:
        # After Kimi's files: an answer cannot bring other tests under the same name.
        shutil.copyfile(own_tests, work / own_tests.name)
        tests = [own_tests.name]
    report = work / ".report.xml"
    command = [python.program, "-m", "pytest", *PYTEST, f"--junit-xml={report}", *tests]
    code, output = run_capped(boxed(command, work, python), work, folder / "output")
    judge(code, output.replace(f"{work}/", ""), tests_ran=report.exists(), are_own=own_tests is not None)


PYTEST = ("-q", "--tb=short", "--no-header", "--color=no", "--maxfail=5", "--noconftest", "-p", "no:cacheprovider",
          "-c", os.devnull, "--rootdir=.")  # fmt: skip


def python_with_pytest(folder: Path) -> Python:
    """Find the interpreter: RUN_TESTS_PYTHON, or the one that runs this. Raises CannotRunError without pytest."""
    program = shutil.which(os.environ.get("RUN_TESTS_PYTHON") or sys.executable)
    ask = "import pytest, sys; print(sys.prefix); print(sys.base_prefix)"
    if program:
        asked = subprocess.run(
            [program, "-c", ask], cwd=folder, env=clean(folder), capture_output=True, text=True, check=False
        )
        if asked.returncode == 0:
            return Python(program, tuple(dict.fromkeys(asked.stdout.split("\n")[:2])))
    raise CannotRunError(
        "there is no pytest: write RUN_TESTS_PYTHON=/path/to/a/python/that/has/pytest into .env.kimi, "
        f"or install it: {shlex.quote(program or sys.executable)} -m pip install pytest"
    )


def boxed(command: list[str], work: Path, python: Python) -> list[str]:
    """Return the command in the sandbox that RUN_TESTS_SANDBOX asks for: `bwrap`, or words of your own before it."""
    wanted = shlex.split(os.environ.get("RUN_TESTS_SANDBOX", ""))
    if not wanted:
        return command
    # The environment of what is run has another PATH than ours.
    wanted[0] = shutil.which(wanted[0]) or wanted[0]
    words = bubblewrap(wanted[0], work, python) if Path(wanted[0]).name == "bwrap" and len(wanted) == 1 else wanted
    if problem := sandbox_problem(words, work):
        raise CannotRunError(
            f"RUN_TESTS_SANDBOX: {words[0]} cannot be used here ({problem}); mend it or choose another"
        )
    return [*words, *command]


def sandbox_problem(words: list[str], work: Path) -> str | None:
    """Try the sandbox: what is wrong with it must not look like a fault of Kimi's code."""
    if not shutil.which(words[0]):
        return "it is not installed"
    tried = subprocess.run([*words, "true"], cwd=work, env=clean(work), capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else tried.stderr.strip()[-300:] or f"exit code {tried.returncode}"


def bubblewrap(program: str, work: Path, python: Python) -> list[str]:
    """Return a bwrap call: programs and libraries can be read, the folder written, and there is nothing else."""
    seen = ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", *python.prefixes]
    binds = [word for path in seen for word in ("--ro-bind-try", path, path)]
    return [program, "--die-with-parent", "--unshare-all", "--new-session", "--proc", "/proc", "--dev", "/dev",
            "--tmpfs", "/tmp", *binds, "--bind", str(work), str(work), "--chdir", str(work)]  # fmt: skip


def clean(home: Path) -> dict[str, str]:
    """Return the environment for code of Kimi's: nothing of ours but the language."""
    language = {name: os.environ[name] for name in ("LANG", "LC_ALL", "LC_CTYPE") if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home), **language,
            "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # fmt: skip


def run_capped(command: list[str], work: Path, output: Path) -> tuple[int | None, str]:
    """Run to the end or the time-out; return the exit code, None after a time-out, and the end of what it printed."""
    with output.open("wb+") as file:
        child = subprocess.Popen(
            command,
            cwd=work,
            env=clean(work),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=limit,  # noqa: PLW1509 - there is one thread
        )
        try:
            code: int | None = child.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            # Also what it has left in the background.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 4 * TOLD_CHARACTERS))
        return code, file.read().decode("utf-8", "replace")


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE_BYTES, MOST_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def judge(code: int | None, output: str, *, tests_ran: bool, are_own: bool) -> None:
    """Tell what the end of pytest means. Raises RefusedError or CannotRunError, and returns when the tests passed."""
    # A program that ends the interpreter by itself ends it with 0, too.
    if code == 0 and tests_ran:
        print("the tests passed")
        if shutil.which("bwrap") and not os.environ.get("RUN_TESTS_SANDBOX"):
            print("bwrap is installed: write RUN_TESTS_SANDBOX=bwrap into .env.kimi, and answers are run inside it")
        return
    if code == 4 or (code == 5 and are_own):  # noqa: PLR2004 - pytest's words: wrong usage, no tests found
        raise CannotRunError(f"pytest found nothing to run; look at the test file: {end_of(output)[-500:]}")
    what = {
        None: f"the tests did not end within {SECONDS} seconds",
        0: "the program ended before its tests had run",
        5: "there is no test in the test files",
    }.get(code, "the tests failed")
    raise RefusedError(
        f"Your code was run with pytest, and {what}. Correct it and give every file again, whole, "
        f"each in a ```python block with its file name as a comment on the first line.\n\n"
        f"The end of what pytest printed:\n{end_of(output)}"
    )


def end_of(output: str) -> str:
    """Return the last lines, plain and short."""
    return CONTROL.sub("", output).strip()[-TOLD_CHARACTERS:]


if __name__ == "__main__":
    sys.exit(main())
