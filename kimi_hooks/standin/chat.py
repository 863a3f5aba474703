"""One chat: checked as Kimi would, let in or held off, then answered or broken as ordered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kimi_hooks.standin import answers, messages, rules
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.orders import Occasion
from kimi_hooks.standin.routes import Call
from kimi_hooks.standin.wire import Wire, error_of, json_reply, refused

if TYPE_CHECKING:
    from kimi_hooks.standin.server import Standin


def answer(standin: Standin, call: Call, wire: Wire) -> None:
    """Answer POST /chat/completions. Raises UnknownWordError for an order that is not understood."""
    refusal = rules.mistake(call.body, standin.known_models, standin.files.can_be_seen)
    if refusal or call.body is None:
        wire.send_plain(refused(refusal or rules.NOT_JSON))
        return
    with standin.account.call(messages.prompt_tokens(call.body) + messages.cap(call.body)) as held_off:
        if held_off:
            wire.send_plain(refused(held_off))
        else:
            _answer(standin, call, call.body, wire)


def _answer(standin: Standin, call: Call, body: dict[str, Any], wire: Wire) -> None:
    occasion = Occasion(call.method, call.path, messages.texts(body, "user"), call.ordered, call.raw)
    fault = standin.orders.take(occasion)
    standin.pause(standin.latency if fault.latency is None else fault.latency)
    if fault.kind in ("http", "reset", "hang"):
        wire.send_broken(json_reply(None), fault)
        return
    cached = standin.cache.use(call.key, body)
    reply = answers.reply(body, fault, number=call.number, created=int(standin.clock.now()), cached=cached)
    standin.account.spend(reply.usage()["total_tokens"])
    if body.get("stream"):
        _stream(standin, reply, fault, wire, include_usage=_wants_usage(body))
    else:
        standin.pause(fault.first)
        wire.send_broken(json_reply(answers.whole(reply)), fault)


def _wants_usage(body: dict[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _stream(standin: Standin, reply: answers.Reply, fault: Fault, wire: Wire, *, include_usage: bool) -> None:
    wire.begin_stream()
    standin.pause(fault.first)
    wire.send_events(answers.opening(reply), bytewise=fault.bytewise)
    if not _send_text(standin, reply, fault, wire):
        return
    wire.send_events(answers.ending(reply, include_usage=include_usage), bytewise=fault.bytewise)
    if fault.kind != "no-done":
        wire.send_data(b"data: [DONE]\n\n", bytewise=fault.bytewise)
    wire.end_stream()


def _send_text(standin: Standin, reply: answers.Reply, fault: Fault, wire: Wire) -> bool:
    """Send the text, with the fault where it belongs; False when the stream ends with it."""
    pieces = answers.content(reply)
    first = [piece for _, piece in zip(range(fault.after), pieces, strict=False)]
    _send_slowly(standin, first, fault, wire)
    if _break(fault, wire):
        return False
    _send_slowly(standin, pieces, fault, wire)
    return True


def _break(fault: Fault, wire: Wire) -> bool:
    """Do what the fault says in the middle of the stream; True when the stream ends with it."""
    if fault.kind == "malformed":
        wire.send_data(b'data: {"id": "chatcmpl-standin", "choices": [{\n\n', bytewise=fault.bytewise)
    elif fault.kind == "stream-error":
        wire.send_events([error_of(fault).body()], bytewise=fault.bytewise)
        wire.end_stream()
        return True
    elif fault.kind in ("cut", "stall"):
        wire.end_here(fault)
        return True
    return False


def _send_slowly(standin: Standin, events: Iterable[dict[str, Any]], fault: Fault, wire: Wire) -> None:
    pause = standin.chunk_delay if fault.chunk_delay is None else fault.chunk_delay
    for event in events:
        wire.send_events([event], bytewise=fault.bytewise)
        standin.pause(pause)
