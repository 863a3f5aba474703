"""One HTTP POST to somebody's receiver: no retry, no redirect, and no word of an address that may hold a token."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.utils import select_proxy

from kimi_hooks import backoff, causes
from kimi_hooks.clock import Clock
from kimi_hooks.errors import ConfigError, RefusedError, UnreachableError
from kimi_hooks.hooks import dialing, statuses
from kimi_hooks.hooks.dialing import Exchange, PrivateAddressError
from kimi_hooks.logs import MIN_SECRET_CHARACTERS, visible

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
MAX_SAID = 300
# What a receiver says beyond that is not read.
_READ_BYTES = 4096
_PIECE = 65_536
# A shorter piece of an address is a word such as `hooks`, and no secret.
_SECRET_CHARACTERS = 8
# Not ValueError as a whole: requests also says InvalidHeader, a ValueError, about what a server sends.
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
)
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "kimi-hooks"}


@dataclass(frozen=True)
class Target:
    """Where to post. `named` is the setting that holds the address, for messages, and `example` what to write there.

    `token` goes as bearer token. `secrets` are what else the request holds that nobody may see. `shown` takes the place
    of scheme, host and port where one of these is a secret.
    """

    url: str = field(repr=False)
    named: str
    token: str | None = field(default=None, repr=False)
    example: str = "https://HOST/PATH"
    secrets: tuple[str, ...] = field(default=(), repr=False)
    shown: str = ""

    @property
    def place(self) -> str:
        """Scheme, host and port: all of the address that may be shown. Raises ConfigError for what is no address."""
        parts = _parts(self)
        if self.shown:
            return self.shown
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


@dataclass(frozen=True)
class Way:
    """How the answer is waited for: `seconds` for each silence and for the whole body, `read_bytes` of which are read.

    `exchange` says where the request may go, and ends it.
    """

    exchange: Exchange
    seconds: float
    read_bytes: int


@dataclass(frozen=True)
class Reply:
    """What the receiver answered. `said` is the beginning of `body` on one line, without what the request hid.

    `retry_after`: the seconds that it asks to wait, None if it does not.
    """

    status: int
    content_type: str
    body: bytes
    said: str
    retry_after: float | None = None

    @property
    def is_good(self) -> bool:
        return statuses.is_good(self.status)

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be taken at a later try."""
        return statuses.may_pass(self.status)

    @property
    def told(self) -> str:
        """The status and what the receiver said, for a message."""
        return f"{self.status}: {self.said}" if self.said else f"{self.status}"


def post(
    target: Target, body: bytes, headers: Mapping[str, str | bytes], clock: Clock | None = None, way: Way | None = None
) -> Reply:
    """Send the bytes, once, and return the answer with the beginning of its body, 4 KiB unless the way says otherwise.

    Raises UnreachableError when there was no answer, RefusedError where the way must not lead, ConfigError for an
    address or a token that cannot be used.
    """
    _check_token(target)
    place = target.place
    way = way or Way(Exchange(allow_private=True), READ_SECONDS, _READ_BYTES)
    # `from None` below: the texts of these errors repeat the whole address.
    try:
        with (
            way.exchange.of_this_thread(),
            _session() as session,
            _sent(session, target, body, headers, way) as response,
        ):
            if way.exchange.is_ended:
                # The library takes an end in the middle of the headers for the end of the headers.
                raise ConnectionAbortedError("the exchange was ended")
            return _reply(response, target, way, clock or Clock())
    except PrivateAddressError as error:
        told = f"{place} leads to {error}, which is on this machine or in a private network"
        raise RefusedError(f"{told}; if that is meant, write allow_private: true at the hook") from None
    except _NO_ADDRESS:
        raise _no_address(target) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        told = f"{place} {_what_broke(error, way)}; see whether it is up and {target.named} is right"
        raise UnreachableError(told) from None


