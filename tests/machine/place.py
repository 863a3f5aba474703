"""One workspace with its Kimi and its hooks, seen from outside: what lies on the disk, and what Kimi was asked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kimi_hooks.standin.server import Standin
from kimi_hooks.workspace import Workspace
from tests.house import KEY
from tests.machine.model import RETRY, mark_in

CHAT = "/chat/completions"


@dataclass(frozen=True)
class Kept:
    """What is on the disk of one task: whether its result is, and how many characters of answers are."""

    has_result: bool
    answers: int


def configure(workspace: Workspace, url: str, **keys: Any) -> None:
    """Write config.yaml: news is posted to that address, and so are answers of tasks that are to be judged."""
    post = {"id": "hear", "type": "http", "url": url, "allow_private": True, "retries": 2}
    # YAML writes what is there twice as an alias, which is not taken.
    news = {event: [{"hooks": [dict(post)]}] for event in ("TaskCompleted", "TaskFailed", "Notification")}
    gate = {"matcher": ".*judged.*", "hooks": [{**post, "id": "judge"}]}
    limits = {"requests_per_minute": 10_000, **keys.pop("limits", {})}
    config = {"workspace": 1, "retry": dict(RETRY), "settle_seconds": 0.05, "limits": limits, "grace_seconds": 5}
    config = {**config, "hooks": {**news, "Stop": [gate]}, **keys}
    workspace.config_file.write_text(yaml.safe_dump(config))


def environ(kimi: Standin) -> dict[str, str]:
    """Return what a child needs to know of its Kimi."""
    return {"KIMI_API_KEY": KEY, "KIMI_API_URL": kimi.url}


def rows(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the rows of all tasks, none where there is no journal yet."""
    return _query(workspace, "SELECT * FROM tasks ORDER BY seq")


def is_paused(workspace: Workspace) -> bool:
    return bool(_query(workspace, "SELECT 1 FROM facts WHERE key = 'paused'"))


def result(workspace: Workspace, task_id: str) -> dict[str, Any]:
    """Return a result; it must be there, and whole."""
    read: dict[str, Any] = json.loads(workspace.result_file(task_id).read_bytes())
    return read


def kept(workspace: Workspace) -> dict[str, Kept]:
    """Return what answers are on the disk, by the mark of their tasks."""
    found = {}
    for row in rows(workspace):
        turns = workspace.turns / row["id"]
        files = (workspace.result_file(row["id"]), turns / "result.json")
        has_result = any(file.exists() and _run_of(file) >= row["retried"] for file in files)
        found[mark_in([row["name"]])] = Kept(has_result, sum(len(_text(file)) for file in turns.glob("[0-9]*.json")))
    return found


def asked(kimi: Standin) -> list[tuple[str, int]]:
    """Return the calls for answers so far: the mark of each, and how many characters of answers it goes on after."""
    bodies = [request.body for request in kimi.requests if request.path.endswith(CHAT) and request.body]
    return [_asked(body["messages"]) for body in bodies]


def file_names(workspace: Workspace) -> str:
    """Return the names of all files that wait to be taken, one on a line."""
    waiting = (path for folder in (workspace.outbox, workspace.incoming) for path in folder.iterdir())
    return "\n".join(path.name for path in waiting)


def _asked(messages: list[dict[str, Any]]) -> tuple[str, int]:
    mark = mark_in([message["content"] for message in messages if message["role"] == "user"][:1])
    return mark, sum(len(message["content"]) for message in messages if message["role"] == "assistant")


def _run_of(result: Path) -> int:
    """Return how often the task of a result had been run again."""
    return int(json.loads(result.read_bytes())["retried"])


def _text(turn: Path) -> str:
    return str(json.loads(turn.read_bytes())["text"])


def _query(workspace: Workspace, query: str) -> list[dict[str, Any]]:
    if not workspace.journal_file.exists():
        return []
    with closing(sqlite3.connect(f"{workspace.journal_file.absolute().as_uri()}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        # A runner may have died before there was a table.
        return [dict(row) for row in db.execute(query)] if db.execute("PRAGMA user_version").fetchone()[0] else []
