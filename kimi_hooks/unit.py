"""The systemd user unit of a runner as text, with every path written so that systemd reads back what was meant.

The rules of quoting and of `%` and `$` are those of systemd.syntax(7), systemd.unit(5) and systemd.service(5).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

FIRST_NAME = "kimi-hooks.service"
PATTERN = "kimi-hooks*.service"
# More than a runner takes after its grace time to end what is left and to close the journal.
MARGIN_SECONDS = 30
LONGEST_SLUG = 40
DIGEST_LENGTH = 8
# Sections and keys that begin with X- are ours: systemd passes them over.
_HOME_LINE = re.compile(r"^X-KimiHooksHome=(.*)$", re.MULTILINE)
_TEXT = """\
# Written by `kimi-hooks service install`, which writes it anew. Changes of your own: systemctl --user edit {name}
[Unit]
Description=kimi-hooks runner in {shown}
# A runner that fails five times within five minutes is given up: systemctl --user reset-failed {name}
StartLimitIntervalSec=300
StartLimitBurst=5
X-KimiHooksHome={marker}

[Service]
Type=exec
ExecStart={command}
# Hooks find the programs that the shell which installed this found. Secrets stand in .env.kimi, never here.
Environment={path}
Restart=on-failure
RestartSec=10
# Ended on purpose: ^C twice, `kimi-hooks stop --now`, TERM twice.
SuccessExitStatus=130 131 143
# TERM goes to the runner alone: calls and hooks may finish within grace_seconds ({grace:g}).
KillMode=mixed
TimeoutStopSec={stop_seconds}
# A hook that the kernel ends for want of memory must not end the runner.
OOMPolicy=continue

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True)
class Unit:
    """What a unit is made of: `path` is the PATH of hooks, `grace_seconds` that of config.yaml."""

    home: Path
    program: Path
    path: str
    grace_seconds: float


def text(unit: Unit, name: str) -> str:
    """Return the unit file that runs this workspace."""
    return _TEXT.format(
        name=name,
        shown=_plain(str(unit.home)).replace("%", "%%"),
        marker=json.dumps(str(unit.home)),
        command=_command(unit.program, ("--home", str(unit.home), "run")),
        path=_quoted(f"PATH={unit.path}"),
        grace=unit.grace_seconds,
        stop_seconds=math.ceil(unit.grace_seconds) + MARGIN_SECONDS,
    )


def home_of(text: str) -> Path | None:
    """Return the workspace of a unit that we wrote, None for anybody else's."""
    found = _HOME_LINE.search(text)
    try:
        return Path(json.loads(found[1])) if found else None
    except (ValueError, TypeError):
        return None


def further_name(home: Path) -> str:
    """Return the unit's name for a workspace that is not the first one: its folder's name and a hash of its path."""
    slug = re.sub(r"[^a-z0-9]+", "-", home.name.lower()).strip("-")[:LONGEST_SLUG]
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:DIGEST_LENGTH]
    return "-".join(filter(None, ("kimi-hooks", slug, digest))) + ".service"


def _command(program: Path, arguments: tuple[str, ...]) -> str:
    words = [_argument(word) for word in arguments]
    if _plain(str(program)) == str(program) and not set("\"'$") & set(str(program)):
        return " ".join([_quoted(str(program)), *words])
    # systemd takes no quotes, backslashes or controls in the name of what it starts; as an argument it takes all.
    return " ".join(["/bin/sh -c", _argument('exec "$0" "$@"'), _argument(str(program)), *words])


def _argument(word: str) -> str:
    """A word of ExecStart after the first: there a `$` would name a variable."""
    return _quoted(word).replace("$", "$$")


def _quoted(word: str) -> str:
    return '"' + "".join(_escaped(char) for char in word).replace("%", "%%") + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() and char != "\\" else "?" for char in text)
