"""Posts that are sure to be refused here, and variables in them that are always empty; nothing is looked up."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from kimi_hooks import config_http
from kimi_hooks.config_hooks import Hook, HttpPart


def problem(hook: Hook) -> str | None:
    """Tell why a post would never leave: its address names this machine or a private network by itself."""
    handler = hook.handler
    if not isinstance(handler, HttpPart) or handler.allow_private or not _is_private(_host(handler.url)):
        return None
    where = "is on this machine or in a private network, where no hook posts to by itself"
    return f"{handler.told} {where}; if that is meant, write `allow_private: true` at the hook"


def warnings(hook: Hook) -> Iterator[str]:
    """Yield what stands in a header for a variable and is not allowed to be one."""
    handler = hook.handler
    if not isinstance(handler, HttpPart):
        return
    for header, value in handler.headers.items():
        for name in dict.fromkeys(config_http.references(value)):
            if name not in handler.allowed_env_vars:
                told = f"${name} is always empty, for allowedEnvVars does not name it"
                yield f"the header {header}: {told}; add it there"


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_private(host: str) -> bool:
    """Tell whether a host is an address, in any notation, that is not public; a name says nothing by itself."""
    host = host.rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST) if host else []
    except (OSError, UnicodeError):
        return False
    from kimi_hooks.hooks import dialing  # noqa: PLC0415 - urllib3 takes long to load, and few addresses are numbers

    return any(not dialing.is_public(str(address[0])) for *_, address in found)
