"""The tokens that one answer took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# More are no count of tokens, and their sums must fit into the journal's 63 bits.
_MOST = 10**12


@dataclass(frozen=True)
class Usage:
    """Tokens: `prompt` includes `cached`, `completion` includes `reasoning`."""

    prompt: int
    completion: int
    total: int
    cached: int
    reasoning: int


def parse_usage(value: Any) -> Usage | None:
    """Read a usage object; None when there is none, 0 for what it does not say.

    Cached tokens stand at the top (Moonshot's own field) or in `prompt_tokens_details` (OpenAI's), or nowhere.
    """
    if not isinstance(value, dict) or not value:
        return None
    prompt, completion = _count(value, "prompt_tokens"), _count(value, "completion_tokens")
    return Usage(
        prompt=prompt,
        completion=completion,
        total=_count(value, "total_tokens") or prompt + completion,
        cached=_count(value, "cached_tokens") or _count(value.get("prompt_tokens_details"), "cached_tokens"),
        reasoning=_count(value.get("completion_tokens_details"), "reasoning_tokens"),
    )


def _count(holder: Any, name: str) -> int:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, int) and 0 <= value <= _MOST else 0
