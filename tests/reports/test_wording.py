"""What a report says, word for word, in both languages."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kimi_hooks.config import LANGUAGES, Language
from kimi_hooks.reports import words
from kimi_hooks.results import STANDIN_WARNING
from tests.reports.made import failed, result, told
from tests.test_docs import error_kinds

KINDS = sorted({*error_kinds(), "cancelled"})


def test_a_done_task() -> None:
    """All that matters, the answer last, so that nothing after it can be forged by it."""
    assert told(result()) == (
        "Done: auth-api\n"
        "Task: kimi-1771342200-q7x2m9ab\n"
        "Model: kimi-k3\n"
        "Tokens (prompt + answer): 1,200 + 3,500 = 4,700\n"
        "Cost: 0.0081 CNY\n"
        "Ended: 2026-02-17 23:30:00 UTC+08:00, after 29 s\n"
        "Whole answer: /home/mei/ws/results/kimi-1771342200-q7x2m9ab.json\n"
        "\n"
        "Answer:\n"
        "Five things could go wrong."
    )


def test_a_done_task_in_chinese() -> None:
    """The same facts as a reader in Taiwan would write them."""
    assert told(result(), "zh-TW") == (
        "任務「auth-api」已完成\n"
        "編號：kimi-1771342200-q7x2m9ab\n"
        "模型：kimi-k3\n"
        "Token（提示詞 + 答案）：1,200 + 3,500 = 4,700\n"
        "費用：0.0081 CNY\n"
        "結束時間：2026-02-17 23:30:00 UTC+08:00，歷時 29 秒\n"
        "完整答案：/home/mei/ws/results/kimi-1771342200-q7x2m9ab.json\n"
        "\n"
        "答案：\n"
        "Five things could go wrong."
    )


def everything() -> dict[str, Any]:
    """A result in which each line that is not always there has its reason."""
    return result(
        requested_model="kimi-k9",
        tokens={"prompt": 1200, "completion": 3500, "total": 4700, "cached": 1000, "reasoning": 2000},
        cost=None,
        duration_ms=3_725_000,
        standin=True,
        warnings=["one", "two", STANDIN_WARNING, "three", "four"],
        output="x" * 1300,
    )


def test_all_that_may_be_told() -> None:
    """The imitation first and loud; other model, cache, reasoning, no cost, warnings, and how much is left out."""
    assert told(everything()) == (
        "NOT FROM KIMI: the local imitation stood in for Kimi.\n"
        "Done: auth-api\n"
        "Task: kimi-1771342200-q7x2m9ab\n"
        "Model: kimi-k3 (asked for: kimi-k9)\n"
        "Tokens (prompt + answer): 1,200 + 3,500 = 4,700, from the cache: 1,000, reasoning: 2,000\n"
        "Ended: 2026-02-17 23:30:00 UTC+08:00, after 1 h 2 min 5 s\n"
        "Whole answer: /home/mei/ws/results/kimi-1771342200-q7x2m9ab.json\n"
        "Warning: one\n"
        "Warning: two\n"
        "Warning: three\n"
        "More warnings: 1, in the file above\n"
        "\n"
        "Answer:\n" + "x" * 300 + "… (1,000 more characters)"
    )


def test_all_that_may_be_told_in_chinese() -> None:
    """No line is missing in the other language."""
    assert told(everything(), "zh-TW") == (
        "【這不是 Kimi 的回答】由本機的模擬程式代替 Kimi 處理。\n"
        "任務「auth-api」已完成\n"
        "編號：kimi-1771342200-q7x2m9ab\n"
        "模型：kimi-k3（原本指定：kimi-k9）\n"
        "Token（提示詞 + 答案）：1,200 + 3,500 = 4,700，其中快取 1,000，思考 2,000\n"
        "結束時間：2026-02-17 23:30:00 UTC+08:00，歷時 1 小時 2 分 5 秒\n"
        "完整答案：/home/mei/ws/results/kimi-1771342200-q7x2m9ab.json\n"
        "警告：one\n"
        "警告：two\n"
        "警告：three\n"
        "還有 1 則警告，請看上面的檔案\n"
        "\n"
        "答案：\n" + "x" * 300 + "……（後面還有 1,000 個字元）"
    )


def timed_out() -> dict[str, Any]:
    return failed("timeout", "no complete answer within 60 s", "timeout", output="Half a sen", duration_ms=60_000)


def test_a_time_out() -> None:
    """What happened, what to do, and what had arrived."""
    assert told(timed_out()) == (
        "Timed out: auth-api\n"
        "Task: kimi-1771342200-q7x2m9ab\n"
        "What went wrong: there was no complete answer in time.\n"
        "Message: no complete answer within 60 s\n"
        "What to do: Give the task a longer timeout, or ask for less, and send it again.\n"
        "To run it again as it is: kimi-hooks retry kimi-1771342200-q7x2m9ab\n"
        "Model: kimi-k3\n"
        "Ended: 2026-02-17 23:30:00 UTC+08:00, after 1 min\n"
        "Whole result: /home/mei/ws/results/kimi-1771342200-q7x2m9ab.json\n"
        "\n"
        "What had arrived:\n"
        "Half a sen"
    )


def test_a_time_out_in_chinese() -> None:
    """The remedy too is in the reader's language; the program's own message stays as it is."""
    assert told(timed_out(), "zh-TW") == (
        "任務「auth-api」逾時未完成\n"
        "編號：kimi-1771342200-q7x2m9ab\n"
        "原因：時限內沒有得到完整的答案。\n"
        "原始訊息：no complete answer within 60 s\n"
        "下一步：請把任務的時限設長一些，或把要求縮小，再重新送出。\n"
        "照原樣再執行一次：kimi-hooks retry kimi-1771342200-q7x2m9ab\n"
        "模型：kimi-k3\n"
        "結束時間：2026-02-17 23:30:00 UTC+08:00，歷時 1 分\n"
        "完整結果：/home/mei/ws/results/kimi-1771342200-q7x2m9ab.json\n"
        "\n"
        "已收到的部分：\n"
        "Half a sen"
    )


@pytest.mark.parametrize("kind", sorted(error_kinds()))
def test_a_failure_of_each_kind(kind: str) -> None:
    """Its words and its remedy, in the language asked for; nothing had arrived."""
    for lang, title, nothing in (
        ("en", "Failed: auth-api\n", "\n\nNothing had arrived."),
        ("zh-TW", "任務「auth-api」失敗\n", "\n\n沒有收到任何內容。"),
    ):
        meant = words.of_kind(kind, "en" if lang == "en" else "zh-TW")
        text = told(failed(kind, "the cause"), "en" if lang == "en" else "zh-TW")
        assert text.startswith(title)
        assert text.endswith(nothing)
        assert f"{meant.failure}{'.' if lang == 'en' else '。'}\n" in text
        assert "the cause\n" in text
        assert f"{meant.remedy}\n" in text


def test_what_cannot_be_run_again_names_no_command() -> None:
    """What is done, and what was refused as it is written; what was cancelled can be."""
    refused = {**failed("invalid_task", "the cause"), "started_at": None}
    assert not any("retry" in told(one) for one in (result(), refused))
    assert "kimi-hooks retry kimi-" in told(result(outcome="cancelled", output=""))


def test_a_cancelled_task() -> None:
    """It is no failure, and there may be no error at all."""
    assert told(result(outcome="cancelled", output="")).startswith("Cancelled: auth-api\n")
    text = told(result(outcome="cancelled", output=""), "zh-TW")
    assert text.startswith("任務「auth-api」已取消\n")
    assert "原因：有人取消了這個任務。\n下一步：" in text


@pytest.mark.parametrize(("lang", "said"), [("en", "The answer is empty."), ("zh-TW", "答案是空的。")])
def test_an_empty_answer_is_said_to_be_empty(lang: Language, said: str) -> None:
    """Silence could be taken for a fault of the report."""
    assert told(result(output=" \n"), lang).endswith(f"\n\n{said}")


def test_a_task_that_was_never_sent() -> None:
    """No model, no tokens and no span are made up."""
    text = told(failed("invalid_task", model=None, requested_model=None, started_at=None, duration_ms=0))
    assert "Model" not in text
    assert "Tokens" not in text
    assert "Ended: 2026-02-17 23:30:00 UTC+08:00\n" in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_kind_has_words_of_its_own(lang: Language) -> None:
    """No kind that the code makes falls back to those of `unknown`, and no words are left over."""
    assert sorted(words._BY_LANGUAGE[lang]) == KINDS
    assert len({words.of_kind(kind, lang) for kind in KINDS}) == len(KINDS)
    assert words.of_kind("never heard of", lang) == words.of_kind("unknown", lang)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_our_own_words_hold_no_markup(kind: str, lang: Language) -> None:
    """A star, an underscore or a bracket could turn the rest of a message bold, or have it refused."""
    text = told({**everything(), **failed(kind, outcome="cancelled" if kind == "cancelled" else "failed")}, lang)
    assert re.findall(r"[*_`~\[\]<>&|\\]|^[#=-]", text, re.MULTILINE) == []


@pytest.mark.parametrize("kind", KINDS)
def test_chinese_is_written_with_its_own_punctuation(kind: str) -> None:
    """No comma, colon or full stop of another script stands between two Chinese characters."""
    meant = words.of_kind(kind, "zh-TW")
    for text in meant:
        assert re.findall(r"[\u4e00-\u9fff] ?[,.:;!?()]|[,.:;!?()] ?[\u4e00-\u9fff]", text) == []
    assert meant.remedy.endswith("。")


@pytest.mark.parametrize(
    ("milliseconds", "english"),
    [
        (0, "0.0 s"),
        (2549, "2.5 s"),
        (10_000, "10 s"),
        (59_600, "1 min"),
        (3_600_000, "1 h"),
        (90_061_000, "25 h 1 min 1 s"),
    ],
)
def test_spans_are_told_as_people_say_them(milliseconds: int, english: str) -> None:
    """Tenths for short ones, nothing that is zero for long ones."""
    assert f", after {english}\n" in told(result(duration_ms=milliseconds))


@pytest.mark.parametrize(("amount", "shown"), [(0.0081, "0.0081"), (1e-06, "0.000001"), (12.5, "12.5"), (0, "0")])
def test_a_price_has_all_its_digits(amount: float, shown: str) -> None:
    """A small amount is neither nothing nor a power of ten."""
    assert f"Cost: {shown} USD\n" in told(result(cost={"amount": amount, "currency": "USD"}))


def test_a_clock_that_has_gone_mad_is_told_as_it_is() -> None:
    """The last instant that can be written has no local time east of it."""
    assert "Ended: 9999-12-31T23:59:59Z, after" in told(result(completed_at="9999-12-31T23:59:59Z"))


@pytest.mark.parametrize(
    ("lang", "said"), [("en", "Cost: 0 USD (no call was made)\n"), ("zh-TW", "費用：0 USD（沒有呼叫 Kimi）\n")]
)
def test_an_answer_that_was_given_again_cost_nothing(lang: Language, said: str) -> None:
    """And the reader is told why."""
    again = result(cost={"amount": 0.0, "currency": "USD"}, reused_from="kimi-1771342200-aaaaaaaa")
    assert said in told(again, lang)
    assert "call was made" not in told(result())


def test_an_amount_has_the_digits_that_count() -> None:
    """No more, and no fewer."""
    for amount, said in ((12.0, "12 CNY"), (100.0, "100 CNY"), (0.000001, "0.000001 CNY"), (3.5, "3.5 CNY")):
        assert f"Cost: {said}\n" in told(result(cost={"amount": amount, "currency": "CNY"}))


@pytest.mark.parametrize(("lang", "claim"), [("en", "refused"), ("zh-TW", "拒絕")])
def test_a_request_that_was_never_sent_was_not_refused_by_kimi(lang: Language, claim: str) -> None:
    """The same kind stands for what is larger than the window, or than the limits ever let out."""
    assert claim not in "".join(words.of_kind("invalid_request", lang))
