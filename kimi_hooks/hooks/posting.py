"""Run one `http` hook: the event as JSON to its address, signed if there is a secret, bounded as a whole."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from kimi_hooks import config_http, signing
from kimi_hooks.clock import Clock
from kimi_hooks.config_hooks import Hook, HttpPart
from kimi_hooks.errors import ConfigError, RefusedError, TemplateError, UnreachableError
from kimi_hooks.hooks import body, http, statuses
from kimi_hooks.hooks.dialing import Exchange
from kimi_hooks.hooks.http import Reply, Target, Way
from kimi_hooks.logs import MIN_SECRET_CHARACTERS
from kimi_hooks.process.outputs import KEPT_BYTES
from kimi_hooks.process.protocol import TOLD_BYTES, Finished

# Returns the values of those of the names that are set.
Variables = Callable[[tuple[str, ...]], Mapping[str, str]]
# How long an exchange that was ended may take to come back with what it had.
_LAST_SECONDS = 1.0


@dataclass(frozen=True)
class _Post:
    target: Target
    body: bytes = field(repr=False)
    headers: Mapping[str, str | bytes] = field(repr=False)


def run(hook: Hook, handler: HttpPart, hook_input: Mapping[str, Any], variables: Variables, clock: Clock) -> Finished:
    """Post the hook's input and tell how that ended; the handler's time-out bounds the look-up and all that follows.

    Of a gate's answer up to a MiB is told, for it may decide; of others the first 8 KiB. Raises OSError when we lack
    something.
    """
    began = clock.monotonic()
    exchange = Exchange(allow_private=handler.allow_private)
    try:
        post = _prepared(hook, handler, hook_input, variables, clock)
        ended = _ended(hook, post, exchange, clock)
    except (ConfigError, RefusedError, TemplateError) as error:
        ended = Finished(None, timed_out=False, duration_ms=0, stdout="", stderr=str(error), is_final=True)
    except UnreachableError as error:
        ended = Finished(None, timed_out=False, duration_ms=0, stdout="", stderr=str(error))
    return _lasted(ended, clock.monotonic() - began)


def _prepared(
    hook: Hook, handler: HttpPart, hook_input: Mapping[str, Any], variables: Variables, clock: Clock
) -> _Post:
    """Fill in what stands for something else. Raises ConfigError or TemplateError when that cannot be posted."""
    values = variables(handler.allowed_env_vars)
    secret = variables((handler.secret,)).get(handler.secret)
    hidden = [value for value in (*values.values(), *(secret or "").split()) if len(value) >= MIN_SECRET_CHARACTERS]
    shown = handler.told if config_http.is_host_secret(handler.url) else ""
    target = Target(_address(hook, handler, values), f"url of {hook.hook_id}", secrets=tuple(hidden), shown=shown)
    sent = _body(handler, hook_input)
    signed = _signed(str(hook_input["event_id"]), secret, handler.secret, sent, clock.now())
    return _Post(target, sent, {**_headers(hook, handler, values), **signed})


def _address(hook: Hook, handler: HttpPart, values: Mapping[str, str]) -> str:
    if missing := config_http.unset(config_http.references(handler.url), values):
        raise ConfigError(f"{missing}, which stands in the url of {hook.hook_id}, is not set; put it into .env.kimi")
    address = config_http.filled_in(handler.url, values)
    if not config_http.is_address(address):
        names = ", ".join(config_http.references(handler.url))
        told = f"the url of {hook.hook_id} is no address once {names} is filled in; see its value in .env.kimi"
        raise ConfigError(told)
    return address


def _headers(hook: Hook, handler: HttpPart, values: Mapping[str, str]) -> dict[str, str | bytes]:
    filled = {name: config_http.filled_in(value, values).strip() for name, value in handler.headers.items()}
    for name, value in filled.items():
        if not config_http.is_header_value(value):
            told = f"the header {name} of {hook.hook_id} gets a control character from a variable"
            raise ConfigError(f"{told}; see its value in .env.kimi")
    # As bytes: else only Latin-1 could be sent.
    return {name: value.encode("utf-8", "replace") for name, value in filled.items()}


def _body(handler: HttpPart, hook_input: Mapping[str, Any]) -> bytes:
    if handler.body is not None:
        return body.render(handler.body, hook_input)
    return json.dumps(hook_input, ensure_ascii=False).encode("utf-8", "replace")


def _signed(event_id: str, secret: str | None, named: str, sent: bytes, now: float) -> dict[str, str]:
    return signing.headers(secret, event_id, now, sent, named) if secret else signing.unsigned(event_id, now)


def _ended(hook: Hook, post: _Post, exchange: Exchange, clock: Clock) -> Finished:
    reply = _within(hook.timeout, exchange, lambda: _exchanged(hook, post, exchange, clock))
    # What an ended exchange has of a gate's answer may not be all of it, and decides nothing.
    if reply is None or (exchange.is_ended and hook.is_gate):
        told = f"{post.target.place} did not answer within {hook.timeout:g} s"
        return Finished(None, timed_out=True, duration_ms=0, stdout="", stderr=told)
    return Finished(
        None,
        timed_out=False,
        duration_ms=0,
        stdout=_told_body(hook, post.target, reply),
        stderr="" if reply.is_good else _what_it_means(hook, post.target.place, reply),
        http_status=reply.status,
        retry_after=reply.retry_after,
    )


def _exchanged(hook: Hook, post: _Post, exchange: Exchange, clock: Clock) -> Reply:
    # Longer than the time-out of the whole: that one tells.
    seconds = hook.timeout + _LAST_SECONDS
    way = Way(exchange, seconds, _kept(hook) + _longest(_hidden(hook, post.target)))
    return http.post(post.target, post.body, post.headers, clock, way)


def _kept(hook: Hook) -> int:
    return KEPT_BYTES if hook.is_gate else TOLD_BYTES


def _told_body(hook: Hook, target: Target, reply: Reply) -> str:
    """Return the beginning of the answer's body without what nobody may see."""
    hidden = _hidden(hook, target)
    text = http.masked(reply.body.decode("utf-8", "replace"), hidden)
    if len(reply.body) >= _kept(hook) + _longest(hidden):
        # It was cut there, maybe in the midst of a secret, and half of one is not masked.
        text = _without_half(text.rstrip("\ufffd"), hidden)
    return text[: _kept(hook)]


