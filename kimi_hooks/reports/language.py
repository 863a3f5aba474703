"""Which language a report is written in."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kimi_hooks.config import Language

_NAMES = ("LC_ALL", "LC_MESSAGES", "LANG")


def of_environment(environ: Mapping[str, str]) -> Language:
    """Return Chinese for any Chinese locale, English for all others; the first name that is set decides, as in POSIX.

    Source: POSIX.1-2017, XBD 8.2, Internationalization Variables.
    """
    said = next((environ[name] for name in _NAMES if environ.get(name)), "")
    return "zh-TW" if re.match(r"zh(?![a-z])", said.lower()) else "en"
