"""What the reader of a refusal can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kimi_hooks.kimi import told

_BY_KIND: Mapping[str, str] = {
    "billing_error": "The account has no money left: recharge it in the console, then say `kimi-hooks resume`.",
    "model_not_found": "See which models there are with `kimi-hooks models --remote` or GET {url}/models, and whether "
    "the key may use them; set KIMI_MODEL or the task's model.",
    "content_filter": "Kimi's content filter refused the text; change the prompt.",
    "invalid_request": "Sending it again would be refused again; change the task.",
    "rate_limit": "That may pass; if it stays, lower the limits in config.yaml.",
    "overloaded": "That may pass; topping up the account does not help.",
    "server_error": "That may pass.",
}
_BY_LIMIT: Mapping[str, str] = {
    "requests_per_minute": "That may pass; if it stays, set limits.requests_per_minute to {number} in config.yaml, or "
    "lower if others use the account.",
    "concurrency": "That may pass; if it stays, set limits.concurrency to {number} in config.yaml, or lower if others "
    "use the account.",
    "tokens_per_minute": "That may pass; Kimi counts the prompt and max_tokens of each call, so if it stays, give the "
    "tasks a smaller max_tokens.",
    "tokens_per_day": "The tokens of this day are used up; the next day brings new ones.",
}
# The other of the two sites, by the host of the one that refused the key: accounts and keys are separate.
_OTHER_SITE: Mapping[str, str] = {
    "api.moonshot.cn": "See whether KIMI_API_KEY is right. Is it a key of platform.kimi.ai? Then set "
    "KIMI_API_URL=https://api.moonshot.ai/v1.",
    "api.moonshot.ai": "See whether KIMI_API_KEY is right. Is it a key of platform.kimi.com? Then set "
    "KIMI_API_URL=https://api.moonshot.cn/v1.",
}
_WRONG_KEY = "See whether KIMI_API_KEY is right and belongs to the address in KIMI_API_URL."
_CODE_KEY = (
    "A key that begins with sk-kimi- is one of Kimi Code, another product for coding agents only: make a key at "
    "platform.kimi.com or platform.kimi.ai and set KIMI_API_KEY and KIMI_API_URL to it."
)
_PERMISSION = "The key may not do this (API not open to it, or this address is not on the organization's list)."
_REDIRECT = "The redirect was not followed, for the key must not go elsewhere; set KIMI_API_URL to the final address."
_WRONG_PATH = "If the model is right, see whether the address in KIMI_API_URL is; it ends in /v1."
_BUDGET = (
    "The project's budget of the day is used up: raise it in the console, or wait for the next day; then say "
    "`kimi-hooks resume`."
)


@dataclass(frozen=True)
class Refusal:
    """A refusal that has been understood: `said` are Kimi's words, `type` its error type, "" where it gave none.

    `api_url` holds no secret. `is_final` is False for a call that may be made again as it is; `is_code_key` tells of a
    key of Kimi Code.
    """

    kind: str
    status: int | None
    type: str
    said: str
    host: str
    api_url: str
    is_final: bool
    is_code_key: bool = False


def remedy(refusal: Refusal) -> str:
    """Return what to do about it, in one or two sentences."""
    if refusal.status is not None and 300 <= refusal.status < 400:  # noqa: PLR2004 - HTTP's own numbers
        return _REDIRECT
    if refusal.kind == "authentication_failed":
        return _for_the_key(refusal)
    if refusal.kind == "billing_error" and told.is_over_budget(refusal.said):
        return _BUDGET
    if refusal.kind == "rate_limit" and (limit := told.limit(refusal.said)):
        name, _, number = limit.partition(" ")
        return _BY_LIMIT[name].format(number=number)
    usual = _BY_KIND[refusal.kind].format(url=refusal.api_url)
    return f"{usual} {_WRONG_PATH}" if refusal.kind == "model_not_found" and not _is_of_the_model(refusal) else usual


def _is_of_the_model(refusal: Refusal) -> bool:
    """Tell a model that is not there from a path that is not: Kimi gives the type for both, and names the model."""
    return bool(refusal.type) and "model" in refusal.said.lower()


def _for_the_key(refusal: Refusal) -> str:
    if refusal.is_code_key:
        return _CODE_KEY
    if refusal.is_final:
        return _PERMISSION
    return _OTHER_SITE.get(refusal.host, _WRONG_KEY)