def _without_half(text: str, words: Sequence[str]) -> str:
    """Return the text without the beginning of a word that it ends with."""
    halves = (size for word in words for size in range(1, len(word)) if text.endswith(word[:size]))
    return text[: len(text) - max(halves, default=0)]


def _hidden(hook: Hook, target: Target) -> Sequence[str]:
    """Return what nobody may see of the answer, the longest first.

    Words of an address are left in a gate's, for they may be the very words that decide, as in `/decision`.
    """
    return (
        sorted((*target.secrets, *http.basic(target)), key=len, reverse=True) if hook.is_gate else http.hidden(target)
    )


def _longest(words: Sequence[str]) -> int:
    return max((len(word.encode("utf-8", "replace")) for word in words), default=0)


def _what_it_means(hook: Hook, place: str, reply: Reply) -> str:
    if reply.may_pass:
        return f"{place} could not take it now ({reply.told})"
    return f"{place} refused it ({reply.told}); {_remedy(hook, reply.status)}"


def _remedy(hook: Hook, status: int) -> str:
    if status < 400:  # noqa: PLR2004 - HTTP's own number
        return "redirects are not followed: put the final address into url"
    if status == statuses.GONE:
        told = "that address is gone for good: put its new one into config.yaml, or take the hook out"
        return (
            f"{told}; a hook that was switched off for it is switched on with: kimi-hooks hooks enable {hook.hook_id}"
        )
    if status in {401, 403}:
        return "see its headers, and whether the receiver wants another secret"
    if status in {404, 405}:
        return "nothing is taken there: see whether its `url` is right"
    return "see the receiver's log"


def _within(seconds: float, exchange: Exchange, work: Callable[[], Reply]) -> Reply | None:
    """Do the work in a thread of its own and return what came of it, None if the time was up before.

    A name server that is silent cannot be interrupted; its thread is left behind and posts nothing any more.
    """
    came: SimpleQueue[Reply | BaseException] = SimpleQueue()

    def do_it() -> None:
        try:
            came.put(work())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            came.put(error)

    _start(Thread(target=do_it, name="post", daemon=True))
    ended = _first(came, seconds)
    if ended is None:
        exchange.end()
        ended = _first(came, _LAST_SECONDS)
    if isinstance(ended, BaseException):
        if exchange.is_ended and isinstance(ended, UnreachableError):
            return None
        raise ended
    return ended


def _start(thread: Thread) -> None:
    try:
        thread.start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error


def _first(came: SimpleQueue[Reply | BaseException], seconds: float) -> Reply | BaseException | None:
    with suppress(Empty):
        return came.get(timeout=seconds)
    return None


def _lasted(ended: Finished, seconds: float) -> Finished:
    return replace(ended, duration_ms=round(seconds * 1000))
