"""What the hooks of a gate decide: from how each one ended to one verdict, by Claude Code's rules.

Exit codes, JSON fields and HTTP statuses mean what they mean there: https://code.claude.com/docs/en/hooks
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, NoReturn

from kimi_hooks import atomic
from kimi_hooks.config_hooks import Hook
from kimi_hooks.events import CREATED, KINDS, PROMPT
from kimi_hooks.process.outputs import KEPT_BYTES
from kimi_hooks.process.protocol import Finished
from kimi_hooks.text import mended

Outcome = Literal["allowed", "blocked", "failed"]
MOST_CHARACTERS = 10_000
REFUSAL_CODE = 2
# A shell's words for a command that it cannot run: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html
LAUNCH_CODES = frozenset({126, 127})
_LONGEST_LINE = 300
_TYPES: Mapping[str, type] = {
    "continue": bool,
    "stopReason": str,
    "suppressOutput": bool,
    "systemMessage": str,
    "terminalSequence": str,
    "decision": str,
    "reason": str,
    "hookSpecificOutput": dict,
}
_TYPE_NAMES: Mapping[type, str] = {bool: "true or false", str: "a text", dict: "an object"}
_UNEXPLAINED = "it refused and gave no reason"
_SUSPECT = (
    "exit code 2 and not a word on standard error: that may be no refusal but a script that did not get to work (a "
    "file that is missing, wrong arguments, a command that failed); run it by hand, and let it say on standard error "
    "why it refuses"
)


@dataclass(frozen=True)
class Decision:
    """What one hook said; `failed`: it could not be heard, which decides nothing.

    `reason` is why it blocked, or what failed; `context` is for Kimi, `message` for people. `stop_reason` is not None
    after `continue: false`, and may be empty. `is_suspect`: it blocked in silence, as broken launches do. `by_failure`:
    it blocked only because its `onFailure` is `block`.
    """

    hook_id: str
    outcome: Outcome
    reason: str = ""
    context: str = ""
    message: str = ""
    stop_reason: str | None = None
    is_suspect: bool = False
    by_failure: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the hooks of one gate said together: pairs of hook id and text, in the order of the config.

    `stop_reason`, if it is not None, weighs more than `is_blocked`. `by_failure`: nobody blocked but for `onFailure`.
    """

    is_blocked: bool
    reasons: tuple[tuple[str, str], ...]
    contexts: tuple[tuple[str, str], ...]
    messages: tuple[tuple[str, str], ...]
    failures: tuple[tuple[str, str], ...]
    stop_reason: str | None
    by_failure: bool


class _UnheardError(Exception):
    """What a hook says does not count; the message tells why, and what to do."""


@dataclass(frozen=True)
class _Said:
    """What a hook's JSON says of what we heed."""

    blocks: bool
    reason: str
    context: str
    message: str
    stop_reason: str | None


def read(hook: Hook, finished: Finished) -> Decision:
    """Return what the end of a gate's hook means. Whatever it printed, nothing is raised."""
    try:
        return _read(hook, finished)
    except _UnheardError as error:
        if hook.is_gate and hook.handler.on_failure == "block":
            return Decision(hook.hook_id, "blocked", str(error), by_failure=True)
        return Decision(hook.hook_id, "failed", str(error))


def merge(decisions: Sequence[Decision]) -> Verdict:
    """Return one verdict on all, given in the order of the config: the most restrictive one wins."""
    blocking = [decision for decision in decisions if decision.outcome == "blocked"]
    return Verdict(
        is_blocked=bool(blocking),
        reasons=tuple((decision.hook_id, decision.reason) for decision in blocking),
        contexts=tuple((decision.hook_id, decision.context) for decision in decisions if decision.context),
        messages=tuple((decision.hook_id, decision.message) for decision in decisions if decision.message),
        failures=tuple((decision.hook_id, decision.reason) for decision in decisions if decision.outcome == "failed"),
        stop_reason=next((said for decision in decisions if (said := decision.stop_reason) is not None), None),
        by_failure=bool(blocking) and all(decision.by_failure for decision in blocking),
    )


