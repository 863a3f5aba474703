"""The way to Kimi, which all calls share: limits of time, ends from outside, refusals, and keys that nobody sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from typing import Any

import urllib3

from kimi_hooks.clock import Clock
from kimi_hooks.kimi.failure import Action, CallFailedError, Failure, classify, excerpt, host_of, request_id
from kimi_hooks.kimi.sessions import BROKEN, Endpoint, Message, Sessions, what_broke, wrong_address
from kimi_hooks.kimi.sockets import Call, Calls
from kimi_hooks.logs import MIN_SECRET_CHARACTERS

_ERROR_BODY = 65_536
_DRAIN_SECONDS = 0.5
_DRAIN_READS = 4
_PIECE = 65_536
# Kimi Code is another product, whose keys no address here takes (help centre).
_CODE_KEY = "sk-kimi-"
# So many characters of a key are hidden like all of it; of fewer, some begin every key.
_BEGINNING = 12


class Way:
    """Opens calls. Connections are kept per thread; times are seconds. See Client for the arguments."""

    def __init__(self, *, connect_timeout: float, idle_timeout: float, clock: Clock, trust_env: bool) -> None:
        self.connect_timeout = connect_timeout
        self.idle_timeout = idle_timeout
        self.clock = clock
        self.sessions = Sessions(trust_env=trust_env)
        self._calls = Calls()

    def tuned(self, connect_timeout: float, idle_timeout: float) -> Way:
        """Return the same way with other times."""
        other = copy(self)
        other.connect_timeout, other.idle_timeout = connect_timeout, idle_timeout
        return other

    @contextmanager
    def open(self, call_id: str, endpoint: Endpoint, deadline: float | None) -> Iterator[Line]:
        """Make a call known until the end of the block; `deadline` (seconds of clock.monotonic) holds for all of it.

        Raises CallFailedError for a key that cannot be one and for a deadline that has passed. No CallFailedError that
        leaves the block shows the key.
        """
        _check_key(endpoint)
        try:
            with self._calls.open(call_id, self.idle_timeout) as call:
                line = Line(self, endpoint, call, deadline)
                line.check()
                yield line
        except CallFailedError as error:
            raise _safe(error, endpoint.key) from error.__cause__

    def abort(self, call_id: str) -> None:
        """End a call now, from another thread; an id that is not in flight is passed over."""
        self._calls.abort(call_id)


class Line:
    """One open call: its requests follow each other, and one deadline and one end from outside hold for all of them."""

    def __init__(self, way: Way, endpoint: Endpoint, call: Call, deadline: float | None) -> None:
        self.endpoint = endpoint
        self.clock = way.clock
        self._way = way
        self._call = call
        self._deadline = deadline
        self._http_status: int | None = None
        self._request_id: str | None = None

    @property
    def place(self) -> str:
        """Who is asked, for a message: `Kimi at api.moonshot.ai`."""
        return f"Kimi at {host_of(self.endpoint.url)}"

    @contextmanager
    def send(self, message: Message) -> Iterator[Reply]:
        """Send one request and give its reply, of which only the headers have come.

        Raises CallFailedError for a refusal, and for all that breaks before the end of the block.
        """
        self._http_status = self._request_id = None
        body = _Body(self, message) if message.body else b""
        try:
            with self._way.sessions.exchange(self.endpoint, message, body, self._timeout(message)) as raw:
                self._http_status, self._request_id = raw.status, request_id(raw.headers)
                reply = Reply(self, raw)
                reply.raise_for_refusal()
                yield reply
        except BROKEN as error:
            self.check()
            raise CallFailedError(self._broken(error)) from error

    def check(self) -> None:
        """Raise CallFailedError if the time is up or somebody has ended the call."""
        if self._left() <= 0:
            raise self.fail("timeout", "never", f"The time for this call was over before {self.place} had answered.")
        if self._call.aborted:
            raise self.fail("unknown", "retry", f"The call to {self.place} was ended from here.")

    def fail(self, kind: str, action: Action, message: str) -> CallFailedError:
        """Build an error that tells the status and the id of the newest reply."""
        return CallFailedError(Failure(kind, action, message, self._http_status, self._request_id))

    def wait_at_most(self, seconds: float | None = None) -> None:
        """Let the next read or write wait so long; the idle limit unless said otherwise, never beyond the deadline."""
        self._call.wait_at_most(self._at_most(self._way.idle_timeout if seconds is None else seconds))

    def _left(self) -> float:
        return float("inf") if self._deadline is None else self._deadline - self.clock.monotonic()

    def _at_most(self, seconds: float) -> float:
        # requests refuses a time-out of 0; a deadline that has passed is found by check().
        return max(min(seconds, self._left()), 0.001)

    def _timeout(self, message: Message) -> tuple[float, float | None]:
        headers = self._at_most(float("inf") if message.patient else self._way.idle_timeout)
        return self._at_most(self._way.connect_timeout), None if headers == float("inf") else headers

    def _broken(self, error: Exception) -> Failure:
        if told := wrong_address(error):
            return Failure("invalid_request", "pause", told)
        told = what_broke(error, self.place, self._way.connect_timeout, self._way.idle_timeout)
        return Failure("server_error", "retry", told, self._http_status, self._request_id)


class _Body:
    """A body that leaves in small pieces: the idle limit holds for each of them, and not for all together."""

    def __init__(self, line: Line, message: Message) -> None:
        self._line = line
        self._parts = message.body
        self._on_left = message.on_left

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[memoryview]:
        for part in self._parts:
            view = memoryview(part)
            for at in range(0, len(view), _PIECE):
                self._line.check()
                self._line.wait_at_most()
                yield view[at : at + _PIECE]
        # The next piece is asked for when the one before has been sent.
        if self._on_left is not None:
            self._on_left()


class Reply:
    """A reply of which the headers have come; its body is read once, within the limits of its line."""

    def __init__(self, line: Line, raw: urllib3.HTTPResponse) -> None:
        self.status = raw.status
        self.request_id = request_id(raw.headers)
        self.content_type = raw.headers.get("Content-Type", "")
        self._line = line
        self._raw = raw

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes. Raises CallFailedError when the time is up or somebody has ended the call."""
        self._line.wait_at_most()
        # read1 returns what is there; stream() would wait for the end of a reply that is not chunked.
        while chunk := self._raw.read1(65_536, decode_content=True):
            self._line.check()
            yield chunk
            self._line.wait_at_most()
        self._line.check()

    def json(self) -> Any:
        """Return the one JSON value that the body is. Raises CallFailedError (retry) if it is none."""
        body = b"".join(self.chunks())
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise self.odd(body[:_ERROR_BODY].decode("utf-8", "replace")) from None

    def odd(self, said: Any) -> CallFailedError:
        """Build the error for a body that is not what was asked for."""
        shown = said if isinstance(said, str) else json.dumps(said)
        message = f"{self._line.place} sent something that is not an answer to this: {excerpt(shown)!r}. That may pass."
        return self._line.fail("server_error", "retry", message)

    def drain(self) -> None:
        """Read to the end, briefly, so that the connection can be used again; all that counts has come before."""
        if not self._raw.chunked:
            return
        self._line.wait_at_most(_DRAIN_SECONDS)
        with suppress(urllib3.exceptions.HTTPError, OSError):
            for _ in range(_DRAIN_READS):
                if not self._raw.read1(65_536, decode_content=True):
                    return

    def raise_for_refusal(self) -> None:
        """Raise CallFailedError unless the status says that all is well."""
        if 200 <= self.status < 300:  # noqa: PLR2004 - HTTP's own numbers
            return
        endpoint, now = self._line.endpoint, self._line.clock.now
        # Out of the body before it is cut to size, or half the key could be left.
        said = self._refusal().replace(endpoint.key.encode(), b"***")
        is_code_key = endpoint.key.startswith(_CODE_KEY)
        headers = self._raw.headers
        raise CallFailedError(classify(self.status, headers, said, endpoint.url, now=now, is_code_key=is_code_key))

    def _refusal(self) -> bytes:
        """Read the words of a refusal as far as they come; the status is known without them."""
        body = bytearray()
        with suppress(urllib3.exceptions.HTTPError, OSError):
            for chunk in self.chunks():
                body += chunk
                if len(body) >= _ERROR_BODY:
                    break
        return bytes(body)