class _Adapter(HTTPAdapter):
    """Has the exchange make all connections; through a proxy, too, which is asked for no host that it may not reach."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = dialing.POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = dialing.POOLS
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        if select_proxy(str(request.url), options.get("proxies")):
            dialing.current().check(urlsplit(str(request.url)).hostname or "")
        return super().send(request, *args, **options)


def _session() -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(max_retries=0))
    return session


def _sent(
    session: requests.Session, target: Target, body: bytes, headers: Mapping[str, str | bytes], way: Way
) -> requests.Response:
    bearer = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    # A proxy could not reach this machine's own address, and must not see the token that goes there.
    no_proxy = {"no_proxy": "*"} if _is_here(_parts(target).hostname or "") else None
    return session.post(
        target.url,
        data=body,
        headers={**_HEADERS, **bearer, **headers},
        auth=_credentials(target),
        timeout=(CONNECT_SECONDS, way.seconds),
        allow_redirects=False,
        stream=True,
        proxies=no_proxy,
    )


def _credentials(target: Target) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return who sets the credentials, always somebody: else requests would take them from ~/.netrc."""
    parts = _parts(target)
    if target.token or not parts.username:
        return lambda request: request
    return HTTPBasicAuth(unquote(parts.username), unquote(parts.password or ""))


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _reply(response: requests.Response, target: Target, way: Way, clock: Clock) -> Reply:
    body = _beginning(response, way, clock.monotonic)
    said = masked(" ".join(body[:_READ_BYTES].decode("utf-8", "replace").split()), hidden(target))
    lowered = {name.lower(): value for name, value in response.headers.items()}
    wait = backoff.asked_for(lowered, clock.now)
    return Reply(response.status_code, lowered.get("content-type", ""), body, visible(said)[:MAX_SAID], wait)


def _beginning(response: requests.Response, way: Way, now: Callable[[], float]) -> bytes:
    """Read as much as is looked at, and for no longer than a whole answer may take; the status is known without it."""
    body, end = bytearray(), now() + way.seconds
    with suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        # read1 returns what is there; a piece of a size would be waited for, however slowly it drips.
        while len(body) < way.read_bytes and now() < end:
            piece = response.raw.read1(min(_PIECE, way.read_bytes - len(body)))
            if not piece:
                break
            body += piece
    return bytes(body)


def masked(text: str, words: Iterable[str]) -> str:
    """Return the text with `***` for each of the words."""
    for word in words:
        text = text.replace(word, "***")
    return text


def hidden(target: Target) -> Sequence[str]:
    """Return what the receiver may repeat and nobody may see, the longest first."""
    parts = _parts(target)
    words = [*parts.path.split("/"), *parts.query.replace("=", "&").split("&")]
    whole = [
        parts.query,
        target.token or "",
        parts.username or "",
        parts.password or "",
        *target.secrets,
        *basic(target),
    ]
    long = {word for word in words if len(word) >= _SECRET_CHARACTERS}
    long |= {word for word in whole if len(word) >= MIN_SECRET_CHARACTERS}
    return sorted(long | {unquote(word) for word in long}, key=len, reverse=True)


def basic(target: Target) -> Sequence[str]:
    """Return the address's credentials as they leave: whoever repeats the headers repeats them in that form."""
    credentials = _credentials(target)
    if not isinstance(credentials, HTTPBasicAuth):
        return ()
    sent = requests.Request("POST", "http://x", auth=credentials).prepare().headers["Authorization"]
    return (sent.partition(" ")[2],)


def _parts(target: Target) -> SplitResult:
    try:
        parts = urlsplit(target.url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise _no_address(target)
    return parts


def _no_address(target: Target) -> ConfigError:
    return ConfigError(f"{target.named} is not an address that can be posted to; write {target.example}")


def _check_token(target: Target) -> None:
    if target.token and not all("!" <= char <= "~" for char in target.token):
        raise ConfigError(f"the token for {target.named} holds a character that no token has; copy it again")


def _what_broke(error: Exception, way: Way) -> str:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"could not be reached within {CONNECT_SECONDS:g} s"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return f"sent no answer within {way.seconds:g} s"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"was not reached, for the proxy on the way failed ({_cause(error)})"
    return f"gave no answer ({_cause(error)})"


def _cause(error: Exception) -> str:
    bottom = causes.bottom(error)
    if isinstance(bottom, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {bottom.verify_message}"
    if isinstance(bottom, RemoteDisconnected):
        return "it closed the connection"
    # Only the system's words: those of the libraries repeat the address.
    return causes.words(bottom) or type(bottom).__name__
