"""What the imitation answers besides chat: models, the balance, counting tokens, files."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kimi_hooks.standin import contents, files, messages, models, rules
from kimi_hooks.standin.multipart import Part
from kimi_hooks.standin.refusals import Refusal, no_model, usual
from kimi_hooks.standin.wire import Plain, json_reply, refused

if TYPE_CHECKING:
    from kimi_hooks.standin.server import Standin

NOWHERE = usual(404, message="The requested resource was not found")
_VOUCHERS = 46.58893


@dataclass(frozen=True)
class Call:
    """One request: `path` without the base and the `query`, `ordered` what its header orders, `upload` its parts.

    `raw` is what tells the request from others: its body, or what an upload holds.
    """

    method: str
    path: str
    query: str
    key: str
    ordered: str | None
    number: int
    raw: bytes
    body: dict[str, Any] | None
    upload: dict[str, Part] | None


Route = Callable[["Standin", Call, str], Plain | Refusal]


def answer(standin: Standin, call: Call) -> Plain:
    """Answer a call that is not a chat."""
    for (method, pattern), route in _ROUTES.items():
        if method == call.method and (found := re.fullmatch(pattern, call.path)):
            told = route(standin, call, found[1] if found.lastindex else "")
            return refused(told) if isinstance(told, Refusal) else told
    return refused(NOWHERE)


def _models(standin: Standin, _call: Call, _name: str) -> Plain:
    return json_reply(models.listed(standin.known_models, int(standin.clock.now())))


def _model(standin: Standin, _call: Call, name: str) -> Plain | Refusal:
    known = models.LIVE_MODELS if standin.known_models is None else standin.known_models
    return json_reply(models.described(name, int(standin.clock.now()))) if name in known else no_model(name)


def _balance(standin: Standin, _call: Call, _name: str) -> Plain:
    balance = standin.account.balance
    data = {
        "available_balance": balance,
        "voucher_balance": _VOUCHERS,
        "cash_balance": round(balance - _VOUCHERS, 5),
    }
    return json_reply({"code": 0, "data": data, "scode": "0x0", "status": True})


def _estimate(standin: Standin, call: Call, _name: str) -> Plain | Refusal:
    body = call.body
    if body is None:
        return rules.NOT_JSON
    known, has_file = standin.known_models, standin.files.can_be_seen
    if refusal := rules.model_mistake(body, known) or contents.mistake(body, has_file):
        return refusal
    data = {"total_tokens": messages.prompt_tokens(body)}
    return json_reply({"code": 0, "data": data, "scode": "0x0", "status": True})


def _upload(standin: Standin, call: Call, _name: str) -> Plain | Refusal:
    added = standin.files.add(call.upload, int(standin.clock.now()))
    return added if isinstance(added, Refusal) else json_reply(added.shown())


def _files(standin: Standin, call: Call, _name: str) -> Plain:
    after = urllib.parse.parse_qs(call.query).get("after", [None])[0]
    return json_reply({"object": "list", "data": [file.shown() for file in standin.files.listed(after)]})


def _file(standin: Standin, _call: Call, name: str) -> Plain | Refusal:
    file = standin.files.find(name)
    return json_reply(file.shown()) if file else files.not_found(name)


def _delete(standin: Standin, _call: Call, name: str) -> Plain | Refusal:
    if not standin.files.delete(name):
        return files.not_found(name)
    return json_reply({"deleted": True, "id": name, "object": "file"})


def _content(standin: Standin, _call: Call, name: str) -> Plain | Refusal:
    file = standin.files.find(name)
    if file is None:
        return files.not_found(name)
    return Plain(200, file.content().encode("utf-8", "replace"), "text/plain; charset=utf-8")


_ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "/models"): _models,
    ("GET", "/models/([^/]+)"): _model,
    ("GET", "/users/me/balance"): _balance,
    ("POST", "/tokenizers/estimate-token-count"): _estimate,
    ("POST", "/files"): _upload,
    ("GET", "/files"): _files,
    ("GET", "/files/([^/]+)"): _file,
    ("DELETE", "/files/([^/]+)"): _delete,
    ("GET", "/files/([^/]+)/content"): _content,
}
