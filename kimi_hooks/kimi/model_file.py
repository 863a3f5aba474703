"""The program's own list of models as a file, and a look into it that needs no YAML parser."""

from __future__ import annotations

import re
from pathlib import Path

_FILE = Path(__file__).with_name("models.yaml")


def text() -> str:
    return _FILE.read_text(encoding="utf-8")


def may_be_retired(model: str) -> bool:
    """Tell whether the file calls this model retired, for verbs that must be quick; config.yaml may say otherwise."""
    entry = re.search(rf"^  {re.escape(model)}:\n((?:    .*\n)+)", text(), re.MULTILINE)
    return entry is not None and re.search(r"^    retired:", entry[1], re.MULTILINE) is not None
