from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from kimi_hooks.kimi.answer import Answer, Draft, conclude, take, take_object, take_whole
from kimi_hooks.kimi.failure import CallFailedError
from kimi_hooks.kimi.usage import Usage


def _draft(*events: Any, done: bool = True) -> Draft:
    draft = Draft("https://api.moonshot.ai/v1", "kimi-k3", http_status=200, request_id="req-1")
    for event in events:
        take(draft, event if isinstance(event, str) else json.dumps(event))
    if done:
        take(draft, "[DONE]")
    return draft


def _delta(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}]}


def _end(reason: str, usage: Any = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason, "usage": usage}]}


def _failed(*events: Any, done: bool = True, cap: int | None = None) -> CallFailedError:
    with pytest.raises(CallFailedError) as caught:
        conclude(replace(_draft(*events, done=done), cap=cap), ())
    return caught.value


def _verdict(error: CallFailedError) -> tuple[str, str]:
    return error.failure.kind, error.failure.action


def test_a_whole_answer() -> None:
    """Reasoning and content are kept apart, the top-level usage wins, the model is the one that answered."""
    answer = conclude(
        _draft(
            _delta(role="assistant", content=""),
            _delta(reasoning_content="think"),
            _delta(content="Hel"),
            _delta(content="lo") | {"model": "kimi-k3-0902"},
            _end("stop", {"prompt_tokens": 1}),
            {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}},
        ),
        ("first",),
    )
    usage = Usage(9, 2, 11, 0, 0)
    assert answer == Answer("Hello", "think", "stop", "kimi-k3-0902", usage, "req-1", ("first",))


def test_usage_of_the_choice_is_the_second_best() -> None:
    """Without a top-level usage the last one in a choice counts."""
    answer = conclude(_draft(_delta(content="a"), _end("stop", {"prompt_tokens": 5, "completion_tokens": 1})), ())
    assert answer.usage == Usage(5, 1, 6, 0, 0)


@pytest.mark.parametrize("count", [-1, 10**13, 10**400, 1.5, "1"], ids=["-1", "10**13", "10**400", "1.5", "text"])
def test_what_is_no_count_of_tokens_counts_nothing(count: Any) -> None:
    """Numbers that neither the journal nor a price could take are no reason to lose an answer and pay for it again."""
    usage = {"prompt_tokens": count, "completion_tokens": 2, "total_tokens": count, "cached_tokens": count}
    answer = conclude(_draft(_delta(content="x"), _end("stop"), {"choices": [], "usage": usage}), ())
    assert answer.usage == Usage(0, 2, 2, 0, 0)


def test_no_usage_is_none() -> None:
    """An answer without usage is an answer."""
    assert conclude(_draft(_delta(content="a"), _end("stop")), ()).usage is None


@pytest.mark.parametrize(
    ("events", "done"),
    [
        ((_delta(content="a"), _end("stop")), False),
        ((_delta(content="a"),), True),
        ((), False),
        ((), True),
    ],
)
def test_only_done_and_a_reason_make_it_complete(events: tuple[Any, ...], done: bool) -> None:
    """Without [DONE] or without a finish_reason the answer was cut, and what had come is kept."""
    error = _failed(*events, done=done)
    assert _verdict(error) == ("server_error", "retry")
    assert error.partial == ("a" if events else "")


def test_content_filter_ends_for_good() -> None:
    """A filtered answer is not asked for again; its beginning is kept."""
    error = _failed(_delta(content="beg"), _end("content_filter"))
    assert _verdict(error) == ("content_filter", "never")
    assert error.partial == "beg"


def test_reasoning_that_eats_the_cap() -> None:
    """Length without text says that max_tokens is too low, and what it took is told."""
    usage = {"completion_tokens": 48, "completion_tokens_details": {"reasoning_tokens": 45}}
    error = _failed(_delta(reasoning_content="..."), _end("length", usage), cap=48)
    assert _verdict(error) == ("max_output_tokens", "never")
    assert "the reasoning ate the cap of 48 tokens on the answer (45 tokens of reasoning)" in str(error)
    assert "Set max_tokens higher, or leave it out" in str(error)
    assert error.usage == Usage(0, 48, 48, 0, 45)


def test_reasoning_that_eats_the_models_own_cap() -> None:
    """Where no cap was sent, none is advised to be left out."""
    error = _failed(_delta(reasoning_content="..."), _end("length"))
    assert "the reasoning ate the model's own cap on the answer. Set max_tokens above that cap" in str(error)


