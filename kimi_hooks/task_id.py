"""Ids of tasks, `kimi-<unix seconds>-<8 of a-z0-9>`, and of runners, `run-...`: safe in file names and URLs."""

from __future__ import annotations

import os
import re
import string

PATTERN = re.compile(r"kimi-[0-9]{1,12}-[a-z0-9]{8}")
_ALPHABET = string.ascii_lowercase + string.digits


def new_id(now: float) -> str:
    """Return a fresh id for a task of this instant, in seconds since 1970."""
    return f"kimi-{int(now)}-{_by_chance()}"


def new_run_id(now: float) -> str:
    """Return a fresh id for a runner that starts at this instant, in seconds since 1970."""
    return f"run-{int(now)}-{_by_chance()}"


def _by_chance() -> str:
    # From where `secrets` takes it, too, but that takes longer to import than a whole task file to write.
    return "".join(_ALPHABET[byte % 36] for byte in os.urandom(8))


def is_id(text: str) -> bool:
    """Tell whether the text is a well-formed task id."""
    return PATTERN.fullmatch(text) is not None
