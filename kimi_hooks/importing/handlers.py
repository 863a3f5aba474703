"""One handler of Claude Code's as one of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from kimi_hooks.config import Config
from kimi_hooks.events import KINDS
from kimi_hooks.foreign_keys import COMMAND, HTTP, type_refusal
from kimi_hooks.importing import http, scripts
from kimi_hooks.importing.notes import Kind, Note
from kimi_hooks.mistakes import describe

_COMMON = ("timeout", "async", "onFailure", "statusMessage")
_KEYS = {
    "command": ("command", "args", "shell", *_COMMON),
    "http": ("url", "headers", "allowedEnvVars", *_COMMON),
}
_ORDER = ("type", *_KEYS["command"][:3], *_KEYS["http"][:3], "allow_private", *_COMMON)
# Keys that have no effect in a settings file there, either.
_WITHOUT_EFFECT = frozenset({"type", "once", "asyncRewake"})
# What a handler without `timeout` has there, in seconds; here a gate has less.
_THEIR_TIMEOUT = 600
_LOOKS_LIKE_MS = 10_000
MAX_ID = 48


@dataclass(frozen=True)
class Site:
    """Where the handler stood, the event that it goes to, and the folders that relative names begin at."""

    place: str
    event: str
    project: Path
    home: Path

    def note(self, kind: Kind, text: str) -> Note:
        return Note(kind, self.place, text)


def translate(raw: Any, site: Site) -> tuple[dict[str, Any] | None, list[Note]]:
    """Return the handler without an id, None when it cannot run here, and what is to be said about it."""
    why = _refusal(raw)
    if why:
        return None, [site.note("left out", why)]
    kind = raw.get("type", "command")
    handler = {"type": kind, **{key: raw[key] for key in _KEYS[kind] if key in raw}}
    notes = [*_dropped(raw, kind, site), *_timeout(handler, site), *_on_failure(handler, site)]
    notes += _command(handler, site) if kind == "command" else _http(handler, site)
    mistakes = _mistakes(handler, site.event)
    if mistakes:
        return None, [site.note("left out", mistakes)]
    return {key: handler[key] for key in _ORDER if key in handler}, notes


def name_of(handler: Mapping[str, Any]) -> str:
    """Return an id for the handler: its script's name, its program's, or its host's."""
    if handler["type"] == "http":
        name = urlsplit(handler["url"]).hostname or ""
    else:
        found = scripts.words(handler["command"], handler.get("args"))
        plain = [word for word in found if "=" not in word]
        name = Path(next(scripts.files(found), plain[0] if plain else "")).stem
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")[:MAX_ID] or "hook"


def _refusal(raw: Any) -> str | None:
    if not isinstance(raw, Mapping):
        return "is no handler; one is keys and values, such as {command: ...}"
    if why := type_refusal(raw.get("type", "command")):
        return why
    if "if" in raw:
        told = "asks about tool calls, so Claude Code never runs it under this event"
        return f"its `if` {told}; `if` here is an expression over the event's fields"
    if raw.get("asyncRewake"):
        return f"`asyncRewake`: {COMMAND['asyncRewake']}"
    if raw.get("shell") == "powershell" and "args" not in raw:
        return "it is written for PowerShell; the shells here are sh and bash"
    return None


def _dropped(raw: Mapping[str, Any], kind: str, site: Site) -> Iterator[Note]:
    foreign = COMMAND if kind == "command" else HTTP
    for key in raw:
        if key == "once" and raw[key]:
            yield site.note("changed", "`once` is left out; Claude Code ignores it in settings, too")
        elif key not in _KEYS[kind] and key not in _WITHOUT_EFFECT:
            yield site.note("changed", f"the key `{key}` is left out: {foreign.get(str(key), 'nothing here knows it')}")


def _timeout(handler: dict[str, Any], site: Site) -> Iterator[Note]:
    timeout = handler.get("timeout")
    if timeout is None and KINDS[site.event].is_gate and site.event != "UserPromptSubmit":
        handler["timeout"] = _THEIR_TIMEOUT
        yield site.note(
            "changed", f"`timeout: {_THEIR_TIMEOUT}`, as Claude Code has it; the default of a gate here is 60"
        )
    elif isinstance(timeout, int | float) and timeout >= _LOOKS_LIKE_MS and timeout % 1000 == 0:
        seconds = f"{timeout / 1000:.15g}"
        yield site.note("to do", f"`timeout: {timeout}` is in seconds; if milliseconds were meant, write {seconds}")


def _on_failure(handler: dict[str, Any], site: Site) -> Iterator[Note]:
    if handler.get("onFailure") is None:
        handler.pop("onFailure", None)
    elif not KINDS[site.event].is_gate:
        del handler["onFailure"]
        yield site.note("changed", f"`onFailure` is left out: {site.event} is news, and nothing can be blocked")
    elif handler["onFailure"] == "block" and site.event == "Stop":
        yield site.note("note", "`onFailure: block` counts under Stop here; Claude Code ignores it there")


def _command(handler: dict[str, Any], site: Site) -> list[Note]:
    if "args" in handler:
        handler.pop("shell", None)
        notes = list(_in_place_of_the_project(handler, site))
    else:
        notes = []
    command, args = handler.get("command"), handler.get("args")
    if not isinstance(command, str) or not (args is None or isinstance(args, list)):
        return notes
    found = scripts.words(command, [str(word) for word in args] if args is not None else None)
    return [*notes, *_files(found, site), *_variables(found, site), *_secrets(" ".join(found), site)]


