"""The quick check for tasks of plain text: it never says yes where the full check says no, or says more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kimi_hooks import plain_task, task
from kimi_hooks.errors import TaskError
from kimi_hooks.text import DERIVED_NAME, derived_name

# All code points, half surrogate pairs and controls included, and what is special to the rules more often.
TEXTS = st.text(st.characters() | st.sampled_from(" \n\0\u2028\x85\ud800aé🐉"), max_size=8) | st.text(
    min_size=190, max_size=210
)
VALUES = TEXTS | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(TEXTS, max_size=2)
KEYS = st.sampled_from(sorted({*task.Task.model_fields, "nmae"}))
PLAIN_KEYS = st.sampled_from(sorted(plain_task.RULES))


@given(
    data=st.fixed_dictionaries({"prompt": TEXTS}).flatmap(
        lambda prompt: (st.dictionaries(PLAIN_KEYS, TEXTS, max_size=4) | st.dictionaries(KEYS, VALUES, max_size=3)).map(
            lambda rest: {**prompt, **rest}
        )
    ),
    default_name=TEXTS,
)
@example(data={"prompt": "x", "name": ""}, default_name="")
@example(data={"prompt": "x", "name": "n" * 201}, default_name="d")
@example(data={"prompt": "x", "standin": 1}, default_name="d")
@example(data={"prompt": "x", "group": ""}, default_name="d")
@example(data={"prompt": "x", "system": ""}, default_name="d")
@example(data={"name": "x"}, default_name="d")
def test_it_accepts_only_what_a_task_accepts(data: dict[str, Any], default_name: str) -> None:
    """Whatever it accepts is a task, of the same name, with the same warnings and the values that were given."""
    quick = plain_task.check(data, default_name=default_name)
    if quick is None:
        return
    found, warnings = task.check(data, default_name=default_name, where="here")
    assert quick == (found.name, warnings)
    assert found.model_dump(exclude_unset=True) == {**data, "name": found.name}


@given(data=st.dictionaries(PLAIN_KEYS, st.text(max_size=20), max_size=5), prompt=st.text(max_size=20))
def test_it_leaves_no_task_of_plain_text_to_others(data: dict[str, str], prompt: str) -> None:
    """What it sends the long way is no task at all, so that every dispatch of plain text is quick."""
    data = {**data, "prompt": prompt}
    if plain_task.check(data, default_name="d") is None:
        with pytest.raises(TaskError):
            task.check(data, default_name="d", where="here")


def test_every_rule_is_of_a_key_that_tasks_have() -> None:
    """A key that is renamed must not stay behind here."""
    assert set(plain_task.RULES) <= set(task.Task.model_fields)


@given(text=st.text(st.characters()))
def test_a_derived_name_can_always_be_a_name(text: str) -> None:
    """Of any prompt, broken text included: the quick check never stumbles over a name that we made."""
    name = derived_name(text, DERIVED_NAME)
    assert plain_task.check({"prompt": "x"}, default_name=name) == (name, [])
