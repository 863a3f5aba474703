"""The conversation of a task as a file, in the line format of Claude Code's transcripts: scripts can read those.

A transcript is made anew from what is known whenever somebody may read it, so it is not fsynced.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kimi_hooks import __version__, atomic
from kimi_hooks.clock import iso
from kimi_hooks.conversation import Conversation, Exchange
from kimi_hooks.journal.tasks import Entry
from kimi_hooks.task import Task

Line = dict[str, Any]
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_SPACE = uuid.UUID("6f2d0f0e-7a39-4b52-9f3c-2a3f1f6f6a11")


def write(file: Path, home: Path, entry: Entry, task: Task, told: Conversation, *, is_known: bool) -> None:
    """Write the transcript; `is_known`: somebody may be reading an earlier state of it just now. Raises OSError."""
    text = "".join(
        f"{json.dumps(line, ensure_ascii=False)}\n" for line in _chained(home, entry, _lines(entry, task, told))
    )
    if is_known:
        atomic.write_text(file, text, synced=False)
    else:
        atomic.write_unread(file, text)


def _chained(home: Path, entry: Entry, lines: Iterable[Line]) -> Iterator[Line]:
    """Give each line its id, which is the same whenever it is written, and that of the one before."""
    parent: str | None = None
    for number, line in enumerate(lines):
        own = str(uuid.uuid5(_SPACE, f"{entry.id}/{number}"))
        yield {
            "parentUuid": parent,
            "isSidechain": False,
            "userType": "external",
            "cwd": str(home),
            "sessionId": entry.id,
            "version": __version__,
            "gitBranch": "",
            **line,
            "uuid": own,
        }
        parent = own


def _lines(entry: Entry, task: Task, told: Conversation) -> Iterator[Line]:
    yield _user(task.prompt, iso(entry.created_at))
    if told.context is not None:
        yield {**_user(told.context.text, iso(told.context.at)), "isMeta": True}
    for number, exchange in enumerate(told.exchanges(), 1):
        yield _assistant(f"{entry.id}-{number}", exchange)
        if exchange.reply is not None:
            yield _user(exchange.reply.text, iso(exchange.reply.at))


def _user(text: str, at: str | None) -> Line:
    return {"type": "user", "message": {"role": "user", "content": text}, "timestamp": at}


def _assistant(message_id: str, exchange: Exchange) -> Line:
    answer = exchange.answer
    thought = [{"type": "thinking", "thinking": answer["reasoning"], "signature": ""}] if answer["reasoning"] else []
    took = answer.get("took") or {}
    message = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": answer["model"],
        "content": [*thought, {"type": "text", "text": answer["text"]}],
        "stop_reason": _STOP_REASONS.get(answer["finish_reason"] or "", answer["finish_reason"]),
        "stop_sequence": None,
        "usage": {
            "input_tokens": max(0, took.get("prompt", 0) - took.get("cached", 0)),
            "cache_read_input_tokens": took.get("cached", 0),
            "cache_creation_input_tokens": 0,
            "output_tokens": took.get("completion", 0),
        },
    }
    return {
        "type": "assistant",
        "message": message,
        "requestId": answer.get("request_id"),
        "timestamp": answer.get("at"),
    }