def _in_place_of_the_project(handler: dict[str, Any], site: Site) -> Iterator[Note]:
    """Without a shell nobody puts a variable's value in; Claude Code does it itself, and here names are relative."""
    before = handler.get("command"), handler["args"]
    handler["command"] = _relative(before[0])
    if isinstance(before[1], list):
        handler["args"] = [_relative(word) for word in before[1]]
    if before != (handler["command"], handler["args"]):
        yield site.note(
            "changed", "`${CLAUDE_PROJECT_DIR}` is left out of `command` and `args`: hooks run in the workspace"
        )


def _relative(word: Any) -> Any:
    return (
        (scripts.PROJECT.sub("./", word) if word.rstrip("}") != "${CLAUDE_PROJECT_DIR" else ".")
        if isinstance(word, str)
        else word
    )


def _files(found: list[str], site: Site) -> Iterator[Note]:
    for name in dict.fromkeys(scripts.files(found)):
        is_own = not name.startswith(("/", "~"))
        if is_own and not (site.home / name).exists():
            target, source = site.home / name, site.project / name
            copied = f"mkdir -p {quote(str(target.parent))} && cp -p {quote(str(source))} {quote(str(target))}"
            told = f"copy it: {copied}" if source.is_file() else f"put it there, or write its full path: {target}"
            yield site.note("to do", f"{name} is not in the workspace, where hooks run; {told}")
        elif not is_own and not Path(name).expanduser().exists():
            yield site.note("to do", f"there is no {name}")
    if any(scripts.PLUGIN.search(word) for word in found):
        told = f"only Claude Code sets CLAUDE_PLUGIN_ROOT; write the folder in its place, such as {site.project}"
        yield site.note("to do", told)


def _variables(found: list[str], site: Site) -> Iterator[Note]:
    text = "\n".join([*found, *(_script(name, site) for name in scripts.files(found))])
    names = sorted(scripts.variables(text))
    theirs = [name for name in names if name.startswith("CLAUDE") and name != "CLAUDE_PLUGIN_ROOT"]
    wanted = [name for name in names if not name.startswith("CLAUDE")]
    if theirs:
        yield site.note("to do", f"it reads {', '.join(theirs)}, which only Claude Code sets")
    if wanted:
        told = f"add `env: [{', '.join(wanted)}]` if it needs them, and keep secrets in .env.kimi"
        yield site.note("to do", f"it reads variables that hooks here do not see by themselves; {told}")


def _script(name: str, site: Site) -> str:
    """Return what the script says that the name leads to, here or in the project."""
    if name.startswith("~"):
        return scripts.text_of(Path(name).expanduser())
    return scripts.text_of(site.home / name) or scripts.text_of(site.project / name)


def _secrets(text: str, site: Site) -> Iterator[Note]:
    if scripts.holds_secret(text):
        told = "put it into .env.kimi, name it under `env`, and write $NAME in its place"
        yield site.note("to do", f"a secret seems to stand in it, and anybody may read config.yaml; {told}")


def _http(handler: dict[str, Any], site: Site) -> list[Note]:
    url, headers = handler.get("url"), handler.get("headers")
    notes = []
    if handler.pop("async", None):
        notes.append(site.note("changed", "`async` is left out; Claude Code has it for commands only"))
    if isinstance(url, str):
        notes += _secrets(url, site)
        if http.is_at_home(url):
            handler["allow_private"] = True
            told = "the address is on this machine or in a private network, which hooks may post to only if they say so"
            notes.append(site.note("changed", f"`allow_private: true`: {told}"))
    notes += _allowed(handler.get("allowedEnvVars"), site)
    if isinstance(headers, Mapping) and isinstance(url, str):
        notes += _headers(handler, headers, site)
    return notes


def _allowed(names: Any, site: Site) -> Iterator[Note]:
    known = [name for name in names if isinstance(name, str) and name.isidentifier()] if isinstance(names, list) else []
    if known:
        lines = " and ".join(f"{name}=..." for name in known)
        yield site.note("to do", f"its allowedEnvVars are looked up in .env.kimi here; put them there: {lines}")


def _headers(handler: dict[str, Any], headers: Mapping[str, Any], site: Site) -> Iterator[Note]:
    safe = http.without_secrets(headers, name_of(handler))
    handler["headers"] = dict(safe.headers)
    if safe.moved:
        handler["allowedEnvVars"] = [*(handler.get("allowedEnvVars") or []), *safe.moved.values()]
    for name, variable in safe.moved.items():
        what = f"only what follows `{safe.schemes[name]} `" if name in safe.schemes else "it"
        told = f"put {what} into .env.kimi, in a line {variable}=..."
        yield site.note("to do", f"a secret stood in the header `{name}` and is not copied; {told}")


def _mistakes(handler: Mapping[str, Any], event: str) -> str:
    try:
        Config.model_validate({"hooks": {event: [{"hooks": [handler]}]}})
    except ValidationError as error:
        return "; ".join(line.replace(f"hooks.{event}.0.hooks.0.", "") for line in describe(error, Config))
    return ""
