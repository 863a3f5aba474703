#!/usr/bin/env python3
"""UserPromptSubmit: refuse a prompt that holds what looks like a secret, before anything is sent to Kimi.

The reason names the kind and the line, never the secret itself: reasons stand in results, logs and chats.

Exit codes: 0 the prompt may go, 2 it is refused with standard error.
"""

from __future__ import annotations

import json
import re
import sys
from bisect import bisect

MOST_TOLD = 5

# What it is called, and what it looks like. Add your own.
SHAPES = (
    ("a private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ("an AWS access key", r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("a GitHub token", r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50})"),
    ("a GitLab token", r"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20}"),
    # Kimi and Moonshot, OpenAI, Anthropic, DeepSeek and more. A digit: `sk-learn-and-other-words` is no key.
    ("an API key (sk-...)", r"(?<![A-Za-z0-9])sk-(?=[A-Za-z_-]{0,40}[0-9])[A-Za-z0-9_-]{20}"),
    ("a Stripe key", r"(?<![A-Za-z0-9])[sr]k_(?:live|test)_[A-Za-z0-9]{16}"),
    ("a Google API key", r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}"),
    ("a Slack token", r"(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10}"),
    ("the address of a Slack webhook", r"hooks\.slack\.com/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]{16}"),
    ("the token of a Telegram bot", r"(?<![0-9])[0-9]{8,10}:[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    ("the secret of a webhook", r"(?<![A-Za-z0-9])whsec_[A-Za-z0-9+/]{24}"),
    (
        "a JSON Web Token",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,2000}+\.eyJ[A-Za-z0-9_-]{10,8000}+\.[A-Za-z0-9_-]{10}",
    ),
    ("a password in an address", r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"]{1,100}:(?![\s<$*{%])[^\s/@'\"]{4,100}@[\w.-]"),
)
# A line of a .env file, or the like in code: the value is looked at by itself.
SETTING = re.compile(
    r"(?P<name>\b[A-Za-z0-9_]{0,60}(?:SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)(?:_[A-Za-z0-9_]{0,40})?)"
    r"[\"']?[ \t]{0,8}[=:][ \t]{0,8}[\"']?(?P<value>[A-Za-z0-9+/_=.~!#%^&*-]{12,}+)(?![(\[])",
    re.IGNORECASE,
)
# What people write where a secret would stand.
PLACEHOLDER = re.compile(
    r"(?i)x{4}|\.{3}|\*{4}|your|example|placeholder|change.?me|dummy|secret.?here|os\.environ|getenv"
)


def main() -> int:
    prompt = json.load(sys.stdin.buffer).get("prompt") or ""
    found = findings(prompt)
    if not found:
        return 0
    told = ", ".join(f"{what} on line {line}" for line, what in found[:MOST_TOLD])
    more = f", and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    print(
        f"The prompt was not sent: it holds what looks like {told}{more}. Take it out of the task and drop it again; "
        "if it was a real one and others have seen it, change it where it belongs.",
        file=sys.stderr,
    )
    return 2


def findings(prompt: str) -> list[tuple[int, str]]:
    """Return line and kind of each thing that looks like a secret, in order, one of a kind for each line."""
    places = [(found.start(), what) for what, shape in SHAPES for found in re.finditer(shape, prompt)]
    places += [(found.start(), "a secret in a setting") for found in SETTING.finditer(prompt) if is_value(found)]
    ends = [found.start() for found in re.finditer("\n", prompt)]
    lines = {(bisect(ends, place) + 1, what) for place, what in places}
    known = {line for line, what in lines if what != "a secret in a setting"}
    # One thing is told once, by its better name.
    return sorted((line, what) for line, what in lines if what != "a secret in a setting" or line not in known)


def is_value(found: re.Match[str]) -> bool:
    """Tell a secret from a placeholder, a name or a call: secrets have digits and letters."""
    value = found["value"]
    has_both = any(sign.isdigit() for sign in value) and any(sign.isalpha() for sign in value)
    return has_both and not PLACEHOLDER.search(value)


if __name__ == "__main__":
    sys.exit(main())
