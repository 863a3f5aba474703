"""A prompt that begins like an earlier one is cheaper, block by block."""

from __future__ import annotations

from typing import Any

import pytest

from kimi_hooks.clock import Clock
from kimi_hooks.standin.caching import PromptCache
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from tests.standin.calling import chat, events, post

_BLOCK = "x" * 1024


def _cached(standin: Standin, *messages: tuple[str, str], key: str = "sk-1", model: str = "kimi-k3") -> int:
    body = {"model": model, "messages": [{"role": role, "content": content} for role, content in messages]}
    usage = post(standin, body, {"Authorization": f"Bearer {key}"}).json()["usage"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": usage["cached_tokens"]}
    assert usage["cached_tokens"] <= usage["prompt_tokens"]
    cached: int = usage["cached_tokens"]
    return cached


def test_whole_blocks_of_the_beginning_are_cached(standin: Standin) -> None:
    """The second request gets as many blocks of 256 tokens as both have in common from the start."""
    first = ("system", _BLOCK * 3 + "tail")
    assert _cached(standin, first, ("user", "one")) == 0
    assert _cached(standin, first, ("user", "two")) == 768
    assert _cached(standin, ("system", _BLOCK * 2 + "y" + _BLOCK)) == 512
    assert _cached(standin, ("system", "y" + _BLOCK * 3)) == 0
    assert _cached(standin, ("user", _BLOCK * 3 + "tail")) == 0


@pytest.mark.parametrize(("size", "cached"), [(1024, 0), (1025, 256)])
def test_small_prompts_are_not_cached(standin: Standin, size: int, cached: int) -> None:
    """Only prompts of more than 256 tokens are."""
    assert [_cached(standin, ("user", "x" * size)) for _ in range(2)] == [0, cached]


def test_a_key_and_a_model_have_caches_of_their_own() -> None:
    """What one key has asked is not cached for another, nor for another model."""
    with Standin() as standin:
        asked = ("user", _BLOCK * 2)
        assert [_cached(standin, asked, key=key) for key in ("a", "b", "a")] == [0, 0, 512]
        assert _cached(standin, asked, key="a", model="kimi-k2.6") == 0


def test_a_round_of_a_long_answer_is_mostly_cached(standin: Standin) -> None:
    """A continuation pays for the prompt at the price of cached input."""
    body = chat(_BLOCK * 4, max_completion_tokens=20)
    said = post(standin, body).json()["choices"][0]["message"]["content"]
    begun = {"role": "assistant", "content": said, "partial": True}
    usage = post(standin, body | {"messages": [*body["messages"], begun]}).json()["usage"]
    assert usage["cached_tokens"] == 1024


def test_a_stream_tells_it_as_well(standin: Standin) -> None:
    """The usage of a stream has both fields."""
    body = chat(_BLOCK * 2, stream=True)
    post(standin, body)
    usage = events(post(standin, body))[-1]["choices"][0]["usage"]
    assert (usage["cached_tokens"], usage["prompt_tokens_details"]) == (512, {"cached_tokens": 512})


def test_what_was_not_answered_is_not_cached(standin: Standin) -> None:
    """A request that failed leaves nothing behind."""
    standin.add(Fault("http", status=500))
    post(standin, chat(_BLOCK * 2))
    assert _cached(standin, ("user", _BLOCK * 2)) == 0


def _body(content: str) -> dict[str, Any]:
    return {"model": "kimi-k3", "messages": [{"role": "user", "content": content}]}


def test_it_forgets_after_five_minutes() -> None:
    """A block that nobody has used for five minutes is gone; each use counts anew."""
    now = [0.0]
    cache, body = PromptCache(Clock(monotonic=lambda: now[0])), _body(_BLOCK * 2)
    hits = []
    for now[0] in (0.0, 299.0, 598.0, 898.0):
        hits.append(cache.use("k", body))
    assert hits == [0, 512, 512, 0]


def test_its_memory_is_bounded() -> None:
    """However many prompts come, only the newest blocks are kept."""
    cache = PromptCache(Clock(), room=10)
    for number in range(100):
        cache.use("k", _body(f"{number}" + _BLOCK * 3))
    assert len(cache._used) == 10
    assert cache.use("k", _body("99" + _BLOCK * 3)) == 768
    assert cache.use("k", _body("50" + _BLOCK * 3)) == 0
