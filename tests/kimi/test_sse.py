from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks.kimi.sse import events

_STREAM = 'data: {"a":"世界\u2028\u0085é🙂"}\r\n\r\n: comment\ndata:two\rid: 7\n\ndata: [DONE]\n\n'.encode()


@given(st.lists(st.integers(0, len(_STREAM)), max_size=30))
def test_any_cutting_gives_the_same_events(cuts: list[int]) -> None:
    """However the bytes are cut, the events are the same."""
    edges = [0, *sorted(cuts), len(_STREAM)]
    chunks = [_STREAM[a:b] for a, b in pairwise(edges)]
    assert list(events(chunks)) == ['{"a":"世界\u2028\u0085é🙂"}', "two", "[DONE]"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", []),
        (b"data: a\n", ["a"]),
        (b"data:a\n", ["a"]),
        (b"data:  a\n", [" a"]),
        (b"data: a\r\n\r\ndata: b\r\n", ["a", "b"]),
        (b"data: a\rdata: b\r", ["a", "b"]),
        (b"data:\n", [""]),
        (b"data\n", []),
        (b": ping\nevent: x\nretry: 3\n\n", []),
        (b"data: [DONE]", ["[DONE]"]),
        (b"data: \xff\xe4\n", ["\ufffd\ufffd"]),
        (b"database: a\n", []),
    ],
)
def test_lines(raw: bytes, expected: list[str]) -> None:
    """Only data lines count, with or without a space, whatever ends a line."""
    assert list(events([raw])) == expected


def test_a_long_line_in_small_pieces_is_linear() -> None:
    """A line of 2 MB in pieces of 16 bytes is put together without copying it for each piece."""
    chunks = [b"data: ", *[b"x" * 16] * 131_072, b"\n"]
    assert [len(data) for data in events(chunks)] == [2_097_152]
