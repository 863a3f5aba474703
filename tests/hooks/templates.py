"""What the tests of templates share."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks.template import ScriptTemplate, check_source

NAMES = ("x", "y", "flag", "items", "metadata", "task_name")
BASH = "#!/usr/bin/env bash\n"
SH = "#!/bin/sh\n"
PATH = Path("some folder/f.sh.j2")


def checked(body: str, first: str = BASH) -> ScriptTemplate:
    return check_source(first + body, PATH, NAMES)


def rendered(body: str, values: Mapping[str, Any], first: str = BASH) -> str:
    return checked(body, first).render(values)


def refused(body: str, first: str = BASH, line: int | None = None) -> str:
    """The message of the refusal, which must have its three parts."""
    with pytest.raises(TemplateError) as caught:
        checked(body, first)
    message = str(caught.value)
    found = re.fullmatch(rf"{re.escape(str(PATH))}:(\d+): (.+?); (.+)", message, re.DOTALL)
    assert found, message
    assert line is None or int(found[1]) == line, message
    assert "NAME" not in found[3]
    assert "TAG" not in found[3]
    return message


def run(script: str, folder: Path, shell: str = "bash", seconds: float = 20) -> subprocess.CompletedProcess[bytes]:
    """Run a rendered script as a hook is run: from a file, in a folder of its own; nothing of it stays behind."""
    file = folder / "script.sh"
    file.write_bytes(script.encode())
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    with subprocess.Popen(
        [shell, str(file)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        try:
            stdout, stderr = child.communicate(timeout=seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(child.args, child.returncode, stdout, stderr)