def capped(text: str, file: Path) -> str:
    """Return the text if it has 10,000 characters at most; else write it to the file and return both its ends.

    Between them stands where the whole of it is. The same text and file make the same words. Raises OSError.
    """
    if len(text) <= MOST_CHARACTERS:
        return text
    atomic.write_text(file, text, mode=0o600)
    note = f"\n[... cut here; all {len(text)} characters are in {file} ...]\n"
    room = max(0, MOST_CHARACTERS - len(note))
    return text[: room - room // 2] + note + text[len(text) - room // 2 :]


def shortened(decided: Decision, folder: Path, event_id: str) -> Decision:
    """Return the decision with no text longer than 10,000 characters; what is longer goes whole into the folder.

    Raises OSError.
    """

    def cut(what: str, text: str) -> str:
        return capped(text, folder / f"{event_id}.{decided.hook_id}.{what}.txt")

    return replace(
        decided,
        reason=cut("reason", decided.reason),
        context=cut("context", decided.context),
        message=cut("message", decided.message),
        stop_reason=None if decided.stop_reason is None else cut("stop", decided.stop_reason),
    )


def _read(hook: Hook, finished: Finished) -> Decision:
    if finished.timed_out:
        raise _UnheardError(f"it did not end within {hook.timeout:g} s; make it quicker or raise its `timeout`")
    if finished.http_status is not None:
        return _of_post(hook, finished, finished.http_status)
    if finished.exit_code is None:
        raise _UnheardError(_clean(finished.stderr) or "it could not be started")
    if finished.exit_code == REFUSAL_CODE:
        return _of_refusal(hook, finished)
    said = _said(hook, finished.stdout)
    if said is not None:
        return _of_json(hook, said)
    if finished.exit_code != 0:
        raise _UnheardError(_unclear(finished.exit_code, _first_line(finished.stderr)))
    return Decision(hook.hook_id, "allowed", context=_clean(finished.stdout) if hook.kind == PROMPT else "")


def _of_post(hook: Hook, finished: Finished, status: int) -> Decision:
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        told = _first_line(finished.stderr) or "only a status of 2xx can decide"
        raise _UnheardError(f"the receiver said HTTP {status}: {told}")
    if not finished.stdout.strip():
        return Decision(hook.hook_id, "allowed")
    said = _said(hook, finished.stdout)
    if said is None:
        raise _UnheardError(f"HTTP {status} with a body that is no JSON object; answer with an object or with nothing")
    return _of_json(hook, said)


def _of_refusal(hook: Hook, finished: Finished) -> Decision:
    """Read exit code 2: it blocks whatever the JSON says, whose other fields count."""
    told = _clean(finished.stderr)
    try:
        said = _said(hook, finished.stdout)
    except _UnheardError as error:
        return Decision(hook.hook_id, "blocked", told or f"{_UNEXPLAINED}: {error}")
    if said is None:
        return Decision(hook.hook_id, "blocked", told or _SUSPECT, is_suspect=not told)
    reason = (said.reason if said.blocks else "") or told or said.reason or _UNEXPLAINED
    return replace(_of_json(hook, said), outcome="blocked", reason=reason)


def _of_json(hook: Hook, said: _Said) -> Decision:
    heard = Decision(hook.hook_id, "allowed", "", said.context, said.message, said.stop_reason)
    if said.blocks:
        return replace(heard, outcome="blocked", reason=said.reason or _UNEXPLAINED)
    if said.stop_reason is not None and hook.kind == PROMPT:
        # Before the first call, to stop is to refuse.
        return replace(heard, outcome="blocked", reason=said.stop_reason or _UNEXPLAINED)
    return heard


def _said(hook: Hook, stdout: str) -> _Said | None:
    """Return what the JSON on stdout says, None for plain text. Raises _UnheardError when it breaks the rules."""
    found = _object(stdout)
    if found is None:
        return None
    for name, type_ in _TYPES.items():
        _check_type(found, name, type_)
    if found.get("decision", "block") not in {"block", "approve"}:
        raise _UnheardError(f"its JSON says `decision: {_first_line(found['decision'])}`; the only decision is `block`")
    stops = found.get("continue") is False and hook.kind != CREATED
    return _Said(
        blocks=found.get("decision") == "block",
        reason=_clean(found.get("reason", "")),
        context=_context(hook, found["hookSpecificOutput"]) if "hookSpecificOutput" in found else "",
        message=_clean(found.get("systemMessage", "")),
        stop_reason=_clean(found.get("stopReason", "")) if stops else None,
    )


def _object(stdout: str) -> dict[str, Any] | None:
    """Return the only JSON object on stdout; None for anything else, which is plain text."""
    text = stdout.strip().removeprefix("\ufeff").strip()
    # Of a flood only the end is here, and an object in it is not what the hook said.
    if not text.startswith("{") or len(stdout.encode("utf-8", "replace")) >= KEPT_BYTES:
        return None
    try:
        found: dict[str, Any] = json.loads(text, parse_int=lambda _: 0, parse_constant=_refuse_constant)
    except ValueError:
        return None
    except RecursionError:
        raise _UnheardError("its JSON is nested too deep to be read; print only the fields of a hook") from None
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_type(found: Mapping[str, Any], name: str, type_: type) -> None:
    if name in found and type(found[name]) is not type_:
        raise _UnheardError(f"`{name}` in its JSON must be {_TYPE_NAMES[type_]}; mend it or leave it out")


def _context(hook: Hook, specific: Mapping[str, Any]) -> str:
    _check_type(specific, "hookEventName", str)
    _check_type(specific, "additionalContext", str)
    known = {hook.event_name, *(name for name, kind in KINDS.items() if kind == hook.kind)}
    if specific.get("hookEventName") not in known:
        raise _UnheardError(f"`hookSpecificOutput` in its JSON must say `hookEventName: {hook.event_name}`; add that")
    return "" if hook.kind == CREATED else _clean(specific.get("additionalContext", ""))


def _unclear(exit_code: int, said: str) -> str:
    """Tell of an exit code that is no decision, and of what the hook said."""
    if exit_code > 0 and exit_code not in LAUNCH_CODES:
        told = f"it ended with exit code {exit_code}, which neither allows nor refuses"
        return f"{told}; to refuse, end with {REFUSAL_CODE}{f'; it said: {said}' if said else ''}"
    return f"{_ending(exit_code)}: {said or 'nothing on stderr'}"


def _ending(exit_code: int) -> str:
    if exit_code > 0:
        return f"exit code {exit_code}"
    try:
        return f"ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"ended by signal {-exit_code}"


def _first_line(text: str) -> str:
    return next((line.strip()[:_LONGEST_LINE] for line in _clean(text).splitlines() if line.strip()), "")


def _clean(text: str) -> str:
    """Return the text without blanks around it, and without what can neither be stored nor sent."""
    return mended(text).replace("\0", "\ufffd").strip()
