"""The HTTP client: one streamed chat request per call, no retry of its own, and a call can be ended from outside."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from kimi_hooks import causes
from kimi_hooks.clock import Clock
from kimi_hooks.kimi import sse
from kimi_hooks.kimi.answer import Answer, Draft, conclude, take, take_whole
from kimi_hooks.kimi.body import Request, build_body, encode
from kimi_hooks.kimi.failure import CallFailedError, Failure, classify, excerpt, host_of, request_id
from kimi_hooks.kimi.sockets import POOLS, Call, Calls
from kimi_hooks.kimi.usage import Usage

__all__ = ["Answer", "CallFailedError", "Client", "Endpoint", "Failure", "Request", "Usage", "build_body"]

_ERROR_BODY = 65_536
_DRAIN_SECONDS = 0.5
# Not ValueError as a whole: requests also says InvalidHeader, a ValueError, about what a server sends.
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
)
_DRAIN_READS = 4
_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Accept": "text/event-stream, application/json",
    # A compressed stream would be held back until a block is full.
    "Accept-Encoding": "identity",
    "User-Agent": "kimi-hooks",
}


@dataclass(frozen=True)
class Endpoint:
    """Where to ask and with which key: `url` is the API's base; `standin` marks our own imitation."""

    url: str
    key: str = field(repr=False)
    standin: bool = False


@dataclass(frozen=True)
class _Bearer:
    """Sets the key last, as `auth=`; otherwise requests would put what ~/.netrc says in its place."""

    key: str = field(repr=False)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.key}"
        return request


