"""One HTTP POST to somebody's receiver: no retry, no redirect, and no word of an address that may hold a token."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import RemoteDisconnected
from urllib.parse import SplitResult, unquote, urlsplit

import requests
import urllib3
from requests.auth import HTTPBasicAuth

from kimi_hooks import causes
from kimi_hooks.clock import Clock
from kimi_hooks.errors import ConfigError, UnreachableError
from kimi_hooks.logs import MIN_SECRET_CHARACTERS, visible

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
MAX_SAID = 300
# What a receiver says beyond that is not read.
_READ_BYTES = 4096
# A shorter piece of an address is a word such as `hooks`, and no secret.
_SECRET_CHARACTERS = 8
# RFC 9110 and RFC 6585: the receiver asks for another try. 409 because a receiver may be busy with the first one.
_PASSING = frozenset({408, 409, 425, 429})
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

    `token` goes as bearer token.
    """

    url: str = field(repr=False)
    named: str
    token: str | None = field(default=None, repr=False)
    example: str = "https://HOST/PATH"

    @property
    def place(self) -> str:
        """Scheme, host and port: all of the address that may be shown. Raises ConfigError for what is no address."""
        parts = _parts(self)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


@dataclass(frozen=True)
class Reply:
    """What the receiver answered. `said` is the beginning of `body` on one line, without what the request hid."""

    status: int
    content_type: str
    body: bytes
    said: str

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be taken at a later try."""
        return self.status in _PASSING or self.status >= 500  # noqa: PLR2004 - HTTP's own number

    @property
    def told(self) -> str:
        """The status and what the receiver said, for a message."""
        return f"{self.status}: {self.said}" if self.said else f"{self.status}"


def post(target: Target, body: bytes, headers: Mapping[str, str], clock: Clock | None = None) -> Reply:
    """Send the bytes, once, and return the answer with the first 4 KiB of its body.

    Raises UnreachableError when there was no answer, ConfigError for an address or a token that cannot be used.
    """
    _check_token(target)
    place = target.place
    # `from None` below: the texts of these errors repeat the whole address.
    try:
        with _session(target) as session, _sent(session, target, body, headers) as response:
            return _reply(response, target, (clock or Clock()).monotonic)
    except _NO_ADDRESS:
        raise _no_address(target) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        told = f"{place} {_what_broke(error)}; see whether it is up and {target.named} is right"
        raise UnreachableError(told) from None


def _sent(session: requests.Session, target: Target, body: bytes, headers: Mapping[str, str]) -> requests.Response:
    bearer = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    return session.post(
        target.url,
        data=body,
        headers={**_HEADERS, **bearer, **headers},
        auth=_credentials(target),
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        allow_redirects=False,
        stream=True,
    )


def _credentials(target: Target) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return who sets the credentials, always somebody: else requests would take them from ~/.netrc."""
    parts = _parts(target)
    if target.token or not parts.username:
        return lambda request: request
    return HTTPBasicAuth(unquote(parts.username), unquote(parts.password or ""))


def _session(target: Target) -> requests.Session:
    session = requests.Session()
    # A proxy could not reach this machine's own address, and must not see the token that goes there.
    session.trust_env = not _is_here(_parts(target).hostname or "")
    return session


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _reply(response: requests.Response, target: Target, now: Callable[[], float]) -> Reply:
    body = _beginning(response, now)
    said = " ".join(body.decode("utf-8", "replace").split())
    for secret in _hidden(target):
        said = said.replace(secret, "***")
    return Reply(response.status_code, response.headers.get("Content-Type", ""), body, visible(said)[:MAX_SAID])


def _beginning(response: requests.Response, now: Callable[[], float]) -> bytes:
    """Read as much as is looked at, and for no longer than a whole answer may take; the status is known without it."""
    body, end = bytearray(), now() + READ_SECONDS
    with suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        # Byte by byte: a larger piece would be waited for, however slowly it drips.
        for byte in response.iter_content(1):
            body += byte
            if len(body) >= _READ_BYTES or now() >= end:
                break
    return bytes(body)


def _hidden(target: Target) -> Iterable[str]:
    """Return what the receiver may repeat and nobody may see, the longest first."""
    parts = _parts(target)
    words = [*parts.path.split("/"), *parts.query.replace("=", "&").split("&")]
    whole = [parts.query, target.token or "", parts.username or "", parts.password or ""]
    long = {word for word in words if len(word) >= _SECRET_CHARACTERS}
    long |= {word for word in whole if len(word) >= MIN_SECRET_CHARACTERS}
    return sorted(long | {unquote(word) for word in long}, key=len, reverse=True)


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


def _what_broke(error: Exception) -> str:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"could not be reached within {CONNECT_SECONDS:g} s"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return f"sent no answer within {READ_SECONDS:g} s"
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
