"""What each kind of error means, and what to do next, in words for a chat.

Plain words only: a chat could take a star, an underscore or a backtick for markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kimi_hooks.config import Language


class Words(NamedTuple):
    """What went wrong, and the remedy as one sentence."""

    failure: str
    remedy: str


_ENGLISH: Mapping[str, Words] = {
    "invalid_task": Words(
        "the task could not be accepted as it is written",
        "Mend what the message names and send the task again.",
    ),
    "blocked": Words(
        "one of your hooks refused it",
        "See what the hook said, mend the task or the hook, and send the task again.",
    ),
    "dependency": Words(
        "a task that had to be done first was not",
        "See to the task that the message names, then send both again.",
    ),
    "timeout": Words(
        "there was no complete answer in time",
        "Give the task a longer timeout, or ask for less, and send it again.",
    ),
    "crash": Words(
        "the runner died too often while this task was being answered",
        "See in spool/logs/runner.log what ended the runner, then send the task again.",
    ),
    "rate_limit": Words(
        "Kimi said that there were too many requests, to the last try",
        "Set the limits in config.yaml to what the account allows, and send the task again.",
    ),
    "overloaded": Words(
        "Kimi had no room, to the last try",
        "Send the task again later; more money on the account does not help.",
    ),
    "server_error": Words(
        "Kimi or the way to it failed, to the last try",
        "See whether this machine reaches Kimi, and send the task again later.",
    ),
    "authentication_failed": Words(
        "the key may not do this",
        "See in the console of Kimi what the key may do, and whether key and address belong together.",
    ),
    "billing_error": Words(
        "the account has no credit",
        "Recharge the account in the console of Kimi, then send the task again.",
    ),
    "invalid_request": Words(
        "the request cannot be answered as it is",
        "Change the task as the message says; sent again as it is, it would fail again.",
    ),
    "model_not_found": Words(
        "there is no such model, or the key may not use it",
        "Name another model in the task or in the settings, and send the task again.",
    ),
    "content_filter": Words(
        "Kimi's filter stopped the prompt or the answer",
        "Change the prompt and send the task again.",
    ),
    "max_output_tokens": Words(
        "the reasoning used up all the tokens of the answer, so no text came",
        "Let the task have more tokens, or ask for less reasoning, and send it again.",
    ),
    "cancelled": Words(
        "somebody cancelled the task",
        "Send it again if it is still wanted.",
    ),
    "unknown": Words(
        "an empty or strange answer came, or something happened that nobody foresaw",
        "Look into spool/logs/runner.log, and send the task again.",
    ),
}
_CHINESE: Mapping[str, Words] = {
    "invalid_task": Words("任務的寫法無法接受", "請修正訊息裡指出的地方，再重新送出任務。"),
    "blocked": Words("你設定的 hook 拒絕了這個任務", "請看 hook 說明的原因，修正任務或 hook，再重新送出任務。"),
    "dependency": Words("必須先完成的任務沒有完成", "請先處理訊息裡提到的那個任務，再把兩個任務都重新送出。"),
    "timeout": Words("時限內沒有得到完整的答案", "請把任務的時限設長一些，或把要求縮小，再重新送出。"),
    "crash": Words(
        "回答這個任務的途中，執行程式中斷太多次",
        "請在 spool/logs/runner.log 查出執行程式中斷的原因，再重新送出任務。",
    ),
    "rate_limit": Words(
        "Kimi 表示請求太多，試到最後一次都是如此",
        "請把 config.yaml 的 limits 調整到帳號允許的範圍，再重新送出任務。",
    ),
    "overloaded": Words("Kimi 忙不過來，試到最後一次都是如此", "請晚一點再重新送出任務；替帳號加值沒有幫助。"),
    "server_error": Words(
        "Kimi 或通往 Kimi 的連線出了問題，試到最後一次都是如此",
        "請確認這台電腦連得到 Kimi，晚一點再重新送出任務。",
    ),
    "authentication_failed": Words(
        "這把金鑰沒有權限做這件事",
        "請到 Kimi 的主控台查看金鑰的權限，並確認金鑰與位址屬於同一個網站。",
    ),
    "billing_error": Words("帳號的餘額不足", "請到 Kimi 的主控台加值，再重新送出任務。"),
    "invalid_request": Words("這個請求照目前的內容無法處理", "請依照訊息修改任務；原封不動再送一次，還是會失敗。"),
    "model_not_found": Words("沒有這個模型，或這把金鑰不能使用它", "請在任務或設定裡改用別的模型，再重新送出任務。"),
    "content_filter": Words("提示詞或答案被 Kimi 的內容審查擋下", "請修改提示詞，再重新送出任務。"),
    "max_output_tokens": Words(
        "思考過程用完了答案的所有 token，所以沒有文字",
        "請提高任務的 token 上限，或降低思考強度，再重新送出。",
    ),
    "cancelled": Words("有人取消了這個任務", "如果還需要答案，請重新送出任務。"),
    "unknown": Words(
        "答案是空的或格式不對，或發生了沒有預料到的狀況", "請查看 spool/logs/runner.log，再重新送出任務。"
    ),
}
_BY_LANGUAGE: Mapping[Language, Mapping[str, Words]] = {"en": _ENGLISH, "zh-TW": _CHINESE}
# Hours, minutes, seconds.
UNITS: Mapping[Language, tuple[str, str, str]] = {"en": ("h", "min", "s"), "zh-TW": ("小時", "分", "秒")}


def of_kind(kind: str, language: Language) -> Words:
    """Return the words for a kind of error, those of `unknown` for a kind that has none."""
    known = _BY_LANGUAGE[language]
    return known.get(kind, known["unknown"])
