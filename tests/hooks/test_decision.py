"""What a gate's hook says by its exit code, its outputs and its JSON: Claude Code's tables, row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks.config import parse
from kimi_hooks.config_hooks import Hook
from kimi_hooks.hooks import decision
from kimi_hooks.hooks.decision import Decision, Verdict
from kimi_hooks.process.outputs import KEPT_BYTES
from kimi_hooks.process.protocol import Finished, without_exit

GATES = ("TaskCreated", "UserPromptSubmit", "Stop")
BLOCK = {"decision": "block", "reason": "the tests fail"}
PAST_ALL_LIMITS = "[" * 100_000


def hook(event: str = "Stop", **keys: Any) -> Hook:
    handler = {"id": "h", **({} if "url" in keys else {"command": "true"}), **keys}
    config = parse(json.dumps({"hooks": {event: [{"hooks": [handler]}]}}), "config.yaml")
    (only,) = config.each_hook()
    return only


def ended(exit_code: int | None, stdout: Any = "", stderr: str = "", *, timed_out: bool = False) -> Finished:
    told = stdout if isinstance(stdout, str) else json.dumps(stdout)
    return Finished(exit_code, timed_out, 5, told, stderr)


def posted(status: int, body: Any = "") -> Finished:
    return Finished(None, False, 5, body if isinstance(body, str) else json.dumps(body), "", http_status=status)


def read(finished: Finished, event: str = "Stop", **keys: Any) -> Decision:
    return decision.read(hook(event, **keys), finished)


def specific(event: str, context: Any = "more") -> dict[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": context}}


# Exit codes


@pytest.mark.parametrize("event", GATES)
@pytest.mark.parametrize(
    ("finished", "outcome", "reason"),
    [
        (ended(0), "allowed", ""),
        (ended(0, "words"), "allowed", ""),
        (ended(0, "", "noise"), "allowed", ""),
        (ended(0, {}), "allowed", ""),
        (ended(0, BLOCK), "blocked", "the tests fail"),
        (ended(0, BLOCK, "noise"), "blocked", "the tests fail"),
        (ended(0, {"decision": "block"}), "blocked", "it refused and gave no reason"),
        (ended(0, {"reason": "not asked"}), "allowed", ""),
        (ended(0, {"decision": "approve", "reason": "x"}), "allowed", ""),
        (ended(0, {"continue": 1}), "failed", "`continue` in its JSON must be true or false; mend it or leave it out"),
        (ended(2, "", "no\nway\n"), "blocked", "no\nway"),
        (ended(2, "words", "no"), "blocked", "no"),
        (ended(2, BLOCK, "no"), "blocked", "the tests fail"),
        (ended(2, {"reason": "x"}, "no"), "blocked", "no"),
        (ended(2, {"reason": "x"}), "blocked", "x"),
        (ended(2, {"decision": "approve"}, "no"), "blocked", "no"),
        (ended(2, {}), "blocked", "it refused and gave no reason"),
        (ended(2, {"decision": "block"}, "no"), "blocked", "no"),
        (ended(2, "{broken", "no"), "blocked", "no"),
        (ended(2, {"decision": 5}, "no"), "blocked", "no"),
        (ended(1, {}), "allowed", ""),
        (ended(1, BLOCK), "blocked", "the tests fail"),
        (ended(127, BLOCK, "noise"), "blocked", "the tests fail"),
        (ended(-9, BLOCK), "blocked", "the tests fail"),
        (ended(1, "words", "\nfirst\nsecond"), "failed",
         "it ended with exit code 1, which neither allows nor refuses; to refuse, end with 2; it said: first"),
        (ended(1), "failed", "it ended with exit code 1, which neither allows nor refuses; to refuse, end with 2"),
        (ended(127), "failed", "exit code 127: nothing on stderr"),
        (ended(126, "", "not executable"), "failed", "exit code 126: not executable"),
        (ended(1, {"decision": 5}), "failed", "`decision` in its JSON must be a text; mend it or leave it out"),
        (ended(-15, "words"), "failed", "ended by SIGTERM: nothing on stderr"),
        (ended(-60, "words"), "failed", "ended by signal 60: nothing on stderr"),
        (without_exit("x.sh: cannot be started"), "failed", "x.sh: cannot be started"),
        (without_exit(""), "failed", "it could not be started"),
    ],
)  # fmt: skip
def test_exit_codes(event: str, finished: Finished, outcome: str, reason: str) -> None:
    """Each row of Claude Code's table of exit codes, under each gate."""
    said = read(finished, event)
    assert (said.outcome, said.reason, said.is_suspect, said.by_failure) == (outcome, reason, False, False)
    assert said.hook_id == "h"


