"""From the bytes of a task file to the task in them."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from kimi_hooks import atomic, strict_yaml, task
from kimi_hooks.errors import TaskError
from kimi_hooks.text import derived_name, in_words, utf8

_LINK = "is a symbolic link; drop the file itself"
_LOCKED = "may not be read by the runner's user; give it read permission and drop it again"
_NO_FILE = "is not a plain file; drop a file with the text itself"
_REFUSED = {
    errno.ELOOP: _LINK,
    errno.EMLINK: _LINK,
    errno.EACCES: _LOCKED,
    errno.EPERM: _LOCKED,
    errno.ENXIO: _NO_FILE,
    errno.ENODEV: _NO_FILE,
}
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)

# A line of dashes may also be a rule in the text; settings show by their first key.
_OPEN_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n[ \t]*[A-Za-z_]+:(?:[ \t]|\r?\n|\Z)")


def read_bytes(path: Path, shown: str, max_bytes: int) -> tuple[bytes, int]:
    """Return the file's content and its owner's uid.

    Raises TaskError for what is not a readable, plain, small file, and OSError for what is no fault of the file's.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise TaskError(f"{shown}: {_REFUSED[error.errno]}") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise TaskError(f"{shown}: {_NO_FILE}")
        data = atomic.read_up_to(fd, min(status.st_size, max_bytes) + 1)
    finally:
        os.close(fd)
    if len(data) > max_bytes:
        raise TaskError(f"{shown}: is larger than {max_bytes} bytes; shorten it or raise max_task_bytes in config.yaml")
    return data, status.st_uid


def parse(data: bytes, file_name: str) -> tuple[task.Task, list[str]]:
    """Return the task that the bytes of this file hold, and warnings. Raises TaskError that says what to mend."""
    shown = shown_name(file_name)
    name = Path(file_name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TaskError(f"{shown}: is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from error
    fields = _fields(text, name.suffix.lower(), shown)
    return task.check(fields, default_name=derived_name(shown_name(name.stem)), where=shown)


def shown_name(file_name: str) -> str:
    """Return a file's name as text that can be written down, whatever bytes it has."""
    return os.fsencode(file_name).decode("utf-8", "replace")


def _fields(text: str, ending: str, shown: str) -> dict[str, Any]:
    if ending == ".json":
        return _mapping(_json(text, shown), shown)
    if ending in {".yaml", ".yml"}:
        return _mapping(_yaml(text, shown), shown)
    return _with_front_matter(text, shown)


def _with_front_matter(text: str, shown: str) -> dict[str, Any]:
    found = _FRONT_MATTER.match(text)
    if found is None:
        if _OPEN_FRONT_MATTER.match(text):
            raise TaskError(f"{shown}: the settings begin with --- and no second line of --- ends them; add it")
        return {"prompt": text}
    fields = _mapping(_yaml(found["yaml"], f"{shown}, front matter") or {}, f"{shown}, front matter")
    if "prompt" in fields:
        raise TaskError(f"{shown}: the prompt is the text below the front matter; take the key 'prompt' out")
    return {**fields, "prompt": text[found.end() :]}


def _yaml(text: str, shown: str) -> Any:
    try:
        return strict_yaml.load(text, raw_keys=task.TEXT_KEYS)
    except strict_yaml.YamlMistakeError as error:
        raise TaskError(f"{shown}: broken YAML: {error}") from error


def _json(text: str, shown: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise TaskError(f"{shown}: broken JSON: {in_words(error)}") from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    seen: set[str] = set()
    for key, _ in pairs if len(mapping) < len(pairs) else ():
        if key in seen:
            raise ValueError(f"the key {key[:60]!r} stands twice; keep one")
        seen.add(key)
    return mapping


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a number that can be used")


def _mapping(data: Any, shown: str) -> dict[str, Any]:
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise TaskError(f"{shown}: expected keys and values, such as `prompt: ...`")
    for key in data:
        try:
            utf8(key)
        except ValueError as error:
            raise TaskError(f"{shown}: the key {key[:60]!r} {error}; take it out") from error
    return data
