"""Signatures by which a receiver knows who sent the bytes: Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime

from kimi_hooks.errors import ConfigError

PREFIX = "whsec_"
NAMED = "WEBHOOK_SECRET"


def headers(secret: str, message_id: str, now: float, body: bytes, named: str = NAMED) -> dict[str, str]:
    """Return the three headers that go along with the body, which must be UTF-8; `now` is in seconds since 1970.

    The secret may be several, divided by blanks, while one takes the place of another: then there is a signature for
    each, and a receiver accepts any. `named` is the variable that holds it. Raises ConfigError for a secret that cannot
    be a key; it does not show it.
    """
    # Only a verb that signs pays for it.
    from standardwebhooks import Webhook  # noqa: PLC0415

    at = datetime.fromtimestamp(int(now), UTC)
    signed = [Webhook(key).sign(message_id, at, body.decode("utf-8")) for key in keys(secret, named)]
    return {**unsigned(message_id, now), "webhook-signature": " ".join(signed)}


def unsigned(message_id: str, now: float) -> dict[str, str]:
    """Return the headers that need no secret: the same id at every try, and the time of this one."""
    return {"webhook-id": message_id, "webhook-timestamp": str(int(now))}


def keys(secret: str, named: str = NAMED) -> Sequence[bytes]:
    """Return the key of each secret: the base64 after `whsec_`, or the UTF-8 bytes of plain text."""
    words = secret.split()
    if not words:
        raise ConfigError(f"{named} is empty; write a secret or take the line out")
    return [_key(word, _place(named, number, len(words))) for number, word in enumerate(words, 1)]


def _key(word: str, place: str) -> bytes:
    if not word.startswith(PREFIX):
        return word.encode("utf-8")
    text = word.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ConfigError(f"{place} begins with {PREFIX} but is not base64 after that; copy it again, whole")
    return key


def _place(named: str, number: int, count: int) -> str:
    return named if count == 1 else f"{named}, number {number} of {count},"
