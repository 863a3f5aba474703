"""An answer that the request has begun is continued, without its beginning and without a seam."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks.standin import answers
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from tests.standin.calling import chat, events, post, words_of


def _continued(body: dict[str, Any], so_far: str, **more: Any) -> dict[str, Any]:
    begun = {"role": "assistant", "content": so_far, "partial": True, **more}
    return body | {"messages": [*body["messages"], begun]}


@given(text=st.text(min_size=1), cap=st.integers(1, 9))
def test_rounds_join_to_the_whole_text(text: str, cap: int) -> None:
    """However small the cap and whatever the text, the rounds put together are the text, each byte once."""
    body = chat("hi", max_completion_tokens=cap, thinking={"type": "disabled"})
    so_far, ending = "", "length"
    while ending == "length":
        asked = _continued(body, so_far) if so_far else body
        reply = answers.reply(asked, Fault(text=text), number=1, created=0)
        assert len(reply.text) > 0
        so_far, ending = so_far + str(reply.text), reply.finish_reason
    assert so_far == text


@pytest.mark.parametrize(
    "order", ["size=3KB", "text=Ein langer Text, 一句话。" + "und noch ein Satz " * 40, "reasoning=2"]
)
@pytest.mark.parametrize("stream", [True, False])
def test_rounds_over_http(standin: Standin, order: str, stream: bool) -> None:
    """Ordered texts, long ones and the imitation's own come whole in several rounds, with and without a stream."""
    whole = words_of(post(standin, chat(f"standin: {order}")).json())
    body = chat(f"standin: {order}", max_completion_tokens=60, stream=stream)
    so_far, ending, rounds = "", "length", 0
    while ending == "length":
        reply = post(standin, _continued(body, so_far) if so_far else body)
        if stream:
            chunks = [event["choices"][0] for event in events(reply)]
            so_far += "".join(chunk["delta"].get("content", "") for chunk in chunks)
            ending = chunks[-1]["finish_reason"]
        else:
            so_far, ending = so_far + words_of(reply.json()), reply.json()["choices"][0]["finish_reason"]
        rounds += 1
    assert so_far == whole
    assert rounds > 1 or order == "reasoning=2"


def test_what_the_answer_does_not_begin_with_is_no_prefix(standin: Standin) -> None:
    """After a beginning of the asker's own the whole answer follows."""
    assert words_of(post(standin, _continued(chat("standin: text=abc"), "{")).json()) == "abc"


@pytest.mark.parametrize(
    ("name", "so_far", "rest"), [("Kim", ": ab", "c"), ("Kim", "", ": abc"), ("Bob", "Kim", ": abc")]
)
def test_a_name_is_part_of_the_prefix(standin: Standin, name: str, so_far: str, rest: str) -> None:
    """The name of the message that was begun counts as written, and is billed."""
    with_name = post(standin, _continued(chat("standin: text=Kim: abc"), so_far, name=name)).json()
    without = post(standin, _continued(chat("standin: text=Kim: abc"), so_far or "x")).json()
    assert words_of(with_name) == rest
    assert with_name["usage"]["prompt_tokens"] >= without["usage"]["prompt_tokens"]


def test_reasoning_that_is_given_back_is_not_done_again(standin: Standin) -> None:
    """With reasoning_content the round goes on with the text at once; without it the model thinks anew."""
    again = post(standin, _continued(chat("standin: text=abcdef"), "abc")).json()
    onward = post(standin, _continued(chat("standin: text=abcdef"), "abc", reasoning_content="I thought.")).json()
    assert [words_of(body) for body in (again, onward)] == ["def", "def"]
    assert again["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert onward["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


def test_only_the_last_message_can_be_begun(standin: Standin) -> None:
    """A finished message of the assistant is history, and so is one that a question follows."""
    body = chat("standin: text=abc")
    history = body | {"messages": [*body["messages"], {"role": "assistant", "content": "ab"}]}
    followed = _continued(body, "ab")
    followed["messages"].append({"role": "user", "content": "?"})
    assert [words_of(post(standin, asked).json()) for asked in (history, followed)] == ["abc", "abc"]
