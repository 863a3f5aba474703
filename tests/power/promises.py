"""What a run has promised up to some instant, and what of it a disk that is left must still hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.power.disk import Left
from tests.power.recording import Op

_WRITTEN = {"result.written", "refusal.written", "turn.written", "ack.written"}


class Promises:
    """Follows a run. `answers` are the files that it has relied upon, by path, `told` the tasks that were told of."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.told: set[str] = set()
        self._content: dict[int, bytes] = {}
        self._renamed: dict[int, dict[str, bytes]] = {}

    def follow(self, op: Op) -> None:
        """Take note of one step."""
        if op.what == "make":
            self._content[op.ino] = b""
        elif op.what == "append":
            self._content[op.ino] = self._content.get(op.ino, b"") + op.data
        elif op.what == "rename" and _is_answer(op.to):
            self._renamed.setdefault(op.thread, {})[op.to] = self._content.get(op.ino, b"")
            # Until it is done, the new state may be there or the old one.
            self.answers.pop(op.to, None)
        elif op.what == "remove":
            self.answers.pop(op.path, None)
        elif op.what == "point" and op.path in _WRITTEN:
            self.answers |= self._renamed.pop(op.thread, {})
        elif op.what == "told" and op.path:
            self.told.add(op.path)

    def broken(self, left: Left) -> Iterator[str]:
        """Yield what is not there any more of what was promised."""
        for path, data in self.answers.items():
            if left.files.get(path, (0, None))[1] != data:
                yield f"{path} was written, and is gone or not whole"
        for task_id in self.told:
            if f"results/{task_id}.json" not in left.files:
                yield f"{task_id}: its end was told, and its result is gone"
        for path, (_, data) in left.files.items():
            if _is_answer(path) and not _is_whole(data):
                yield f"{path} is there in part"


def _is_answer(path: str) -> bool:
    """Tell whether the path is that of a result or of an answer that is kept: others can be made anew."""
    place = PurePosixPath(path)
    is_json = place.suffix == ".json" and not place.name.startswith(".")
    return is_json and path.startswith(("spool/turns/", "results/kimi-"))


def _is_whole(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True
