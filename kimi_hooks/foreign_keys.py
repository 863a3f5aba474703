"""Keys and types of handlers that other programs have and we have not, or that stand in the wrong place: what to do."""

from __future__ import annotations

from collections.abc import Mapping

from kimi_hooks.mistakes import nearest

TYPES = ("command", "http")

_NO_MODEL = "belongs to `type: prompt` and `type: agent`, which need Claude Code's own model; take it out"
_NO_SERVER = "belongs to `type: mcp_tool`, and there are no MCP servers here; take it out"
_TO_GROUP = "belongs to the matcher group, beside `hooks`; move it up"
_TO_HANDLER = "belongs to a handler, in the list under `hooks`; move it down"
_IS_HTTP = "is only for handlers with `type: http`; add that, or take it out"
_IS_COMMAND = "is only for handlers with `type: command`; take it out"

_HANDLER: Mapping[str, str] = {
    "asyncRewake": "there is no session here that could be woken; take it out, or write `async: true`",
    "once": "counts only in Claude Code's skills; take it out",
    "model": _NO_MODEL,
    "prompt": _NO_MODEL,
    "continueOnBlock": _NO_MODEL,
    "server": _NO_SERVER,
    "tool": _NO_SERVER,
    "input": _NO_SERVER,
    "matcher": _TO_GROUP,
    "sequential": _TO_GROUP,
    "hooks": "a handler holds no handlers; move them one level up",
    # Gemini CLI, Cursor, the SDK
    "name": "is called `id` here",
    "failClosed": "is called `onFailure: block` here",
    "on_failure": "is written `onFailure`",
    "loop_limit": "is called `limits.stop_blocks` here, at the top of config.yaml",
}
COMMAND: Mapping[str, str] = {
    **_HANDLER,
    **dict.fromkeys(("url", "headers", "allowedEnvVars", "secret", "allow_private"), _IS_HTTP),
}
HTTP: Mapping[str, str] = {**_HANDLER, **dict.fromkeys(("command", "args", "shell", "cwd", "env"), _IS_COMMAND)}
GROUP: Mapping[str, str] = dict.fromkeys(
    ("type", "command", "args", "shell", "cwd", "env", "url", "headers", "allowedEnvVars", "secret", "allow_private",
     "id", "description", "enabled", "if", "timeout", "retries", "async", "onFailure", "statusMessage", "prompt",
     "model", "once", "asyncRewake"),
    _TO_HANDLER,
)  # fmt: skip

_OTHER_TYPES: Mapping[str, str] = {
    "prompt": "nobody judges here but your own command; ask a model in one, and write `type: command`",
    "agent": "there are no agents here; do the work in a command, and write `type: command`",
    "mcp_tool": "there are no MCP servers here; call the tool in a command, and write `type: command`",
}


def type_refusal(kind: object) -> str | None:
    """Return why a handler of this type is refused, None for one that there is."""
    if kind in TYPES:
        return None
    if isinstance(kind, str) and kind in _OTHER_TYPES:
        return f"`type: {kind}`: {_OTHER_TYPES[kind]}"
    known = nearest(kind, TYPES) if isinstance(kind, str) else f" (known: {', '.join(TYPES)})"
    return f"`type: {kind}` is unknown{known}"