class _Adapter(HTTPAdapter):
    """Makes connections that tell which socket they use, directly and through a proxy."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = POOLS
        return manager


class Client:
    """Asks Kimi. Connections are kept per thread; times are seconds.

    `idle_timeout` is how long the server may send nothing; `trust_env` False leaves the environment's proxies aside.
    """

    def __init__(
        self, *, connect_timeout: float = 10, idle_timeout: float = 120, clock: Clock, trust_env: bool = True
    ) -> None:
        self._connect_timeout = connect_timeout
        self._idle_timeout = idle_timeout
        self._clock = clock
        self._trust_env = trust_env
        self._calls = Calls()
        self._local = threading.local()

    def ask(self, call_id: str, endpoint: Endpoint, request: Request, *, deadline: float | None) -> Answer:
        """Send one request and wait for its whole answer, until `deadline` (seconds of clock.monotonic).

        Raises CallFailedError for everything that can go wrong on the way; nothing is tried twice.
        """
        _check_key(endpoint)
        body, warnings = build_body(request)
        payload = encode(body)
        draft = Draft(endpoint.url, request.model, continues=request.continues)
        watch = _Watch(self._clock, deadline, self._idle_timeout)
        try:
            with self._calls.open(call_id, watch.patience()) as call:
                watch.check(call, draft)
                self._receive(endpoint, payload, call, watch, draft)
            return conclude(draft, warnings)
        except CallFailedError as error:
            raise _without_key(error, endpoint.key) from error.__cause__

    def abort(self, call_id: str) -> None:
        """End a call now, from another thread; its ask() raises. An id that is not in flight is passed over.

        The kind is `timeout` (never) if the call's deadline has passed, else `unknown` (retry).
        """
        self._calls.abort(call_id)

    def _receive(self, endpoint: Endpoint, payload: bytes, call: Call, watch: _Watch, draft: Draft) -> None:
        try:
            with self._post(endpoint, payload, watch) as response:
                _read(response, call, watch, draft)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            watch.check(call, draft)
            raise draft.carry(self._broken(error, watch, draft)) from error

    def _post(self, endpoint: Endpoint, payload: bytes, watch: _Watch) -> requests.Response:
        session = self._session(endpoint)
        request = requests.Request("POST", f"{endpoint.url.rstrip('/')}/chat/completions", _HEADERS, data=payload)
        request.auth = _Bearer(endpoint.key)
        return session.send(
            session.prepare_request(request),
            timeout=(watch.at_most(self._connect_timeout), watch.patience()),
            allow_redirects=False,
            stream=True,
            proxies=session.proxies,
            verify=session.verify,
            cert=session.cert,
        )

    def _session(self, endpoint: Endpoint) -> requests.Session:
        sessions: dict[tuple[str, bool], requests.Session] = self._local.__dict__.setdefault("sessions", {})
        key = endpoint.url, self._trust_env and not endpoint.standin
        if key not in sessions:
            sessions[key] = _new_session(*key)
        return sessions[key]

    def _broken(self, error: Exception, watch: _Watch, draft: Draft) -> Failure:
        if isinstance(error, _NO_ADDRESS):
            # Every call would fail the same way.
            proxy = isinstance(error, requests.exceptions.InvalidProxyURL)
            whose, where = ("proxy", "HTTPS_PROXY") if proxy else ("API", "KIMI_API_URL")
            message = f"The {whose}'s address cannot be used ({_cause(error)}); mend {where}."
            return Failure("invalid_request", "pause", message)
        message = f"{self._what_broke(error, watch, draft)}. That may pass."
        return Failure("server_error", "retry", message, draft.http_status, draft.request_id)

    def _what_broke(self, error: Exception, watch: _Watch, draft: Draft) -> str:
        place = f"Kimi at {host_of(draft.api_url)}"
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return f"{place} could not be reached within {self._connect_timeout:g} s"
        if isinstance(error, requests.exceptions.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
            return f"{place} sent nothing for {watch.idle:g} s"
        if isinstance(error, requests.exceptions.ProxyError):
            return f"The proxy on the way to {place} failed: {_cause(error)}"
        return f"The connection to {place} failed: {_cause(error)}"


@dataclass(frozen=True)
class _Watch:
    """The limits of one call: its deadline (seconds of clock.monotonic) and the longest silence (seconds)."""

    clock: Clock
    deadline: float | None
    idle: float

    def left(self) -> float:
        return float("inf") if self.deadline is None else self.deadline - self.clock.monotonic()

    def at_most(self, seconds: float) -> float:
        # requests refuses a time-out of 0; a deadline that has passed is found by check().
        return max(min(seconds, self.left()), 0.001)

    def patience(self) -> float:
        return self.at_most(self.idle)

    def check(self, call: Call, draft: Draft) -> None:
        """Raise CallFailedError if the time is up or somebody has ended the call."""
        if self.left() <= 0:
            message = f"The time for this task was over before Kimi at {host_of(draft.api_url)} had answered."
            raise draft.carry(Failure("timeout", "never", message, draft.http_status, draft.request_id))
        if call.aborted:
            message = f"The call to Kimi at {host_of(draft.api_url)} was ended from here."
            raise draft.carry(Failure("unknown", "retry", message, draft.http_status, draft.request_id))


def _read(response: requests.Response, call: Call, watch: _Watch, draft: Draft) -> None:
    draft.http_status = response.status_code
    draft.request_id = request_id(response.headers)
    draft.content_type = response.headers.get("Content-Type", "")
    chunks = _chunks(response.raw, call, watch, draft)
    if not 200 <= response.status_code < 300:  # noqa: PLR2004 - HTTP's own numbers
        body = _error_body(chunks)
        raise draft.carry(classify(response.status_code, response.headers, body, draft.api_url, now=watch.clock.now))
    if "json" in draft.content_type:
        take_whole(draft, b"".join(chunks))
        return
    for data in sse.events(chunks):
        take(draft, data)
        if draft.done:
            _drain(response.raw, call)
            return


def _chunks(raw: urllib3.HTTPResponse, call: Call, watch: _Watch, draft: Draft) -> Iterator[bytes]:
    # read1 returns what is there; stream() would wait for the end of a reply that is not chunked.
    while chunk := raw.read1(65_536, decode_content=True):
        watch.check(call, draft)
        yield chunk
        call.wait_at_most(watch.patience())
    watch.check(call, draft)


def _error_body(chunks: Iterator[bytes]) -> bytes:
    """Read the words of a refusal as far as they come; the status is known without them."""
    body = bytearray()
    with suppress(urllib3.exceptions.HTTPError, OSError):
        for chunk in chunks:
            body += chunk
            if len(body) >= _ERROR_BODY:
                break
    return bytes(body)


def _drain(raw: urllib3.HTTPResponse, call: Call) -> None:
    """Read past [DONE], briefly, so that the connection can be used again; the answer is complete without it."""
    if not raw.chunked:
        return
    call.wait_at_most(_DRAIN_SECONDS)
    with suppress(urllib3.exceptions.HTTPError, OSError):
        for _ in range(_DRAIN_READS):
            if not raw.read1(65_536, decode_content=True):
                return


def _new_session(url: str, trust_env: bool) -> requests.Session:
    """Return a session for this address.

    The environment's proxies and certificates are looked up here, once; requests would do it for every call, at a
    third of what a call costs.
    """
    session = requests.Session()
    if trust_env:
        try:
            found = session.merge_environment_settings(url, {}, None, None, None)
        except ValueError as error:
            raise requests.exceptions.InvalidURL(str(error)) from error
        session.proxies, session.verify, session.cert = found["proxies"], found["verify"], found["cert"]
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(max_retries=0))
    return session


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


def _without_key(error: CallFailedError, key: str) -> CallFailedError:
    """Take the key out of the message, in case the server repeated it."""
    failure = replace(error.failure, message=error.failure.message.replace(key, "***"))
    return CallFailedError(failure, error.partial, error.usage)


def _cause(error: BaseException) -> str:
    """Say in short what is at the bottom of nested errors: `Connection refused`."""
    error = causes.bottom(error)
    if isinstance(error, http.client.IncompleteRead):
        return "it was closed before the end of the answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return excerpt(f"the certificate is not trusted: {error.verify_message}")
    return excerpt(str(causes.words(error) or error) or type(error).__name__)
