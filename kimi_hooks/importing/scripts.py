"""What a command of somebody else's takes from its surroundings: files, and variables of the environment."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from kimi_hooks.hooks.command import PASSED_ON

MAX_SCRIPT_BYTES = 256 * 1024
PROJECT = re.compile(r"\$\{?CLAUDE_PROJECT_DIR\}?/?")
PLUGIN = re.compile(r"\$\{?CLAUDE_PLUGIN_ROOT\}?/?")
_ENDINGS = (".sh", ".bash", ".zsh", ".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl", ".php")
_TO = re.compile(r">\|?$")
_READ = (
    re.compile(r"(?<!\\)\$\{?([A-Z][A-Z0-9_]{2,})"),
    re.compile(r"(?:environ(?:\.get\(|\[)|getenv\(|ENV\[|ENV\.fetch\()\s*['\"]([A-Za-z_]\w*)['\"]"),
    re.compile(r"process\.env(?:\.|\[['\"])([A-Za-z_]\w*)"),
)
_SET = re.compile(
    r"^[ \t]*(?:(?:export|local|readonly|declare)[ \t]+)?([A-Z][A-Z0-9_]*)=(?!.*\$\{?\1\b)"
    r"|\bfor[ \t]+([A-Z][A-Z0-9_]*)[ \t]+in\b|\bread[ \t]+(?:-\w+[ \t]+)*([A-Z][A-Z0-9_]*)",
    re.MULTILINE,
)
# What shells set themselves, and what every hook has here.
_GIVEN = {
    *PASSED_ON, "PATH", "CLAUDE_PROJECT_DIR", "KIMI_EVENT", "KIMI_EVENT_ID", "KIMI_TASK_ID", "KIMI_TASK_NAME",
    "KIMI_TASK_STATUS", "KIMI_RESULT_FILE", "KIMI_HOOKS_HOME", "BASH", "BASH_REMATCH", "BASH_SOURCE", "BASH_VERSION",
    "BASHPID", "COLUMNS", "EPOCHSECONDS", "EUID", "FUNCNAME", "HOSTNAME", "IFS", "LINENO", "LINES", "OLDPWD", "OPTARG",
    "OPTIND", "OSTYPE", "PIPESTATUS", "PPID", "PWD", "RANDOM", "REPLY", "SECONDS", "SHLVL", "UID",
}  # fmt: skip
_SECRET_TEXT = re.compile(
    r"(?i)\bbearer\s+[\w.-]{12,}|\bxox[a-z]-\w|\bsk-[\w-]{16,}|\bgh[a-z]_\w{20,}|hooks\.slack\.com/services/\w"
    r"|api\.telegram\.org/bot\d|discord(?:app)?\.com/api/webhooks/\d|https?://[^/\s:@]+:[^/\s@]+@"
)


def words(command: str, args: Sequence[str] | None) -> list[str]:
    """Return the words of a command line, as far as they can be told without a shell."""
    if args is not None:
        return [command, *args]
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def files(found: Sequence[str]) -> Iterator[str]:
    """Yield the words that name scripts, without the project's folder in front; what is written to is none."""
    for before, word in zip(["", *found], found, strict=False):
        if _TO.search(before):
            continue
        name = PROJECT.sub("", word, count=1)
        # A word with blanks in it is more likely a command for another shell.
        is_one = name != word or word.startswith(("/", "./", "~")) or not re.search(r"\s", name)
        if is_one and not re.search(r"[$`*?<>|;&=]|://", name) and (name.endswith(_ENDINGS) or _is_path(name)):
            yield name


def _is_path(name: str) -> bool:
    return "/" in name.strip("/") and not name.startswith(("-", "/dev/", "/usr/", "/bin/", "/opt/"))


def text_of(file: Path) -> str:
    """Return what a script says; empty where there is no such plain file."""
    try:
        if not file.is_file():
            return ""
        with file.open("rb") as opened:
            return opened.read(MAX_SCRIPT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def variables(text: str) -> set[str]:
    """Return the variables that a script reads and that no hook has here unless it is given them."""
    read = {name for pattern in _READ for name in pattern.findall(text)}
    own = {name for names in _SET.findall(text) for name in names}
    return {name for name in read - own - _GIVEN if not name.startswith("LC_")}


def holds_secret(text: str) -> bool:
    """Tell whether a command line seems to have a token written into it."""
    return _SECRET_TEXT.search(text) is not None