def _check_key(endpoint: Endpoint) -> None:
    """Refuse a key that cannot be a header's value. Raises CallFailedError that does not show the key."""
    odd = next((at for at, char in enumerate(endpoint.key) if not "!" <= char <= "~"), None)
    if endpoint.key and odd is None:
        return
    what = "is empty"
    if odd is not None:
        what = f"holds a character that no key has (U+{ord(endpoint.key[odd]):04X} at position {odd + 1})"
    message = f"The key for {host_of(endpoint.url)} {what}; put it into KIMI_API_KEY again."
    raise CallFailedError(Failure("authentication_failed", "pause", message))


def without_key(text: str, key: str) -> str:
    """Take the key out of what a server has said, in case it repeated it; also one of which the end was cut off.

    A key like `any`, for the imitation, is a word and no secret.
    """
    if len(key) < MIN_SECRET_CHARACTERS:
        return text
    for end in range(len(key), min(_BEGINNING, len(key)) - 1, -1):
        text = text.replace(key[:end], "***")
    return text


def _safe(error: CallFailedError, key: str) -> CallFailedError:
    failure = error.failure
    told = failure.request_id and without_key(failure.request_id, key)
    safe = replace(failure, message=without_key(failure.message, key), request_id=told)
    return CallFailedError(safe, error.partial, error.usage)
