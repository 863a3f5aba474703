"""The examples as a user installs them: their scripts in `hooks/` of a workspace, their handlers in its config."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kimi_hooks import events
from kimi_hooks.defaults import folder
from kimi_hooks.events import Moment
from kimi_hooks.hooks.command import environment
from tests.house import PATIENCE, House

EXAMPLES = folder() / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/config.yaml"))
TASK_ID = "kimi-1771342200-q7x2m9ab"


def config_of(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((EXAMPLES / name / "config.yaml").read_text())
    return loaded


def scripts_of(name: str) -> list[Path]:
    return sorted(path for path in (EXAMPLES / name).iterdir() if path.suffix in {".py", ".sh", ".jq"})


def install(house: House, name: str, *, only: tuple[str, ...] = (), **keys: Any) -> None:
    """Do what the README says: copy the scripts and put the handlers into config.yaml, or `only` those with these ids.

    `keys` go over those of each handler.
    """
    for script in scripts_of(name):
        shutil.copy2(script, house.workspace.hooks)
    config = config_of(name)
    for groups in config["hooks"].values():
        for group in groups:
            group["hooks"] = [{**one, **keys} for one in group["hooks"] if not only or one["id"] in only]
    house.configure(config["hooks"])


def gate(kind: events.EventKind, **fields: Any) -> dict[str, Any]:
    """Return what a hook of a gate reads, as the runner makes it."""
    moment = Moment(kind, f"{TASK_ID}-{kind.name}-1", {"session_id": TASK_ID, "task_id": TASK_ID, **fields}, TASK_ID)
    return events.hook_input(moment, name=kind.name, attempt=1, home="")


def answered(text: str, *, corrections: int = 0, **metadata: Any) -> dict[str, Any]:
    """Return what a `Stop` hook reads of an answer."""
    return gate(
        events.STOP,
        task_name="code-a",
        last_assistant_message=text,
        metadata=metadata,
        stop_hook_active=corrections > 0,
        stop_hook_count=corrections,
    )


def prompted(text: str, **metadata: Any) -> dict[str, Any]:
    """Return what a `UserPromptSubmit` hook reads of a prompt."""
    return gate(events.PROMPT, task_name="a", prompt=text, metadata=metadata)


def ended(**fields: Any) -> dict[str, Any]:
    """Return what a `TaskCompleted` hook reads."""
    task = {
        "task_id": TASK_ID, "task_name": "a", "status": "done", "output": "", "model": "kimi-k3", "metadata": {},
        "usage": {"total_tokens": 700}, "cost": {"amount": 0.0081, "currency": "CNY"},
        "timestamp": "2026-02-17T15:30:00Z",
    }  # fmt: skip
    moment = Moment(events.COMPLETED, f"{TASK_ID}-TaskCompleted", {**task, **fields}, TASK_ID)
    return events.hook_input(moment, name="TaskCompleted", attempt=1, home="")


def call(house: House, script: str, hook_input: Mapping[str, Any], **environ: str) -> subprocess.CompletedProcess[str]:
    """Run an installed script as the runner does: with the event on stdin and a clean environment."""
    told = {**hook_input, "cwd": str(house.home)}
    base = environment(told, os.environ, environ, house.home)
    # The tools of this environment are there whether or not it is activated.
    base["PATH"] = environ.get("PATH", f"{Path(sys.executable).parent}:{base['PATH']}")
    return subprocess.run(
        [house.workspace.hooks / script],
        input=json.dumps(told),
        cwd=house.home,
        env=base,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def fake(folder_of_programs: Path, name: str, body: str) -> Path:
    """Make a program that stands for one that is not on this machine; return its folder."""
    folder_of_programs.mkdir(exist_ok=True)
    program = folder_of_programs / name
    program.write_text(f"#!/bin/bash\n{body}\n")
    program.chmod(0o755)
    return folder_of_programs