@pytest.mark.parametrize("stdout", ["", "words", "{broken"])
def test_a_refusal_in_silence_is_suspect(stdout: str) -> None:
    """Exit code 2 with no word on stderr and no JSON blocks, and tells that it may be a broken launch."""
    said = read(ended(2, stdout))
    assert (said.outcome, said.is_suspect) == ("blocked", True)
    assert "may be no refusal" in said.reason


def test_a_refusal_whose_json_cannot_be_used_still_blocks() -> None:
    """It is told what is wrong with the JSON when nothing else is said."""
    said = read(ended(2, {"decision": "deny"}))
    assert (said.outcome, said.is_suspect) == ("blocked", False)
    assert said.reason == "it refused and gave no reason: its JSON says `decision: deny`; the only decision is `block`"


@pytest.mark.parametrize("exit_code", [0, 2, None])
def test_what_was_said_before_a_time_out_is_thrown_away(exit_code: int | None) -> None:
    """A time-out decides nothing, whatever was printed and however the command took the signal."""
    said = read(ended(exit_code, BLOCK, "no", timed_out=True), timeout=7)
    assert said == Decision("h", "failed", "it did not end within 7 s; make it quicker or raise its `timeout`")


# JSON


@pytest.mark.parametrize(
    "stdout",
    ['["decision"]', '"block"', "5", "null", '{"decision": "block"', '{"decision": "block"} done', '{"a": NaN}',
     '{"a": Infinity}', 'x {"decision": "block"}', '{"decision": "block"}\n{"decision": "block"}', "{'decision': 'block'}"],
)  # fmt: skip
def test_what_is_not_one_object_is_plain_text(stdout: str) -> None:
    """On exit code 0 it decides nothing, and is context before a prompt; on another code the hook has failed."""
    assert read(ended(0, stdout)) == Decision("h", "allowed")
    assert read(ended(0, stdout), "UserPromptSubmit") == Decision("h", "allowed", context=stdout)
    assert read(ended(1, stdout)).outcome == "failed"


@pytest.mark.parametrize(
    "stdout",
    [' \n\t{"decision": "block"}\n', '\ufeff{"decision": "block"}', '{"decision": "approve", "decision": "block"}',
     f'{{"decision": "block", "n": {"9" * 5000}, "m": 1e999999}}', '{"decision": "block", "unknown": {"a": [1]}}'],
    ids=["blanks", "mark", "twice", "numbers", "unknown"],
)  # fmt: skip
def test_what_is_an_object_is_heard(stdout: str) -> None:
    """Blanks, a byte order mark, doubled and unknown keys, and numbers past all bounds do not hide a decision."""
    assert read(ended(0, stdout)).outcome == "blocked"


def test_json_nested_past_all_bounds_is_told() -> None:
    """It is no plain text, and must not pass for one."""
    said = read(ended(0, '{"a": ' + PAST_ALL_LIMITS), "UserPromptSubmit")
    assert (said.outcome, said.context) == ("failed", "")


