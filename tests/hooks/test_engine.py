"""Which hooks an event has, and why the others do not run."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from kimi_hooks import config
from kimi_hooks.events import COMPLETED, FAILED, Event, Moment, TaskEvent
from kimi_hooks.hooks import engine
from kimi_hooks.journal.switches import BY_PERSON, SwitchedOff

ID = "kimi-1700000001-aaaaaaaa"
LISTED = "matcher: '{}' is a list of exact names, and the task's name '{}' is not in it"
PART = "it is a part of it: for that, write a regular expression such as"
SEARCHED = "matcher: '{}' is a regular expression, and it is not found in the task's name '{}'"


def made(*groups: dict[str, Any], event: str = "TaskCompleted", **keys: Any) -> config.Config:
    """A config with these groups under one event; each is a handler with the matcher beside it."""
    parts = [
        {
            "matcher": group.pop("matcher", None),
            "hooks": [{"command": "true", **group}],
        }
        for group in [dict(given) for given in groups]
    ]
    return config.Config.model_validate({"hooks": {event: parts}, **keys})


def done(name: str = "report", **fields: Any) -> Event:
    result = {"task_id": ID, "task_name": name, "error": None, **fields}
    return Moment(COMPLETED, f"{ID}-TaskCompleted", result, ID)


def failed(kind: str) -> Event:
    return TaskEvent(FAILED, {"task_id": ID, "task_name": "report", "error": {"kind": kind}})


def why(found: config.Config, event: Event, off: Any = ()) -> str | None:
    """Why the only hook does not run; whoever chooses and whoever explains agree."""
    (considered,) = engine.consider(found, event, off)
    assert engine.choose(found, event, off) == ([considered.hook] if considered.why_not is None else [])
    return considered.why_not


@pytest.mark.parametrize(
    ("matcher", "name", "told"),
    [
        (None, "x", None),
        ("*", "x", None),
        ("report", "report", None),
        ("a, report|b", "report", None),
        ("report.*", "my report-1", None),
        (
            "report",
            "daily",
            LISTED.format("report", "daily"),
        ),
        (
            "Report|x",
            "report",
            f"{LISTED.format('Report|x', 'report')}; upper and lower case matter",
        ),
        (
            "my report",
            "my  report",
            f"{LISTED.format('my report', 'my  report')}; blanks count inside a name",
        ),
        (
            "report",
            "report-1",
            f"{LISTED.format('report', 'report-1')}; {PART} 'report.*'",
        ),
        ("^daily$", "my daily", SEARCHED.format("^daily$", "my daily")),
        (
            "^Daily$",
            "daily",
            f"{SEARCHED.format('^Daily$', 'daily')}; upper and lower case matter, or write (?i) in front",
        ),
    ],
)
def test_matchers_are_explained(matcher: str | None, name: str, told: str | None) -> None:
    """What was compared with what, and what is nearly right."""
    assert why(made({"id": "x", "matcher": matcher}), done(name)) == told


def test_a_name_that_is_offered_as_a_regular_expression_would_match() -> None:
    """What the explanation says to write does what it says."""
    told = why(made({"id": "x", "matcher": "report"}), done("report-1"))
    assert told is not None
    assert why(made({"id": "x", "matcher": told.rpartition(" ")[2].strip("'")}), done("report-1")) is None


def test_the_matcher_of_a_failure_looks_at_its_kind() -> None:
    """And the explanation says so."""
    found = made({"id": "x", "matcher": "timeout"}, event="StopFailure")
    assert why(found, failed("timeout")) is None
    told = why(found, failed("rate_limit"))
    assert told == "matcher: 'timeout' is a list of exact names, and the kind of error 'rate_limit' is not in it"


def test_a_long_name_is_cut_and_harmless() -> None:
    """A name may be 200 characters long and hold what a terminal would heed."""
    told = why(made({"id": "x", "matcher": "a"}), done("\u202e\x1b[31m" + "b" * 200))
    assert told is not None
    assert told.isprintable()
    assert len(told) < 200


@pytest.mark.parametrize(
    ("found", "off", "told"),
    [
        (made({"id": "x", "enabled": False}), (), "enabled: false stands in config.yaml"),
        (made({"id": "x"}, disableAllHooks=True), (), "disableAllHooks is on in config.yaml"),
        (
            made({"id": "x"}),
            {"x": SwitchedOff("x", BY_PERSON, 0.0)},
            "somebody said hooks disable; switch it on with: kimi-hooks hooks enable x",
        ),
        (
            made({"id": "x"}),
            {"x": SwitchedOff("x", "its receiver says HTTP 410", 0.0)},
            "it is switched off: its receiver says HTTP 410; switch it on with: kimi-hooks hooks enable x",
        ),
        (made({"id": "x"}), {"x"}, "it is switched off; switch it on with: kimi-hooks hooks enable x"),
        (made({"id": "x"}), {"y": SwitchedOff("y", BY_PERSON, 0.0)}, None),
    ],
)
def test_what_is_off_says_who_did_it(found: config.Config, off: Any, told: str | None) -> None:
    """And how it comes on again."""
    assert why(found, done(), off) == told


def test_a_false_condition_tells_what_it_saw() -> None:
    """The expression and the values in it."""
    found = made({"id": "x", "if": "usage.total_tokens > 50000"})
    assert why(found, done(usage={"total_tokens": 60_000})) is None
    told = why(found, done(usage={"total_tokens": 700}))
    assert told == "if: usage.total_tokens > 50000 is false: usage.total_tokens = 700"


def test_a_condition_that_cannot_be_told_lets_the_hook_run(caplog: pytest.LogCaptureFixture) -> None:
    """A hook that guards is not switched off by a missing value; the log and the explanation say why it ran."""
    found = made({"id": "x", "if": "metadata.ticket == 'X'"}, {"id": "y", "if": "no such thing"})
    event = done(metadata={})
    considered = engine.consider(found, event)
    assert [(item.why_not, item.remark[:37]) for item in considered] == 2 * [
        (None, "its `if` cannot be told, so it runs: ")
    ]
    assert caplog.messages == []
    assert [hook.hook_id for hook in engine.choose(found, event)] == ["x", "y"]
    assert [message.split(": ")[0] for message in caplog.messages] == [
        f"{event.event_id} hook x",
        f"{event.event_id} hook y",
    ]


def test_the_order_is_that_of_the_config() -> None:
    """Hooks under another event are not considered; an alias is the same event."""
    under = {"TaskFailed": ["b", "a"], "TaskCompleted": ["c"], "StopFailure": ["d"]}
    hooks = {name: [{"hooks": [{"id": id_, "command": "true"} for id_ in ids]}] for name, ids in under.items()}
    found = config.Config.model_validate({"hooks": hooks})
    assert [item.hook.hook_id for item in engine.consider(found, failed("timeout"))] == ["b", "a", "d"]


def test_jinja_is_loaded_for_conditions_only() -> None:
    """Where no hook has an `if`, a verb that owes news pays nothing for it."""
    script = (
        "import sys; from kimi_hooks import config; from kimi_hooks.events import COMPLETED, Moment;"
        "from kimi_hooks.hooks import engine; event = Moment(COMPLETED, 'x', {'task_name': 'a'});"
        "made = lambda **keys: config.Config.model_validate({'hooks': {'TaskCompleted': [{'hooks': ["
        "{'command': 'true', **keys}]}]}});"
        "print(len(engine.choose(made(), event)), 'jinja2' in sys.modules);"
        "print(len(engine.choose(made(**{'if': 'task_name'}), event)), 'jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "1 False\n1 True\n"
