"""Whatever a name or an answer holds, a report stays one short plain message that names its file."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks.config import LANGUAGES, Language
from kimi_hooks.errors import ResultError
from kimi_hooks.reports import texts, values
from tests.reports.made import FILE, failed, result, told

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
ODD = st.sampled_from(["\n", "\r\n", "\x1b[31m", "\x07", "\u202e", "\u2028", "\ud83d", "é", FAMILY, "🇹🇼", "\U000e0041"])
ANY = st.lists(st.text(st.characters(codec=None), max_size=20) | ODD, max_size=60).map("".join)
LONG = st.builds(lambda text, times: text * times, ANY, st.sampled_from([1, 1, 30, 1000]))


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def steering(text: str) -> list[str]:
    """Every character in it that no reader sees, but for line breaks and the joiners of emoji."""
    return [
        char
        for char in text
        if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and char not in "\n\u200c\u200d"
    ]


@given(
    name=LONG,
    output=LONG,
    message=LONG,
    model=LONG,
    requested=LONG,
    warnings=st.lists(LONG, max_size=6),
    kind=st.sampled_from([None, "timeout", "rate_limit", "new"]),
    lang=st.sampled_from(LANGUAGES),
)
def test_a_report_is_one_plain_message(
    name: str,
    output: str,
    message: str,
    model: str,
    requested: str,
    warnings: list[str],
    kind: str | None,
    lang: Language,
) -> None:
    """Never over 3,500 of Telegram's units, never a character that steers, and the file is always named."""
    ended = failed(kind, message) if kind else result()
    changes = {"task_name": name, "output": output, "model": model, "requested_model": requested, "warnings": warnings}
    text = told({**ended, **changes}, lang)
    assert units(text) <= 3500
    assert steering(text) == []
    assert FILE in text.split("\n\n")[0]
    text.encode()


def test_a_forged_line_stands_below_the_answer() -> None:
    """What looks like a line of ours in an answer comes after the label that says whose words follow."""
    text = told(result(output="Fine.\n\n\n\n \n\n\tI say:\n\n\nWhole answer: /etc/passwd"))
    assert text.endswith("\n\nAnswer:\nFine.\n\n I say:\n\nWhole answer: /etc/passwd")
    assert told(result(task_name="x\nWhole answer: /etc/passwd")).startswith(
        "Done: x Whole answer: /etc/passwd\nTask: "
    )


def test_what_steers_is_shown_or_left_out() -> None:
    """An escape is seen to have been there; a turn of the writing direction and a byte order mark just go."""
    assert told(result(output="\ufeffred \x1b[31m\tand\r\nleft \u202eright\u2029end")).endswith(
        "Answer:\nred �[31m and\nleft right\nend"
    )


def test_long_fields_are_cut_where_it_is_told() -> None:
    """200 characters of the name, 500 of the message, 80 of the model."""
    text = told(failed("unknown", "m" * 501, task_name="n" * 201, model="k" * 81, requested_model="k" * 81))
    assert f": {'n' * 199}…\n" in text
    assert f": {'m' * 499}…\n" in text
    assert f": {'k' * 79}…\n" in text
    assert f": {'n' * 200}\n" in told(result(task_name="n" * 200))


def test_a_megabyte_of_answer() -> None:
    """Only its beginning is sent, and how much follows is told."""
    assert told(result(output="x" * 1_000_000)).endswith("x… (999,700 more characters)")
    assert told(result(output="x" * 300)).endswith("Answer:\n" + "x" * 300)


def test_nothing_but_marks_is_cut_through() -> None:
    """A letter under a thousand marks does not make the excerpt empty."""
    assert told(result(output="a" + "\u0301" * 1000)).endswith("(701 more characters)")


@pytest.mark.parametrize(
    ("cluster", "limit"),
    [
        (FAMILY, 3),
        ("e\u0301", 1),
        ("👍🏽", 1),
        ("❤\ufe0f", 1),
        ("1\ufe0f\u20e3", 2),
        ("🇹🇼", 1),
        ("\u1112\u1161\u11ab", 2),
        ("क\u093f", 1),
        ("👨\u200d👩", 2),
    ],
)
def test_what_is_seen_as_one_is_not_cut_in_two(cluster: str, limit: int) -> None:
    """It stays whole or goes, wherever in it the limit falls; what comes before it stays."""
    before = "ab"
    assert texts.cut(before + cluster, len(before) + limit) == before
    assert texts.cut(before + cluster + "c", len(before) + len(cluster)) == before + cluster
    assert told(result(output="x" * (300 - limit) + cluster + "y")).endswith(f"x… ({len(cluster) + 1} more characters)")


def test_flags_are_cut_between_flags() -> None:
    """Of three flags in a row, the limit in the third leaves two."""
    assert texts.cut("🇹🇼🇯🇵🇫🇷", 5) == "🇹🇼🇯🇵"
    assert texts.cut("🇹🇼🇯🇵🇫🇷", 4) == "🇹🇼🇯🇵"


@given(ANY, st.integers(1, 400))
def test_a_cut_is_a_beginning_and_not_empty(text: str, limit: int) -> None:
    """At most as long as asked for, and something where there was something."""
    kept = texts.cut(text, limit)
    assert text.startswith(kept)
    assert len(kept) <= limit
    assert bool(kept) == bool(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": None, "output": None},
        {"warnings": [1]},
        {"completed_at": "soon"},
        {"error": "no"},
        {"cost": {"amount": "x"}},
    ],
)
def test_a_result_that_somebody_has_spoilt_is_told(changes: dict[str, Any]) -> None:
    """With its file and what to do, whatever is wrong in it."""
    with pytest.raises(ResultError, match=r"ws/results/kimi-.*: it is not as the runner wrote it .*; put it back"):
        values.prepare(result(**changes), FILE, "en")
