"""What a rendered script holds and does, and which templates cannot be loaded at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks.template import load
from tests.hooks.templates import BASH, NAMES, PATH, checked, refused, rendered


def test_the_value_stands_only_in_the_preamble_under_the_shebang() -> None:
    """The rule itself: references in the script, values in single quotes above it."""
    script = rendered("echo {{ x }} a{{ y }}\n", {"x": "it's", "y": "b"})
    assert script == BASH + "_kh1='it'\\''s'\n_kh2='b'\n" + 'echo "${_kh1}" a"${_kh2}"\n'


def test_without_a_shebang_the_preamble_is_at_the_top_and_the_shell_is_sh() -> None:
    """A script without a first line of its own is one for sh."""
    template = checked("echo {{ x }}", first="")
    assert template.interpreter == ("/bin/sh",)
    assert template.render({"x": "a"}) == "_kh1='a'\necho \"${_kh1}\""


def test_each_turn_of_a_loop_has_its_own_reference() -> None:
    """Values of different turns do not meet."""
    script = rendered("{% for i in items %}\necho {{ i }}\n{% endfor %}", {"items": ["a", "b"]})
    assert 'echo "${_kh1}"' in script
    assert 'echo "${_kh2}"' in script


@pytest.mark.parametrize(
    "expression", ["'$(ls)'", "'a' ~ 'b'", "x|safe", "x|e|safe", "('a'|upper)|forceescape", "1 + 1", "x|string"]
)
def test_no_filter_and_no_constant_becomes_script_text(expression: str) -> None:
    """No expression leads around the rule."""
    script = rendered(f"echo {{{{ {expression} }}}}\n", {"x": "$(ls)"})
    assert script.endswith('\necho "${_kh1}"\n')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (0.5, "0.5"),
        ("é", "é"),
        ({"a": ["é", None]}, '{"a":["é",null]}'),
        ([1, "b"], '[1,"b"]'),
        ((), "[]"),
    ],
)
def test_a_value_has_one_text(value: Any, text: str) -> None:
    """Each kind of value has one documented text."""
    assert f"_kh1='{text}'\n" in rendered("echo {{ x }}\n", {"x": value})


@pytest.mark.parametrize("value", ["a\0b", "\ud800", {"a": "\udfff"}])
def test_a_value_that_no_shell_can_hold_is_refused(value: Any) -> None:
    """The refusal names the tag, its line and where else to read the value."""
    with pytest.raises(TemplateError, match=r"f\.sh\.j2:3: in \{\{ x \}\}: the value holds .*; .*KIMI_RESULT_FILE"):
        rendered("\necho {{ x }}\n", {"x": value})


def test_a_value_without_a_text_is_refused() -> None:
    """A half-finished expression is told with the filter that it lacks."""
    with pytest.raises(
        TemplateError, match=r"f\.sh\.j2:2: in \{\{ items\|map\('upper'\) \}\}: a generator has no text; .*\|list"
    ):
        rendered("echo {{ items|map('upper') }}\n", {"items": ["a"]})


def test_json_escapes_a_nul_inside_a_list() -> None:
    """Inside a list a NUL has a text, so it may stand there."""
    assert json.dumps(["\0"]) in rendered("echo {{ x }}\n", {"x": ["\0"]})


@pytest.mark.parametrize("body", ["ls\nls {{ metadata.foo }}\n", "ls\n{% if metadata.foo %}\nls\n{% endif %}\n"])
def test_a_missing_key_is_an_error_when_it_is_rendered(body: str) -> None:
    """A missing key fails the run, in a tag and in a condition."""
    template = checked(body)
    with pytest.raises(TemplateError, match=r"f\.sh\.j2:3: (in .*: )?'dict object' has no attribute 'foo'; .*default"):
        template.render({"metadata": {}})


def test_a_missing_key_may_have_a_default() -> None:
    """The remedy that the message offers works."""
    assert "_kh1='a'" in rendered("echo {{ metadata.foo|default('a') }}", {"metadata": {}})


@pytest.mark.parametrize("expression", ["1 / 0", "x + 1", "x|round", "metadata.a.b.c", "x.__class__"])
def test_a_failing_expression_is_told_with_its_place(expression: str) -> None:
    """Whatever goes wrong inside an expression is told with its line."""
    with pytest.raises(TemplateError, match=r"f\.sh\.j2:2: in .*; "):
        rendered(f"echo {{{{ {expression} }}}}\n", {"x": "a", "metadata": {}})


def test_an_unknown_name_is_refused_with_the_nearest_known() -> None:
    """A slip of the pen is told when the template is loaded."""
    message = refused("ls\nls {{ task_nam }}\n", line=3)
    assert "task_nam is unknown" in message
    assert "task_name" in message


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("task_nam", "did you mean 'task_name'?"),
        ("zebra", "known names: docs/hooks.md#what-a-hook-is-given"),
        ("tokens", "write usage"),
        ("outcome", "write status"),
        ("env", 'write "$NAME", and list NAME under the handler\'s env'),
        ("env.MY_TOKEN", 'write "$MY_TOKEN", and list MY_TOKEN under the handler\'s env'),
        (
            "OPENCLAW_HOOKS_TOKEN",
            'write "$OPENCLAW_HOOKS_TOKEN", and list OPENCLAW_HOOKS_TOKEN under the handler\'s env',
        ),
    ],
)
def test_an_unknown_name_has_a_remedy_that_fits(name: str, remedy: str) -> None:
    """The nearest known name only when it is near; what is called otherwise, or stands elsewhere, is told."""
    with pytest.raises(TemplateError) as caught:
        checked(f"ls {{{{ {name} }}}}\n")
    assert str(caught.value) == f"{PATH}:2: the name {name.partition('.')[0]} is unknown; {remedy}"


def test_names_that_the_template_sets_are_known() -> None:
    """Names of `set`, of a loop and of Jinja itself need not be fields."""
    checked("{% set a = 1 %}{% for b in range(3) %}\nls {{ a }} {{ b }} {{ loop.index }}\n{% endfor %}")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("ls\nls {{ x", 3),
        ("ls {% if %}", 2),
        ("ls {{ x|nosuch }}", 2),
        ("ls {{ x }}\n{% endif %}", 3),
        ("{% do x %}", 2),
        ("{% trans %}", 2),
    ],
)
def test_what_jinja_cannot_read_is_told_with_its_place(body: str, line: int) -> None:
    """A mistake in a tag is told with its line and a remedy."""
    refused(body, line=line)


@pytest.mark.parametrize(
    "body",
    [
        "{% for i in items %}" * 21 + "ls {{ x }}" + "{% endfor %}" * 21,
        "{% if x %}" * 101 + "ls {{ x }}" + "{% endif %}" * 101,
        "ls {{ " + "(" * 2000 + "x" + ")" * 2000 + " }}",
        "ls {{ " + "[" * 2000 + "x" + "]" * 2000 + " }}",
        "ls {{ " + "not " * 5000 + "x }}",
        "(ls;" * 2000 + "ls {{ x }}" + ")" * 2000,
        "a=" + "$(ls;" * 2000 + "ls {{ x }}" + ")" * 2000,
        "if true; then " * 2000 + "ls {{ x }};" + "fi;" * 2000,
    ],
    ids=["loops", "conditions", "parentheses", "lists", "operators", "groups", "$( )", "if"],
)
def test_what_is_nested_too_deep_is_refused(body: str) -> None:
    """No template, however deep, ends the check with anything but a refusal."""
    assert "too deep" in refused(body, line=1)


def test_a_value_that_is_nested_too_deep_fails_the_run() -> None:
    """A deep mapping is a value like any other: it fails its run, and says which tag it was."""
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(
        TemplateError, match=r"f\.sh\.j2:2: in \{\{ x \}\}: the value is nested too deep .*; name the part"
    ):
        rendered("ls {{ x }}\n", {"x": deep})


@pytest.mark.parametrize("expression", ["metadata.copy", "x.upper", "metadata.items", "range"])
def test_a_function_is_no_value(expression: str) -> None:
    """A key that is named like a function of the mapping is reached in brackets, and the message says so."""
    with pytest.raises(TemplateError, match=r"f\.sh\.j2:2: in .*: a function has no text; .*metadata\['NAME'\]"):
        rendered(f"ls {{{{ {expression} }}}}\n", {"x": "a", "metadata": {"copy": "b", "items": "c"}})
    script = rendered("ls {{ metadata['copy'] }}\n", {"metadata": {"copy": "b"}})
    assert "_kh1='b'\n" in script


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_of_any_kind_become_those_of_the_shell(end: str) -> None:
    """A template that was saved elsewhere runs here, and a carriage return hides nothing."""
    script = rendered(end.join(["{% if x %}", "ls {{ x }}", "{% endif %}", "ls", ""]), {"x": "a\r\nb"})
    assert script == BASH + "_kh1='a\r\nb'\n" + '\nls "${_kh1}"\n\nls\n'
    refused(end.join(["ls '", "{{ x }}'"]), line=3)


@pytest.mark.parametrize("char", ["\u0085", "\u00a0", "\u2028", "\u2029", "\u3000", "\v", "\f", "\x1c"])
def test_what_looks_like_a_blank_or_a_line_end_is_neither(char: str) -> None:
    """Only what a shell takes for a blank or for the end of a line is taken for one here."""
    refused(f"ls '{char}{{{{ x }}}}'")
    refused(f"# it's{char}'ls'\nls '{{{{ x }}}}'")
    refused(f"ls{char}{{{{ x }}}}", line=2)
    checked(f"# it's{char}'\nls {{{{ x }}}}")


@pytest.mark.parametrize("body", ["ls\necho ${#a}\n", "ls\necho ${#a} #}", "ls\necho ${#a[@]} # {# a #}"])
def test_a_length_in_braces_is_no_comment(body: str) -> None:
    """A `${#a}` is not swallowed together with what follows it."""
    message = refused(body)
    assert "{% raw %}" in message


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("{% include 'x' %}", "include"),
        ("{% import 'x' as a %}", "import"),
        ("{% from 'x' import a %}", "from"),
        ("{% extends 'x' %}", "extends"),
        ("{% block a %}{% endblock %}", "block"),
        ("{% macro a() %}{% endmacro %}", "macro"),
        ("{% call x() %}{% endcall %}", "call"),
        ("{% filter upper %}ls{% endfilter %}", "filter"),
        ("{% set a %}ls{% endset %}", "set ... endset"),
        ("{% with a = 1 %}{% endwith %}", "with"),
        ("{% autoescape true %}{% endautoescape %}", "autoescape"),
        ("{% for i in items recursive %}\n{% endfor %}", "recursive"),
    ],
)
def test_other_blocks_are_refused_by_name(body: str, name: str) -> None:
    """Blocks that could bring in text of their own are refused."""
    assert name in refused("ls\n" + body, line=3)


@pytest.mark.parametrize(
    ("first", "interpreter"),
    [
        ("#!/bin/sh", ("/bin/sh",)),
        ("#! /usr/bin/dash -eu", ("/usr/bin/dash", "-eu")),
        ("#!/bin/bash", ("/bin/bash",)),
        ("#!/usr/bin/env bash", ("/usr/bin/env", "bash")),
        ("#!/usr/bin/env -S bash -euo pipefail", ("/usr/bin/env", "bash", "-euo", "pipefail")),
        ("#!/usr/bin/env dash\r", ("/usr/bin/env", "dash")),
    ],
)
def test_the_interpreter_is_read_from_the_first_line(first: str, interpreter: tuple[str, ...]) -> None:
    """The first line is read as the kernel reads it."""
    assert checked("\necho {{ x }}\n", first).interpreter == interpreter


@pytest.mark.parametrize(
    "first",
    [
        "#!/usr/bin/env python3",
        "#!/bin/zsh",
        "#!/usr/bin/bash2",
        "#!/usr/bin/env bash -e",
        "#!/usr/bin/env -S A=1 bash",
        "#!/usr/bin/env -S bash -c",
        "#!/bin/bash -i",
        "#!/bin/bash -O extglob",
        "#!bash",
        "#!",
        "#!/bin/{{ x }}",
        "#!/bin/sh {{ x }}",
        "{% if flag %}#!/bin/sh{% endif %}",
        "#!/bin/sh{% if flag %} -e{% endif %}",
        "\ufeff#!/bin/sh",
    ],
)
def test_any_other_first_line_is_refused(first: str) -> None:
    """A shell whose grammar is not known cannot be checked for."""
    refused("\necho\n", first, line=1)


@pytest.mark.parametrize("body", ["_kh1=a", "echo $_kh2 {{ x }}", "_kh{# a #}1=a", "_kh{% if flag %}1{% endif %}=a"])
def test_the_names_of_references_are_reserved(body: str) -> None:
    """A template cannot set what a tag refers to."""
    refused(body, line=2)


@pytest.mark.parametrize("char", ["\0", "\ue000", "\ue001", "\ue002", "\ue003"])
def test_characters_that_would_confuse_the_scanner_are_refused(char: str) -> None:
    """The scanner's own marks cannot be written into a template."""
    refused(f"ls\nls {char}", line=3)


def test_a_template_is_read_from_a_file(tmp_path: Path) -> None:
    """The file is UTF-8, with line ends of any kind."""
    file = tmp_path / "a.sh.j2"
    file.write_text("echo {{ x }}\r\n", newline="")
    assert load(file, NAMES).render({"x": "é"}) == "_kh1='é'\necho \"${_kh1}\"\n"


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    """The line is told only where there is one."""
    with pytest.raises(TemplateError, match=r"a\.sh\.j2: it cannot be read \(No such file or directory\); mend "):
        load(tmp_path / "a.sh.j2", NAMES)
    (tmp_path / "a.sh.j2").write_bytes(b"ls\n\xff")
    with pytest.raises(TemplateError, match=r"a\.sh\.j2:2: it is not UTF-8; "):
        load(tmp_path / "a.sh.j2", NAMES)


def test_a_template_is_a_value() -> None:
    """Two loads of one text are equal."""
    template = checked("ls {{ x }}")
    assert template.path == PATH
    assert template == checked("ls {{ x }}")
