"""The HTTP client: one method for each call of Kimi, no retry of its own, and a call can be ended from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from kimi_hooks.clock import Clock
from kimi_hooks.kimi import files, sse
from kimi_hooks.kimi.answer import Answer, Draft, conclude, take, take_whole
from kimi_hooks.kimi.body import Request, build_body, encode, unstreamed
from kimi_hooks.kimi.failure import CallFailedError, Failure
from kimi_hooks.kimi.sessions import Endpoint, Message
from kimi_hooks.kimi.usage import Usage
from kimi_hooks.kimi.way import Reply, Way, without_key
from kimi_hooks.logs import LOGGER

__all__ = ["Answer", "CallFailedError", "Client", "Endpoint", "Failure", "Request", "Usage", "build_body"]

# The list of models has been seen to take tens of seconds; nobody waits longer than this for it.
_MODELS_SECONDS = 180.0
_DELETE_SECONDS = 10.0


class Client:
    """Asks Kimi. Connections are kept per thread; times are seconds, `deadline` is one of clock.monotonic.

    `idle_timeout` is how long the server may send nothing; `trust_env` False leaves the environment's proxies aside;
    `stream` False asks for answers in one piece, of which no byte comes before they are complete, so only the deadline
    limits that wait. Every call raises CallFailedError for everything that can go wrong, and tries nothing twice.
    """

    def __init__(
        self,
        *,
        connect_timeout: float = 10,
        idle_timeout: float = 120,
        clock: Clock,
        trust_env: bool = True,
        stream: bool = True,
    ) -> None:
        self._way = Way(connect_timeout=connect_timeout, idle_timeout=idle_timeout, clock=clock, trust_env=trust_env)
        self._clock = clock
        self._stream = stream

    def tuned(self, connect_timeout: float, idle_timeout: float, *, stream: bool) -> Client:
        """Return a client with other times; connections and calls under way are shared, so either can end any call."""
        other = copy(self)
        other._way, other._stream = self._way.tuned(connect_timeout, idle_timeout), stream  # noqa: SLF001 - our own
        return other

    def ask(
        self,
        call_id: str,
        endpoint: Endpoint,
        request: Request,
        *,
        deadline: float | None,
        on_left: Callable[[], None] | None = None,
    ) -> Answer:
        """Send one request and wait for its whole answer; `on_left` is called when all of the request is on its way."""
        body, warnings = build_body(request)
        message = replace(_chat(body) if self._stream else _whole_chat(unstreamed(body)), on_left=on_left)
        draft = Draft(endpoint.url, request.model, body.get("max_completion_tokens"), continues=request.continues)
        with self._way.open(call_id, endpoint, deadline) as line:
            try:
                with line.send(message) as reply:
                    _receive(reply, draft)
                return _safe(conclude(draft, warnings), endpoint.key)
            except CallFailedError as error:
                raise draft.carry(error.failure) from error.__cause__

    def models(self, endpoint: Endpoint) -> list[dict[str, Any]]:
        """Return what Kimi tells of the models that this key may use; it may take tens of seconds."""
        deadline = self._clock.monotonic() + _MODELS_SECONDS
        with (
            self._way.open("models", endpoint, deadline) as line,
            line.send(Message("GET", "models", patient=True)) as reply,
        ):
            said = reply.json()
            listed = said.get("data") if isinstance(said, dict) else None
            if not isinstance(listed, list):
                raise reply.odd(said)
            return [model for model in listed if isinstance(model, dict)]

    def estimate(
        self,
        call_id: str,
        endpoint: Endpoint,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        deadline: float | None,
    ) -> int:
        """Return how many tokens the messages are, as Kimi counts them for the model."""
        payload = encode({"model": model, "messages": [dict(message) for message in messages]})
        message = Message("POST", "tokenizers/estimate-token-count", (payload,))
        with self._way.open(call_id, endpoint, deadline) as line, line.send(message) as reply:
            said = reply.json()
            counted = said.get("data") if isinstance(said, dict) else None
            total = counted.get("total_tokens") if isinstance(counted, dict) else None
            if not isinstance(total, int):
                raise reply.odd(said)
            return total

    def extract(self, call_id: str, endpoint: Endpoint, name: str, data: bytes, *, deadline: float | None) -> str:
        """Return the text of a document (at most 100 MB, says Kimi). `name` tells its format by its ending.

        The document lies at Kimi only until this returns or raises, as far as Kimi lets it be deleted.
        """
        with self._way.open(call_id, endpoint, deadline) as line:
            uploaded = files.upload(line, name, data)
            try:
                return files.text(line, uploaded, name)
            finally:
                self._delete(call_id, endpoint, uploaded)

    def abort(self, call_id: str) -> None:
        """End a call now, from another thread; it raises. An id that is not in flight is passed over.

        The kind is `timeout` (never) if the call's deadline has passed, else `unknown` (retry).
        """
        self._way.abort(call_id)

    def _delete(self, call_id: str, endpoint: Endpoint, uploaded: files.Uploaded) -> None:
        """Delete an uploaded document, with a short time of its own: also when the call's is up or it was ended."""
        try:
            with self._way.open(call_id, endpoint, self._clock.monotonic() + _DELETE_SECONDS) as line:
                files.delete(line, uploaded)
        except CallFailedError as error:
            LOGGER.warning("%s: the file %s stays at Kimi, delete it in the console: %s", call_id, uploaded.id, error)


def _chat(body: Mapping[str, Any]) -> Message:
    return Message("POST", "chat/completions", (encode(body),), accept="text/event-stream, application/json")


def _whole_chat(body: Mapping[str, Any]) -> Message:
    return Message("POST", "chat/completions", (encode(body),), patient=True)


def _safe(answer: Answer, key: str) -> Answer:
    """Take the key out of all that the server says besides its answer."""
    return replace(
        answer,
        model=without_key(answer.model, key),
        finish_reason=without_key(answer.finish_reason, key),
        request_id=answer.request_id and without_key(answer.request_id, key),
        warnings=tuple(without_key(warning, key) for warning in answer.warnings),
    )


def _receive(reply: Reply, draft: Draft) -> None:
    draft.http_status, draft.request_id, draft.content_type = reply.status, reply.request_id, reply.content_type
    if "json" in reply.content_type.lower():
        take_whole(draft, b"".join(reply.chunks()))
        return
    for data in sse.events(reply.chunks()):
        take(draft, data)
        if draft.done:
            reply.drain()
            return
