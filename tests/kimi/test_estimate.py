"""Guessing tokens."""

from __future__ import annotations

import pytest

from kimi_hooks.kimi.estimate import IMAGE_TOKENS, message_tokens, text_tokens


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcdef", 2), ("一二三", 3), ("ab一", 2), ("😀", 1)])
def test_a_guess_is_rather_too_high(text: str, tokens: int) -> None:
    """One token for 3 ASCII characters or a part of them, one for each other character."""
    assert text_tokens(text) == tokens


def test_images_and_texts_of_a_request_are_counted() -> None:
    """Each message costs a little, an image the same whatever its size."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    parts = [picture, {"type": "text", "text": "what?"}]
    assert message_tokens([{"role": "system", "content": "abc"}]) == 4 + 1
    assert message_tokens([{"role": "user", "content": parts}]) == 4 + IMAGE_TOKENS + 2
