"""The `if` of a hook: what it may ask of an event, and what becomes of one that cannot be told."""

from __future__ import annotations

from typing import Any

import pytest

from kimi_hooks.errors import TemplateError
from kimi_hooks.events import COMPLETED, CREATED, FIELDS, KINDS, SESSION_START, Moment, of_session
from kimi_hooks.hooks import condition

FIELDS_OF_A_TASK: dict[str, Any] = {
    **dict.fromkeys(FIELDS),
    "status": "done",
    "task_name": "weekly report",
    "usage": {"total_tokens": 700},
    "metadata": {"ticket": "X-1", "a-b": {"c": 1}, "items": 3},
    "standin": False,
}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("usage.total_tokens > 500", True),
        ("usage.total_tokens > 50000", False),
        ("status == 'done' and 'report' in task_name", True),
        ("task_name|length > 100", False),
        ("standin", False),
        ("not standin", True),
        ("cost and cost.amount > 1", False),
        ("error is none", True),
        ("metadata.ticket is defined", True),
        ("metadata.nothing is defined", False),
        ("metadata.nothing|default('') == 'x'", False),
        ("metadata.get('nothing')", False),
        ("metadata['a-b'].c == 1", True),
        ("metadata['items'] == 3", True),
        ("status in ['done', 'failed']", True),
        ("task_name.startswith('weekly')", True),
        ("usage.total_tokens\n  > 1\n", True),
    ],
)
def test_an_expression_is_asked_of_the_fields(expression: str, holds: bool) -> None:
    """It is Jinja's, and true or false as Jinja says."""
    condition.check(expression)
    assert condition.accepts(expression, FIELDS_OF_A_TASK) is holds


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("cost.amount > 1", "cost.amount > 1: 'None' has no attribute 'amount'; give it a value"),
        ("cost > 5", "say what holds where a value is null, as in `cost and cost.amount > 1`"),
        ("metadata.nothing", "has no attribute 'nothing'; give it a value where it may be missing"),
        ("metadata.nothing == 'x'", "has no attribute 'nothing'"),
        ("1 // 0", "zero"),
        ("range(10)", "the name range is unknown"),
        ("task_name.__class__.__mro__", "unsafe"),
    ],
)
def test_what_cannot_be_told_is_an_error(expression: str, told: str) -> None:
    """Neither true nor false: whoever asks decides what then, and can say why."""
    with pytest.raises(TemplateError) as refused:
        condition.accepts(expression, FIELDS_OF_A_TASK)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("", "; mend it"),
        ("status ==", "; mend it"),
        ("{{ status }}", "write one expression, without {{ }}"),
        ("{% if status %}", "write one expression, without {{ }}"),
        ("status }} {{ error", "write one expression, without {{ }}"),
        ("status = 'done'", "; mend it"),
        ("status done", "; mend it"),
        ("staus == 'done'", "the name staus is unknown; did you mean 'status'?"),
        ("tokens.total > 5", "the name tokens is unknown; write usage"),
        ("env.HOME", "the name env is unknown; a condition sees the event alone, no variables and no secrets"),
        ("KIMI_API_KEY", "a condition sees the event alone"),
        ("config.kimi", "the name config is unknown"),
        ("status|nofilter", "filter named 'nofilter'"),
        ("status is notest", "test named 'notest'"),
        ("(" * 3000 + "1" + ")" * 3000, "nested too deep"),
        ("attempt > 1", "attempt is not known yet when hooks are chosen"),
        ("result_file", "result_file is not known yet"),
    ],
)
def test_a_mistake_is_found_before_an_event_comes(expression: str, told: str) -> None:
    """With the expression and a remedy, on one line."""
    with pytest.raises(TemplateError) as refused:
        condition.check(expression)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_an_event_does_not_have_at_hand_is_refused() -> None:
    """The prompt of a task that has ended is handed to the hook alone; at a gate it may be asked for."""
    with pytest.raises(TemplateError, match="task_description is not known yet"):
        condition.check("'x' in task_description", COMPLETED)
    condition.check("'x' in task_description", CREATED)


def test_every_other_field_may_be_asked_for() -> None:
    """What an event lacks is null; what is not at hand is missing, so that nobody takes it for null."""
    started = of_session(SESSION_START, "run-1-abcdefgh", "startup", 0.0)
    fields = condition.fields_of(started, "SessionStart")
    assert set(fields) == FIELDS - {"attempt", "cwd", "result_file", "transcript_path"}
    assert condition.accepts("source == 'startup' and hook_event_name == 'SessionStart' and not usage", fields)
    created = Moment(CREATED, "kimi-1-abcdefgh-TaskCreated", {"task_description": "say x"}, "kimi-1-abcdefgh")
    assert condition.accepts("'x' in task_description", condition.fields_of(created, "TaskCreated"))


def test_the_values_are_told_as_they_are_looked_at() -> None:
    """Each place once, cut to be read, without what could steer a terminal."""
    fields = {**FIELDS_OF_A_TASK, "output": "\x1b[31m" + "x" * 1000}
    told = condition.looked_at("usage.total_tokens > 5 or usage.total_tokens < 1 or output", fields)
    values = told.split(", ")
    assert values[0] == "usage.total_tokens = 700"
    assert values[1].startswith('output = "\\u001b[31mxxx')
    assert len(values[1]) < 100
    assert condition.looked_at("metadata.get('a') and metadata.gone and task_name|upper", fields) == (
        'metadata = {"ticket": "X-1", "a-b": {"c": 1}, "items": 3}, metadata.gone = (not there), task_name = "weekly report"'
    )


def test_each_kind_of_event_has_fields() -> None:
    """No kind makes the fields fail."""
    for name, kind in KINDS.items():
        assert condition.fields_of(Moment(kind, "x", {}), name)["event_id"] == "x"
