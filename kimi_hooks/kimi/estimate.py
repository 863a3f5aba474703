"""How many tokens a request will take, guessed here: Kimi counts them only when it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Kimi's own number for an image of any size (help centre, November 2026).
IMAGE_TOKENS = 1024
_MESSAGE_TOKENS = 4
_ASCII_PER_TOKEN = 3


def text_tokens(text: str) -> int:
    """Guess the tokens of a text, rather too many than too few: one for 3 ASCII characters, or for one of any other.

    English prose takes about one for 4 characters, Chinese about two for 3.
    """
    ascii_only = len(text.encode("ascii", "ignore"))
    return -(-ascii_only // _ASCII_PER_TOKEN) + len(text) - ascii_only


def message_tokens(messages: Iterable[Mapping[str, Any]]) -> int:
    """Guess the tokens of a request's messages, images included."""
    return sum(_MESSAGE_TOKENS + _content_tokens(message.get("content")) for message in messages)


def _content_tokens(content: Any) -> int:
    if isinstance(content, str):
        return text_tokens(content)
    parts = content if isinstance(content, list) else []
    return sum(text_tokens(part["text"]) if part.get("type") == "text" else IMAGE_TOKENS for part in parts)
