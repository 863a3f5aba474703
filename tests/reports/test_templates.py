"""The user's own templates: which one counts, what it may use, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from kimi_hooks.config import Language
from kimi_hooks.errors import TemplateError
from tests.reports.made import FILE, failed, result, told


def override(hooks: Path, text: str, name: str = "report.txt.j2") -> Path:
    hooks.joinpath(name).write_text(text, "utf-8")
    return hooks


def test_the_users_template_counts(tmp_path: Path) -> None:
    """For both languages; it is told which one is wanted."""
    override(tmp_path, "{{ lang }} {{ task_name }} {{ result_file }}\n")
    assert told(result(), "en", tmp_path) == f"en auth-api {FILE}"
    assert told(result(), "zh-TW", tmp_path) == f"zh-TW auth-api {FILE}"


@pytest.mark.parametrize(("lang", "said"), [("en", "for all"), ("zh-TW", "只有中文")])
def test_the_template_of_the_language_comes_first(tmp_path: Path, lang: Language, said: str) -> None:
    """The one for all stands in for the other language."""
    override(tmp_path, "for all")
    override(tmp_path, "只有中文", "report.zh-TW.txt.j2")
    assert told(result(), lang, tmp_path) == said


def test_all_values_have_a_text(tmp_path: Path) -> None:
    """Null becomes empty, true and false small words, lists and mappings JSON: as in script templates."""
    text = "[{{ account }}] {{ standin }} {{ metadata }} {{ warnings }} {{ tokens.total|thousands }} {{ metadata.k }}"
    override(tmp_path, text)
    assert told(result(metadata={"k": "值"}), "en", tmp_path) == '[] false {"k":"值"} [] 4,700 值'


def test_blocks_leave_no_empty_lines(tmp_path: Path) -> None:
    """A block on a line of its own is not seen in the text."""
    override(tmp_path, "a\n  {% if error %}\n{{ error.kind }}\n  {% endif %}\nb\n")
    assert told(result(), "en", tmp_path) == "a\nb"
    assert told(failed("crash"), "en", tmp_path) == "a\ncrash\nb"


def test_the_users_text_is_made_safe_too(tmp_path: Path) -> None:
    """Whatever a template says: no control characters, and one message of a chat."""
    override(tmp_path, "\x1b[31m{{ output }}")
    text = told(result(output="\u202e" + "👍🏽" * 9000), "en", tmp_path)
    assert text.startswith("�[31m👍🏽")
    assert text.endswith("👍🏽…")
    assert len(text.encode("utf-16-le")) // 2 in range(3490, 3501)


def test_a_value_is_never_template_text(tmp_path: Path) -> None:
    """Tags in an answer come out as they went in."""
    override(tmp_path, "{{ output }}")
    assert told(result(output="{{ 7 * 7 }} {% if %}"), "en", tmp_path) == "{{ 7 * 7 }} {% if %}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n{{ task_nmae }}", r":2: the name task_nmae is unknown; did you mean 'task_name'\?$"),
        ("a\nb\n{{ task_name", r":3: unexpected end of template, .*; mend the tag"),
        ("{% if error %}", r":1: Unexpected end of template.*; mend the tag"),
        ("a\n{{ task_name|shout }}", r":2: No filter named 'shout'; mend the tag"),
        ("a\n{{ metadata.ticket }}", r":2: .*no attribute 'ticket'; give it a value .* \|default\(''\)"),
        ("a\n\n{{ error.kind }}", r":3: .*; give it a value where it may be missing"),
        ("{{ 1 / 0 }}", r":1: division by zero; mend the expression"),
        ("{% macro m() %}\n{{ 1 / 0 }}{% endmacro %}\n{{ m() }}", r":2: division by zero"),
        ("a\n{{ task_name|thousands }}", r":2: .*; mend the expression"),
        ("{{ ''.__class__.__mro__ }}", r":1: access to attribute '__class__' .* is unsafe"),
        ("a\n{% include 'other' %}", r":2: include is not possible here; write the text into this file$"),
        ("{% extends 'other' %}", r":1: extends is not possible here; write the text into this file$"),
        ("{% import 'other' as o %}", r":1: import is not possible here; write the text into this file$"),
        ("{% from 'other' import o %}", r":1: from is not possible here; write the text into this file$"),
        ("{{ zebra }}", r":1: the name zebra is unknown; known names: docs/hooks\.md#a-report-of-your-own$"),
        ("{{ usage }}", r":1: the name usage is unknown; write tokens$"),
        ("{{ env.HOME }}", r":1: the name env is unknown; a report is given no environment and no secrets$"),
        (
            "{{ KIMI_API_KEY }}",
            r":1: the name KIMI_API_KEY is unknown; a report is given no environment and no secrets$",
        ),
        (
            "{% if error %}x{% endif %}",
            r": it leaves the report of this task empty; let it print something for every task$",
        ),
        ("{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", r":[12]: .*recursion.*; mend the expression"),
    ],
)
def test_a_broken_template_is_told_with_its_line_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    """In one line, whether it cannot be read or cannot be rendered."""
    override(tmp_path, text)
    with pytest.raises(TemplateError, match=rf"^{tmp_path}/report\.txt\.j2{message}") as caught:
        told(result(), "en", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_template_that_is_not_utf_8(tmp_path: Path) -> None:
    """With the line of the first strange byte."""
    (tmp_path / "report.txt.j2").write_bytes(b"a\nb \xff\n")
    with pytest.raises(TemplateError, match=r"report\.txt\.j2:2: it is not UTF-8; save it as UTF-8"):
        told(result(), "en", tmp_path)


def test_a_template_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """A folder or a link that leads nowhere is a mistake, not an absent file."""
    (tmp_path / "report.txt.j2").symlink_to(tmp_path / "gone")
    with pytest.raises(TemplateError, match=r"report\.txt\.j2: it cannot be read \(No such file"):
        told(result(), "en", tmp_path)
    (tmp_path / "report.en.txt.j2").mkdir()
    with pytest.raises(TemplateError, match=r"report\.en\.txt\.j2: it cannot be read \(Is a directory\)"):
        told(result(), "en", tmp_path)
