#!/usr/bin/env python3
"""TaskCompleted and TaskFailed: append one line for each task to a CSV file.

A second run for the same event adds nothing. Runs side by side wait for each other.

Exit codes: 0 done, 1 try again.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, BinaryIO

HEADER = ("time", "id", "name", "model", "tokens", "cost", "currency", "status", "event_id")
# The wide signs are what East Asian keyboards write.
FORMULA = re.compile("(^|; ?)(?=[=+@\uff1d\uff0b\uff0d\uff20-])")


def main() -> int:
    event = json.load(sys.stdin.buffer)
    path = Path(event["cwd"], os.environ.get("LEDGER_FILE") or "ledger.csv")
    try:
        with path.open("a+b") as file:
            # Let go when the file is closed, however this ends.
            fcntl.flock(file, fcntl.LOCK_EX)
            print(add(file, event))
    except OSError as error:
        print(f"ledger: {path} cannot be written ({error}); make room or mend its rights", file=sys.stderr)
        return 1
    return 0


def add(file: BinaryIO, event: dict[str, Any]) -> str:
    """Append the line unless it is there. Raises OSError."""
    file.seek(0)
    content = file.read()
    # Lines end with a line end; what follows the last one was cut by a power failure, and comes again.
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        file.truncate(len(whole))
    if any(line.endswith(f",{event['event_id']}".encode()) for line in whole.splitlines()):
        return f"{event['event_id']} is there already"
    file.write((b"" if whole else line_of(HEADER)) + line_of(row(event)))
    file.flush()
    os.fsync(file.fileno())
    return f"{event['task_id']} was added"


def row(event: dict[str, Any]) -> tuple[Any, ...]:
    usage, cost = event["usage"] or {}, event["cost"] or {}
    return (
        event["timestamp"],
        event["task_id"],
        harmless(event["task_name"]),
        harmless(event["model"]),
        usage.get("total_tokens", ""),
        cost.get("amount", ""),
        cost.get("currency", ""),
        event["status"],
        event["event_id"],
    )


def harmless(text: str | None) -> str:
    """Return a text on one line that no spreadsheet takes for a formula, also one that divides cells at `;`."""
    return FORMULA.sub(r"\1'", " ".join((text or "").split()))


def line_of(values: tuple[Any, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main())
