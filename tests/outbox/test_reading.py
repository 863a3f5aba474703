"""From bytes to a task: any bytes at all, and never anything but a task or a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_hooks.errors import TaskError
from kimi_hooks.outbox.folder import ENDINGS
from kimi_hooks.outbox.reading import parse
from kimi_hooks.task import Task

PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(data=st.binary() | PLAIN.map(str.encode), ending=st.sampled_from(sorted(ENDINGS)))
def test_any_bytes_are_a_task_or_a_reason(data: bytes, ending: str) -> None:
    """No input leads to another error."""
    try:
        task, _ = parse(data, f"a{ending}")
    except TaskError as error:
        told = str(error)
    else:
        told = f"a{ending}" if task.prompt.strip() else "an empty prompt was accepted"
    assert told.startswith(f"a{ending}")


@given(fields=st.dictionaries(st.sampled_from(sorted(Task.model_fields)), JSON))
def test_any_values_are_a_task_or_a_reason(fields: dict[str, object]) -> None:
    """Whatever stands under the known keys; what is accepted can be written down and read again."""
    try:
        task, _ = parse(json.dumps(fields).encode(), "a.json")
    except TaskError:
        return
    assert Task.model_validate_json(task.model_dump_json()) == task


@given(prompt=PLAIN.filter(str.strip))
def test_a_prompt_survives_json(prompt: str) -> None:
    """Byte for byte."""
    task, _ = parse(json.dumps({"prompt": prompt}, ensure_ascii=False).encode(), "a.json")
    assert task.prompt == prompt


@given(body=PLAIN.filter(str.strip))
def test_a_body_survives_its_front_matter(body: str) -> None:
    """What stands below the second line of dashes is the prompt, every character of it."""
    task, _ = parse(f"---\nname: n\n---\n{body}".encode(), "a.md")
    assert task.prompt == body


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("hello\n", "hello\n"),
        ("---\n---\nhello", "hello"),
        ("---\r\nname: n\r\n---\r\nhello\r\n", "hello\r\n"),
        ("---  \nname: n\n--- \nhello", "hello"),
        ("---\nno closing line, so this is text", "---\nno closing line, so this is text"),
        ("text\n---\nname: n\n---\n", "text\n---\nname: n\n---\n"),
        ("---\nname: n\n---\n\n---\nmore\n---\n", "\n---\nmore\n---\n"),
        ("\ufeffhello", "hello"),
    ],
)
def test_front_matter(text: str, prompt: str) -> None:
    """Only at the very beginning, only with both lines of dashes; line ends of all kinds; a byte order mark goes."""
    assert parse(text.encode(), "a.md")[0].prompt == prompt


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("group: -5298003529", "group", "-5298003529"),
        ("name: 012", "name", "012"),
        ("name: on", "name", "on"),
        ("name: 2026-01-01", "name", "2026-01-01"),
        ("thread_id: 1_000", "thread_id", "1_000"),
        ("after: 012", "after", ("012",)),
        ("after: [a, b]", "after", ("a", "b")),
        ("priority: 5", "priority", 5),
        ("standin: yes", "standin", True),
        ("temperature: 0.5", "temperature", 0.5),
        ("metadata: {n: 1, d: 2026-01-01, t: yes}", "metadata", {"n": 1, "d": "2026-01-01", "t": True}),
        ("not_before: 90", "not_before", 90.0),
        ("not_before: 2999-01-01T00:00:00Z", "not_before", "2999-01-01T00:00:00Z"),
    ],
)
def test_yaml_values_mean_what_people_mean(line: str, key: str, value: object) -> None:
    """Text stays as it is written; numbers and switches are numbers and switches."""
    task, _ = parse(f"prompt: x\n{line}\n".encode(), "a.yaml")
    assert getattr(task, key) == value


def test_all_mistakes_are_told_at_once() -> None:
    """Each with its key."""
    with pytest.raises(TaskError) as caught:
        parse(b"promt: x\ntimeout: -1\npriority: high\n", "a.yaml")
    for word in ("did you mean 'prompt'?", "timeout", "priority", "a.yaml"):
        assert word in str(caught.value)


def test_the_name_of_the_file_is_the_name_of_the_task() -> None:
    """Unless one is given; control characters and bytes that are no text become blanks or marks."""
    assert parse(b"x", "my task.v2.md")[0].name == "my task.v2"
    assert parse(b"x", "a\x1b[31m\nb.md")[0].name == "a [31m b"
    assert parse(b"x", "\udcff.md")[0].name.isprintable()
    assert parse(b"---\nname: mine\n---\nx", "file.md")[0].name == "mine"
