"""HTTP sessions: one request at a time, with key, proxies and certificates, and words for what breaks on the way."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from kimi_hooks import causes
from kimi_hooks.kimi.failure import excerpt, without_userinfo
from kimi_hooks.kimi.sockets import KEEP_ALIVE, POOLS
from kimi_hooks.kimi.trust import Trust

BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
# Not ValueError as a whole: requests also says InvalidHeader, a ValueError, about what a server sends.
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
)

_PASSING = "That may pass."
_UNTRUSTED = (
    "See whether the clock of this machine is right; if a proxy stands in between, name its certificates in "
    "REQUESTS_CA_BUNDLE."
)


@dataclass(frozen=True)
class Endpoint:
    """Where to ask and with which key: `url` is the API's base; `standin` marks our own imitation."""

    url: str
    key: str = field(repr=False)
    standin: bool = False


@dataclass(frozen=True)
class Message:
    """One request: `path` is what follows the API's base, `body` comes in parts so that a big one is not copied.

    `patient`: the server says nothing at all until its work is done, so the idle limit cannot hold before that.
    `on_left` is called when the whole body has been handed to the network.
    """

    method: str
    path: str
    body: tuple[bytes, ...] = ()
    content_type: str = "application/json; charset=utf-8"
    accept: str = "application/json"
    patient: bool = False
    on_left: Callable[[], None] | None = None


@dataclass(frozen=True)
class _Bearer:
    """Sets the key last, as `auth=`; otherwise requests would put what ~/.netrc says in its place."""

    key: str = field(repr=False)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.key}"
        return request


class _Adapter(HTTPAdapter):
    """Makes connections that tell which socket they use, directly and through a proxy, and that are kept alive.

    They share what `trust` has read.
    """

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, socket_options=KEEP_ALIVE, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, socket_options=KEEP_ALIVE, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = POOLS
        return manager

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[Any, Any]:
        """Let connections to one address share a context; after an edit of the certificates there is another one."""
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https" and verify:
            place = verify if isinstance(verify, str) else requests.utils.DEFAULT_CA_BUNDLE_PATH
            tls = {"cert_reqs": "CERT_REQUIRED", "ssl_context": self._trust.context(place)}
        return host, tls

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Keep the certificates from being read for each connection; only a proxy that speaks TLS itself needs it."""
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        if conn.proxy is None or conn.proxy.scheme != "https":
            conn.ca_certs = conn.ca_cert_dir = None


class Sessions:
    """Sends requests; connections are kept per thread and address.

    `trust_env` False leaves the proxies and certificates of the environment aside, as the imitation always does.
    """

    def __init__(self, *, trust_env: bool) -> None:
        self._trust_env = trust_env
        self._local = threading.local()
        self._trust = Trust()

    @contextmanager
    def exchange(
        self, endpoint: Endpoint, message: Message, body: Any, timeout: tuple[float, float | None]
    ) -> Iterator[urllib3.HTTPResponse]:
        """Send one request and give its reply, of which only the headers have come; it is closed after the block.

        `body` knows its length and yields bytes, or is empty. `timeout`: seconds until there is a connection, and until
        the headers come (None: no limit). Raises one of BROKEN; tries once and follows no redirect.
        """
        session = self._session(endpoint)
        with session.send(
            session.prepare_request(_request(endpoint, message, body)),
            timeout=timeout,
            allow_redirects=False,
            stream=True,
            proxies=session.proxies,
            verify=session.verify,
            cert=session.cert,
        ) as response:
            yield response.raw

    def _session(self, endpoint: Endpoint) -> requests.Session:
        sessions: dict[tuple[str, bool], requests.Session] = self._local.__dict__.setdefault("sessions", {})
        key = endpoint.url, self._trust_env and not endpoint.standin
        if key not in sessions:
            sessions[key] = _new_session(*key, self._trust)
        return sessions[key]


def what_broke(error: Exception, place: str, connect: float, idle: float) -> str:
    """Say what went wrong on the way to `place`, and what to do; the two limits are in seconds."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"{place} could not be reached within {connect:g} s. {_PASSING}"
    if isinstance(error, requests.exceptions.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
        return f"{place} sent nothing for {idle:g} s. {_PASSING}"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"The proxy on the way to {place} failed: {_cause(error)}. {_PASSING} If it stays, see to HTTPS_PROXY."
    untrusted = isinstance(causes.bottom(error), ssl.SSLCertVerificationError)
    return f"The connection to {place} failed: {_cause(error)}. {_UNTRUSTED if untrusted else _PASSING}"


def wrong_address(error: Exception) -> str | None:
    """Say which setting holds an address that cannot be used, if that is what went wrong: no call can get through."""
    if not isinstance(error, _NO_ADDRESS):
        return None
    proxy = isinstance(error, requests.exceptions.InvalidProxyURL)
    whose, where = ("proxy", "HTTPS_PROXY") if proxy else ("API", "KIMI_API_URL")
    return f"The {whose}'s address cannot be used ({_cause(error)}); mend {where}."


def _request(endpoint: Endpoint, message: Message, body: Any) -> requests.Request:
    # A compressed stream would be held back until a block is full.
    headers = {"Accept": message.accept, "Accept-Encoding": "identity", "User-Agent": "kimi-hooks"}
    if message.body:
        headers["Content-Type"] = message.content_type
    url = f"{endpoint.url.rstrip('/')}/{message.path}"
    return requests.Request(message.method, url, headers, data=body, auth=_Bearer(endpoint.key))


def _new_session(url: str, trust_env: bool, trust: Trust) -> requests.Session:
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
        _check_proxy(requests.utils.select_proxy(url, found["proxies"]))
        session.proxies, session.verify, session.cert = found["proxies"], found["verify"], found["cert"]
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(trust))
    return session


def _check_proxy(address: str | None) -> None:
    """Raise InvalidProxyURL for what is no address: requests would blame the API's, or stumble over it."""
    try:
        if address and not urllib3.util.parse_url(address).host:
            raise requests.exceptions.InvalidProxyURL("it names no host")
    except urllib3.exceptions.LocationValueError as error:
        raise requests.exceptions.InvalidProxyURL(str(error)) from error


def _cause(error: BaseException) -> str:
    """Say in short what is at the bottom of nested errors: `Connection refused`."""
    error = causes.bottom(error)
    if isinstance(error, http.client.IncompleteRead):
        return "it was closed before the end of the answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return excerpt(f"the certificate is not trusted: {error.verify_message}")
    return excerpt(without_userinfo(str(causes.words(error) or error)) or type(error).__name__)
