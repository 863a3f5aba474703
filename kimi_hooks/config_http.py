"""What may stand in the address and the headers of an `http` handler, and the variables in both."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

# As in Claude Code: `$NAME` and `${NAME}`.
_REFERENCE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<plain>[A-Za-z_][A-Za-z0-9_]*))")
# RFC 9110, 5.6.2: what the name of a header may be made of.
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OF_THE_CONNECTION = "it belongs to the connection"
_OF_THE_POST = "it is made anew for every post; a receiver checks it against the body"
_OURS: Mapping[str, str] = {
    "host": "it comes from `url`",
    "content-length": "it comes from the body",
    "accept-encoding": "answers are read as they are",
    "webhook-id": _OF_THE_POST,
    "webhook-timestamp": _OF_THE_POST,
    "webhook-signature": _OF_THE_POST,
    **dict.fromkeys(
        ("connection", "expect", "keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"),
        _OF_THE_CONNECTION,
    ),
}


def references(text: str) -> list[str]:
    """Return the names of the variables in a text, in their order."""
    return [found["braced"] or found["plain"] for found in _REFERENCE.finditer(text)]


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """Return the text with the values of its variables; one that has no value is empty."""
    return _REFERENCE.sub(lambda found: values.get(found["braced"] or found["plain"], ""), text)


def is_address(text: str) -> bool:
    """Tell whether something can be posted there."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return False
    # urlsplit leaves line ends and tabs out in silence.
    return bool(usable) and not any(char.isspace() or not char.isprintable() for char in text)


def checked_address(text: str) -> str:
    """Return the address; its variables may stand for any part of it. Raises ValueError."""
    # One digit could stand in any place, the port too; of one that begins with a variable nothing is known yet.
    if not _REFERENCE.match(text) and not is_address(_REFERENCE.sub("1", text)):
        raise ValueError("is not an address that can be posted to; write https://HOST/PATH")
    return text


def check_allowed(address: str, allowed: Collection[str]) -> None:
    """Raise ValueError for a variable in the address that is not allowed: without it the address would be another."""
    for name in references(address):
        if name not in allowed:
            raise ValueError(
                f"url: ${name} stands there, but not under allowedEnvVars; add it, or write %24 for a plain $"
            )


def checked_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers. Raises ValueError for one that cannot be sent, or is not the user's to set."""
    seen: set[str] = set()
    for name, value in headers.items():
        if _HEADER_NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of a header; write letters, digits and -")
        if name.lower() in _OURS:
            raise ValueError(f"{name} cannot be set, for {_OURS[name.lower()]}; take it out")
        if name.lower() in seen:
            raise ValueError(f"{name} stands there twice; upper and lower case are the same")
        if not is_header_value(value):
            raise ValueError(f"{name} holds a line end or another control character; write it on one line")
        seen.add(name.lower())
    return headers


def is_header_value(value: str) -> bool:
    """Tell whether the text can be sent as a header's value."""
    return not any(char < " " or char == "\x7f" for char in value.replace("\t", " "))


def shown(address: str) -> str:
    """Return scheme, host and port, all of an address that may be shown; variables by their names."""
    if found := _REFERENCE.match(address):
        return found[0]
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def is_host_secret(address: str) -> bool:
    """Tell whether host or port come from a variable, so that they may be a secret; not where all of it does."""
    return "$" in shown(address) and not _REFERENCE.match(address)


def unset(names: Iterable[str], values: Mapping[str, str]) -> str | None:
    """Return the first of the names that has no value."""
    return next((name for name in names if not values.get(name)), None)
