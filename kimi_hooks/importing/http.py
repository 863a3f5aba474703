"""Handlers that post: secrets in their headers do not come along, addresses at home are allowed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_SECRET_HEADER = re.compile(r"(?i)auth|token|key|secret|cookie|password|signature")
_SCHEME = re.compile(r"(?i)^(?P<scheme>bearer|basic|token|bot)[ \t]+(?P<secret>\S+)$")
_AT_HOME = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


@dataclass(frozen=True)
class Headers:
    """Headers without secrets; `moved` tells which variable takes the place of the secret in which header.

    `schemes` has the word that stays in front of it, such as `Bearer`, where there is one.
    """

    headers: Mapping[str, Any]
    moved: Mapping[str, str]
    schemes: Mapping[str, str]


def without_secrets(headers: Mapping[str, Any], prefix: str) -> Headers:
    """Put a variable in the place of each secret that is written into a header."""
    kept, moved, schemes = dict(headers), {}, {}
    for name, value in headers.items():
        scheme = _SCHEME.match(value) if isinstance(value, str) else None
        if isinstance(value, str) and value and "$" not in value and (scheme or _SECRET_HEADER.search(name)):
            variable = re.sub(r"\W+", "_", f"{prefix}_{name}").upper()
            moved[name] = variable if not variable[0].isdigit() else f"_{variable}"
            kept[name] = f"${moved[name]}"
            if scheme:
                schemes[name] = scheme["scheme"]
                kept[name] = f"{schemes[name]} {kept[name]}"
    return Headers(kept, moved, schemes)


def is_at_home(url: str) -> bool:
    """Tell whether an address names this machine or a private network, as far as it says so itself."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_AT_HOME))
    return (address.is_private or address.is_loopback) and not address.is_link_local
