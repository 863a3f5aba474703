"""A request that is too long for its model is told of before it is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kimi_hooks.kimi.body import Request
from kimi_hooks.kimi.failure import CallFailedError, Failure
from kimi_hooks.kimi.model import Model
from kimi_hooks.kimi.window import check, fewest_tokens

SMALL = Model("small", context=1000)
OTHERS = (SMALL, Model("middle", context=5000), Model("large", context=9000), Model("unknown"))


def request(text: str, known: Model | None = SMALL, max_tokens: int | None = None) -> Request:
    return Request("small", [{"role": "user", "content": text}], known=known, max_tokens=max_tokens)


def words(count: int) -> str:
    """Return text that nobody can count with fewer tokens than `count`, nor with fewer by our lowest guess."""
    return "strength " * (count * 8 // 9 + 1)


def never() -> int:
    raise AssertionError("nothing is to be asked")


def failing(kind: str, status: int | None) -> Callable[[], int]:
    def count() -> int:
        raise CallFailedError(Failure(kind, "retry", "no count", status))

    return count


def refused(request: Request, count: Callable[[], int]) -> str:
    with pytest.raises(CallFailedError) as caught:
        check(request, OTHERS, count)
    failure = caught.value.failure
    assert (failure.kind, failure.action, failure.http_status) == ("invalid_request", "never", None)
    return failure.message


@pytest.mark.parametrize("known", [None, Model("small")], ids=["unknown", "window unknown"])
def test_of_a_model_that_is_not_known_nothing_is_said(known: Model | None) -> None:
    """Kimi decides."""
    check(request("x" * 1_000_000, known, 10_000_000), OTHERS, never)


def test_what_fits_by_our_own_guess_is_sent_without_a_question() -> None:
    """A short request costs no call more."""
    check(request("hello", max_tokens=900), OTHERS, never)


@pytest.mark.parametrize(
    ("counted", "max_tokens", "fits"), [(1000, None, True), (1001, None, False), (900, 100, True), (901, 100, False)]
)
def test_where_the_guess_does_not_fit_the_count_decides(counted: int, max_tokens: int | None, fits: bool) -> None:
    """Prompt and max_tokens may fill the window to its last token, and not beyond."""
    if fits:
        check(request(words(1500), max_tokens=max_tokens), OTHERS, lambda: counted)
    else:
        refused(request(words(1500), max_tokens=max_tokens), lambda: counted)


def test_a_refusal_names_the_numbers_and_what_to_do() -> None:
    """The count, the cap, the window; fewer files, a smaller cap, the models that would take it and no others."""
    told = refused(request(words(1500), max_tokens=200), lambda: 4900)
    assert "4900 tokens of prompt and 200 of max_tokens" in told
    assert "1000" in told
    assert "set max_tokens lower" in told
    assert "large (9000)" in told
    assert "middle" not in told
    without = refused(request(words(1500)), lambda: 10_000)
    assert "max_tokens" not in without
    assert "larger window" not in without


@pytest.mark.parametrize("cap", [1000, 2_000_000])
def test_a_cap_that_fills_the_window_is_refused_without_a_question(cap: int) -> None:
    """No prompt is so short that it would fit beside it."""
    told = refused(request("x", max_tokens=cap), never)
    assert f"max_tokens {cap}" in told
    assert "1000" in told


@pytest.mark.parametrize(
    ("kind", "status"), [("model_not_found", 404), ("server_error", None), ("rate_limit", 429), ("unknown", 200)]
)
def test_without_a_count_kimi_decides(kind: str, status: int | None) -> None:
    """Hosts without that call are asked all the same, unless the request cannot fit by any count."""
    check(request(words(700)), OTHERS, failing(kind, status))
    assert "at least" in refused(request(words(1100)), failing(kind, status))


@pytest.mark.parametrize("kind", ["timeout", "unknown"])
def test_a_count_that_was_ended_ends_the_call(kind: str) -> None:
    """When the time is over, or somebody has ended the call, nothing more is sent."""
    with pytest.raises(CallFailedError, match="no count"):
        check(request(words(1100)), OTHERS, failing(kind, None))


@pytest.mark.parametrize(
    ("text", "most"),
    [("internationalization " * 100, 300), (" " * 100_000, 1), ("=" * 100_000, 1), ("一个" * 300, 200)],
)
def test_the_lowest_guess_stays_below_any_count(text: str, most: int) -> None:
    """The longest words take two or three tokens, runs of one character next to none, Chinese one for two or three."""
    assert fewest_tokens([{"role": "user", "content": text}]) <= most


def test_images_count_nothing_in_the_lowest_guess() -> None:
    """They may be small."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1000}}
    parts = [picture, {"type": "text", "text": "abcdefgh"}]
    assert fewest_tokens([{"role": "user", "content": parts}, {"role": "assistant"}]) == 1