def test_a_cut_text_is_an_answer() -> None:
    """Length with text is a normal answer; its finish_reason alone says that it is cut."""
    answer = conclude(_draft(_delta(content="half"), _end("length")), ())
    assert (answer.text, answer.finish_reason, answer.warnings) == ("half", "length", ())


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_answer_is_tried_again(text: str) -> None:
    """Stop without text is a mishap of the server."""
    assert _verdict(_failed(_delta(content=text), _end("stop"))) == ("unknown", "retry")


def test_other_reasons() -> None:
    """A reason that is not understood is a warning with text, and the end without."""
    assert "eos" in conclude(_draft(_delta(content="a"), _end("eos")), ()).warnings[0]
    assert _verdict(_failed(_delta(), _end("eos"))) == ("unknown", "never")


@pytest.mark.parametrize("text", ["", "Let me look that up."])
def test_a_call_of_a_tool_is_no_answer(text: str) -> None:
    """Who asks for a tool has not answered, whatever was said before it; that is told, and kept."""
    call = {"index": 0, "id": "f:0", "type": "function", "function": {"name": "f", "arguments": ""}}
    error = _failed(_delta(content=text), _delta(tool_calls=[call]), _end("tool_calls"))
    assert _verdict(error) == ("unknown", "never")
    assert "tools are not used here" in str(error)
    assert error.partial == text


def test_ends_of_lines_are_kept() -> None:
    """No character of a text is taken for an end of a line and changed."""
    text = "a\r\nb\rc\u2028d\u0085e\n"
    pieces = [_delta(content=character) for character in text]
    assert conclude(_draft(*pieces, _end("stop")), ()).text == text


def test_many_small_pieces_take_little_room() -> None:
    """An answer in pieces of two characters is not held many times over."""
    draft, event = _draft(done=False), _delta(content="字字")
    tracemalloc.start()
    for _ in range(100_000):
        take_object(draft, event)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 3 * 200_000 * 2


@pytest.mark.parametrize("data", ['{"choices": [', "7", "null", "[]", '"x"', "[" * 10_000])
def test_what_is_not_an_event_is_tried_again(data: str) -> None:
    """A malformed line is a mishap of the server."""
    error = _failed(_delta(content="a"), data)
    assert _verdict(error) == ("server_error", "retry")
    assert error.partial == "a"


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"choices": None},
        {"choices": [None, 3]},
        {"choices": [{}]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": None, "reasoning_content": 3}}], "model": None, "usage": None},
        {"error": None},
        "",
    ],
)
def test_odd_events_are_passed_over(event: Any) -> None:
    """Empty and null fields are no reason to lose an answer."""
    assert conclude(_draft(event, _delta(content="a"), event, _end("stop")), ()).text == "a"


@pytest.mark.parametrize(
    ("error_type", "kind", "action"),
    [
        ("engine_overloaded_error", "overloaded", "retry"),
        ("exceeded_current_quota_error", "billing_error", "pause"),
        ("whatever", "server_error", "retry"),
    ],
)
def test_an_error_in_the_stream_is_classified(error_type: str, kind: str, action: str) -> None:
    """An error object counts by its type; the text before it is kept."""
    error = _failed(_delta(content="a"), {"error": {"type": error_type, "message": "m"}})
    assert _verdict(error) == (kind, action)
    assert (error.partial, error.failure.request_id) == ("a", "req-1")


def test_halves_of_a_character_are_joined() -> None:
    """An emoji whose surrogates come in two events is whole; a lone half becomes U+FFFD, so that it can be written."""
    halves = ['{"choices":[{"delta":{"content":"\\ud83d"}}]}', '{"choices":[{"delta":{"content":"\\ude42\\ud83d!"}}]}']
    assert conclude(_draft(*halves, _end("stop")), ()).text == "🙂\ufffd!"


def test_no_half_character_is_left_anywhere() -> None:
    """Model, reason and warnings are written down like the text: half a surrogate pair there stops no task."""
    answer = conclude(_draft({"model": "m\ud800"}, _delta(content="a"), _end("odd\ud800")), ())
    assert (answer.model, answer.finish_reason) == ("m\ufffd", "odd\ufffd")
    "".join(answer.warnings).encode()


def test_a_completion_that_came_whole() -> None:
    """A server that does not stream is understood too."""
    draft = Draft("u", "m")
    message = {"role": "assistant", "content": "OK", "reasoning_content": "r"}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    take_whole(draft, json.dumps(body).encode())
    answer = conclude(draft, ())
    assert (answer.text, answer.reasoning, answer.usage) == ("OK", "r", Usage(1, 0, 1, 0, 0))