def test_the_end_of_a_flood_is_plain_text() -> None:
    """Of more than a MiB only the end is there: an object in it is not what the hook said."""
    end = json.dumps({**BLOCK, "filler": "x" * KEPT_BYTES})
    assert read(ended(0, " " * (KEPT_BYTES - len(json.dumps(BLOCK))) + json.dumps(BLOCK))).outcome == "allowed"
    assert read(ended(0, "{" + end[-KEPT_BYTES + 1 :])).outcome == "allowed"
    assert read(ended(0, json.dumps({**BLOCK, "filler": "x" * (KEPT_BYTES // 2)}))).outcome == "blocked"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"continue": "false"}, "`continue`"),
        ({"continue": None}, "`continue`"),
        ({"stopReason": 1}, "`stopReason`"),
        ({"suppressOutput": "yes"}, "`suppressOutput`"),
        ({"systemMessage": ["x"]}, "`systemMessage`"),
        ({"decision": ["block"]}, "`decision`"),
        ({"decision": "deny"}, "decision: deny"),
        ({"decision": "block", "reason": 5}, "`reason`"),
        ({"hookSpecificOutput": "x"}, "`hookSpecificOutput`"),
        ({"hookSpecificOutput": {"additionalContext": "x"}}, "hookEventName: Stop"),
        ({"hookSpecificOutput": {"hookEventName": ["Stop"]}}, "`hookEventName`"),
        (specific("UserPromptSubmit"), "hookEventName: Stop"),
        (specific("Stop", 5), "`additionalContext`"),
    ],
)
def test_json_that_breaks_the_rules(said: dict[str, Any], word: str) -> None:
    """It fails the hook and decides nothing, whatever else it says; the reason names the field."""
    for exit_code in (0, 1):
        found = read(ended(exit_code, {"systemMessage": "heard", **said}))
        assert (found.outcome, found.message, found.stop_reason) == ("failed", "", None)
        assert word in found.reason
    assert read(ended(2, said, "no")).outcome == "blocked"


@pytest.mark.parametrize("exit_code", [0, 1, 2])
def test_all_fields_are_heard_on_every_exit_code(exit_code: int) -> None:
    """Exit code 2 changes the decision alone."""
    said = {**BLOCK, **specific("Stop"), "systemMessage": "hear", "continue": False, "stopReason": "enough"}
    wanted = Decision("h", "blocked", "the tests fail", context="more", message="hear", stop_reason="enough")
    assert read(ended(exit_code, said, "no")) == wanted


@pytest.mark.parametrize(
    ("event", "outcome", "stop_reason"),
    [("TaskCreated", "allowed", None), ("UserPromptSubmit", "blocked", "enough"), ("Stop", "allowed", "enough")],
)
def test_continue_false(event: str, outcome: str, stop_reason: str | None) -> None:
    """It stops all but a task that is only accepted, as in Claude Code; before the first call that is a refusal."""
    said = read(ended(0, {"continue": False, "stopReason": "enough"}), event)
    assert (said.outcome, said.stop_reason) == (outcome, stop_reason)
    assert read(ended(0, {"continue": False}), event).stop_reason == (None if stop_reason is None else "")
    assert read(ended(0, {"continue": True, "stopReason": "x"}), event) == Decision("h", "allowed")


@pytest.mark.parametrize(("event", "context"), [("TaskCreated", ""), ("UserPromptSubmit", "more"), ("Stop", "more")])
def test_additional_context(event: str, context: str) -> None:
    """It counts where there is a conversation to add it to."""
    assert read(ended(0, specific(event)), event) == Decision("h", "allowed", context=context)
    assert read(ended(0, {"hookSpecificOutput": {"hookEventName": event}}), event) == Decision("h", "allowed")


def test_plain_words_are_context_before_the_prompt_only() -> None:
    """On exit code 0 alone, without the blanks around them, and never beside JSON."""
    for event in GATES:
        wanted = "a\n b" if event == "UserPromptSubmit" else ""
        assert read(ended(0, "\na\n b\n\n", "noise"), event).context == wanted
    for finished in (ended(1, "words"), ended(2, "words", "no"), ended(0, {"systemMessage": "x"})):
        assert read(finished, "UserPromptSubmit").context == ""


def test_what_no_file_can_hold_is_mended() -> None:
    """Half a character and a NUL in a hook's words do not fail what comes after."""
    said = read(ended(0, '{"decision": "block", "reason": "a\\ud800b\\u0000c", "systemMessage": "\\ud83d\\ude00"}'))
    assert (said.reason, said.message) == ("a\ufffdb\ufffdc", "\U0001f600")
    assert read(ended(0, "x\0\ud800"), "UserPromptSubmit").context == "x\ufffd\ufffd"


# Posts


@pytest.mark.parametrize(
    ("finished", "outcome", "reason"),
    [
        (posted(200), "allowed", ""),
        (posted(204, " \n"), "allowed", ""),
        (posted(200, {}), "allowed", ""),
        (posted(299, BLOCK), "blocked", "the tests fail"),
        (posted(200, {"decision": 5}), "failed", "`decision` in its JSON must be a text; mend it or leave it out"),
        (posted(200, "OK"), "failed",
         "HTTP 200 with a body that is no JSON object; answer with an object or with nothing"),
        (posted(200, [1]), "failed",
         "HTTP 200 with a body that is no JSON object; answer with an object or with nothing"),
        (posted(500, BLOCK), "failed", "the receiver said HTTP 500: only a status of 2xx can decide"),
        (posted(302), "failed", "the receiver said HTTP 302: only a status of 2xx can decide"),
        (posted(199, BLOCK), "failed", "the receiver said HTTP 199: only a status of 2xx can decide"),
        (without_exit("nobody there"), "failed", "nobody there"),
        (Finished(None, True, 5, json.dumps(BLOCK), "", http_status=200), "failed",
         "it did not end within 60 s; make it quicker or raise its `timeout`"),
    ],
)  # fmt: skip
def test_posts(finished: Finished, outcome: str, reason: str) -> None:
    """Each row of Claude Code's table of HTTP statuses; a body is never context."""
    for event in GATES:
        said = read(finished, event, type="http", url="https://example.org/")
        assert (said.outcome, said.reason, said.context) == (outcome, reason, "")


# onFailure


@pytest.mark.parametrize(
    ("finished", "keys"),
    [
        (without_exit("x: not there"), {}),
        (ended(1, "", "x"), {}),
        (ended(127), {}),
        (ended(-9), {}),
        (ended(0, "", timed_out=True), {}),
        (ended(0, {"decision": "deny"}), {}),
        (posted(500), {"type": "http", "url": "https://example.org/"}),
        (posted(200, "OK"), {"type": "http", "url": "https://example.org/"}),
    ],
)
@pytest.mark.parametrize("event", GATES)
def test_on_failure_block(event: str, finished: Finished, keys: dict[str, Any]) -> None:
    """Whatever keeps a hook from being heard blocks then, for the same reason, and is told from a refusal."""
    failed = read(finished, event, **keys)
    blocked = read(finished, event, **keys, onFailure="block")
    assert (failed.outcome, failed.by_failure) == ("failed", False)
    assert (blocked.outcome, blocked.by_failure, blocked.reason) == ("blocked", True, failed.reason)
    assert read(finished, event, **keys, onFailure="continue") == failed


def test_on_failure_changes_nothing_that_was_heard() -> None:
    """Neither what a hook allows nor what it refuses; and nothing of a hook that nobody waits for."""
    assert read(ended(0), onFailure="block") == Decision("h", "allowed")
    assert read(ended(2, "", "no"), onFailure="block") == Decision("h", "blocked", "no")
    unheeded: dict[str, Any] = {"onFailure": "block", "async": True}
    assert read(ended(1), **unheeded).outcome == "failed"


# Together


def test_merging() -> None:
    """All that block count, in the order given; contexts and messages of all are kept."""
    first = Decision("a", "allowed", context="ca", message="ma")
    second = Decision("b", "blocked", "rb", context="cb")
    third = Decision("c", "failed", "rc")
    fourth = Decision("d", "blocked", "rd", by_failure=True)
    assert decision.merge([first, second, third, fourth]) == Verdict(
        is_blocked=True,
        reasons=(("b", "rb"), ("d", "rd")),
        contexts=(("a", "ca"), ("b", "cb")),
        messages=(("a", "ma"),),
        failures=(("c", "rc"),),
        stop_reason=None,
        by_failure=False,
    )
    assert decision.merge([fourth, first]).by_failure
    nothing = decision.merge([])
    assert (nothing.is_blocked, nothing.by_failure, nothing.stop_reason) == (False, False, None)
    assert not decision.merge([first, third]).is_blocked


def test_the_first_that_stops_counts() -> None:
    """An empty reason is one, too."""
    stops = [
        Decision("a", "blocked", "r"),
        Decision("b", "allowed", stop_reason=""),
        Decision("c", "allowed", stop_reason="x"),
    ]
    assert decision.merge(stops).stop_reason == ""


# Length


def test_a_short_text_stays_as_it_is(tmp_path: Path) -> None:
    """Ten thousand characters are not too many, however many bytes that is."""
    assert decision.capped("字" * 10_000, tmp_path / "f") == "字" * 10_000
    assert not (tmp_path / "f").exists()


def test_a_long_text_lies_whole_in_a_file(tmp_path: Path) -> None:
    """What is left has both ends and the place, in 10,000 characters; the same every time; for the user's eyes only."""
    text = "first" + "字" * 10_000 + "last"
    file = tmp_path / "runs" / "context"
    left = decision.capped(text, file)
    assert file.read_text() == text
    assert file.stat().st_mode & 0o077 == 0
    assert len(left) == 10_000
    assert left.startswith("first字")
    assert left.endswith("字last")
    assert f"all 10009 characters are in {file}" in left
    assert decision.capped(text, file) == left


# Whatever a hook prints

FIELDS = st.sampled_from(
    ["continue", "stopReason", "systemMessage", "decision", "reason", "hookSpecificOutput", "hookEventName", "x"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["block", "Stop"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=10,
)
OBJECTS = st.dictionaries(FIELDS, VALUES).map(json.dumps)


@given(
    event=st.sampled_from(GATES),
    exit_code=st.none() | st.integers(-70, 260),
    stdout=st.text()
    | OBJECTS
    | st.text().map("{{{}".format)
    | st.binary().map(lambda data: data.decode("utf-8", "replace")),
    stderr=st.text(st.characters(exclude_categories=[])),
    status=st.none() | st.integers(0, 1000),
    on_failure=st.sampled_from(["block", "continue"]),
)
def test_nothing_is_raised_whatever_a_hook_says(
    event: str, exit_code: int | None, stdout: str, stderr: str, status: int | None, on_failure: str
) -> None:
    """There is always a decision, its words can be written down, exit code 2 blocks and a refusal has a reason."""
    said = read(Finished(exit_code, False, 1, stdout, stderr, http_status=status), event, onFailure=on_failure)
    json.dumps([said.reason, said.context, said.message], ensure_ascii=False).encode()
    assert said.outcome == "blocked" or exit_code != 2 or status is not None
    assert said.outcome == "allowed" or said.reason
    assert said.outcome != "failed" or on_failure == "continue"
