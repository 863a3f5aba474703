"""What a rendered script holds and does, and which templates cannot be loaded at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks.template import load
from tests.hooks.templates import BASH, NAMES, PATH, SH, checked, refused, rendered, run

HOSTILE = [
    "",
    "plain",
    "it's",
    "'",
    "''",
    "'\\''",
    '"',
    "\\",
    "\\'",
    "a\nb",
    "\n",
    "trailing\n\n",
    "\ttab\t",
    "\r\n",
    " two  words ",
    "$(touch CANARY)",
    "`touch CANARY`",
    "; touch CANARY",
    "| touch CANARY",
    "\ntouch CANARY\n",
    "' ; touch CANARY ; '",
    "a[$(touch CANARY)]",
    "-n",
    "--help",
    "-v",
    "~",
    "~root",
    "*",
    "?",
    "[a-z]",
    "{a,b}",
    "{1..3}",
    "$HOME",
    "${IFS}",
    "$((1+1))",
    "!",
    "!!",
    "#",
    "# comment",
    "%s%n",
    "=",
    "a=b",
    '"${_kh1}"',
    "{{ x }}",
    "{% if %}",
    "EOF\nEOF",
    "emoji \U0001f600 \U0001f468\u200d\U0001f469",
    "中文引号“”",
    "\x01\x7f\x80\x81\x88\x9b",
    "\u0081\u0082\u2028\ufeff",
    "\ue000\ue001",
    "\x1b[31m",
]
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
# Each value comes with the number of words that it was, so that splitting and globbing show.
COUNTING = 'put() { printf "%s:%s\\0" "$#" "$1" >> out; }\n'
SHELLS = [("bash", BASH), ("dash", SH)]
PLACES = {
    "argument": "put {{ i }}\n",
    "assignment": 'a={{ i }}\nput "$a"\n',
    "prefix assignment": 'a={{ i }} sh -c \'printf "1:%s\\0" "$a" >> out\'\n',
    "loop": 'for a in {{ i }}; do put "$a"; done\n',
    "case": "case {{ i }} in {{ i }}) put {{ i }} ;; esac\n",
    "test": "[ {{ i }} = {{ i }} ] && put {{ i }}\n",
    "set": 'set -- {{ i }}\nput "$@"\n',
    "after a separator": "true && { put {{ i }}; } # {{ i }}\n",
}


def shown(values: list[str]) -> bytes:
    return "".join(f"1:{value}\0" for value in values).encode()


def output(body: str, values: list[str], folder: Path, shell: tuple[str, str]) -> bytes:
    """Run the body once for each value, in one script."""
    script = rendered(COUNTING + "{% for i in items %}\n" + body + "{% endfor %}\n", {"items": values}, shell[1])
    (folder / "out").unlink(missing_ok=True)
    done = run(script, folder, shell[0])
    assert done.stderr == b""
    assert not (folder / "CANARY").exists()
    return (folder / "out").read_bytes()


@pytest.mark.parametrize("shell", SHELLS, ids=["bash", "dash"])
@pytest.mark.parametrize("body", PLACES.values(), ids=PLACES)
def test_every_value_arrives_as_one_word_byte_for_byte(body: str, shell: tuple[str, str], tmp_path: Path) -> None:
    assert output(body, HOSTILE, tmp_path, shell) == shown(HOSTILE)


@pytest.mark.parametrize("shell", SHELLS, ids=["bash", "dash"])
def test_a_long_value_arrives_whole(shell: tuple[str, str], tmp_path: Path) -> None:
    values = ["x'\n\"$(" * 40_000]
    assert output("put {{ i }}\n", values, tmp_path, shell) == shown(values)


@given(st.lists(TEXTS, min_size=1, max_size=60))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_arrives_as_one_word(tmp_path: Path, values: list[str]) -> None:
    for shell in SHELLS:
        assert output("put {{ i }}\n", values, tmp_path, shell) == shown(values)


def test_arrays_and_here_strings_take_values_in_bash(tmp_path: Path) -> None:
    body = 'a=( {{ i }} )\nput "${a[@]}"\nread -r -d "" a <<< {{ i }}\n'
    body += 'put "$(cat <(printf %s {{ i }}; echo x))"\n'
    values = [text for text in HOSTILE if text != ""]
    expected = "".join(f"1:{value}\0001:{value}x\0" for value in values).encode()
    assert output(body, values, tmp_path, SHELLS[0]) == expected


def test_a_tag_touching_text_is_one_word(tmp_path: Path) -> None:
    values = ["a b", "*", "$(touch CANARY)"]
    assert output("put --target={{ i }}'!'\n", values, tmp_path, SHELLS[0]) == shown([f"--target={v}!" for v in values])


def test_the_value_stands_only_in_the_preamble_under_the_shebang() -> None:
    script = rendered("echo {{ x }} a{{ y }}\n", {"x": "it's", "y": "b"})
    assert script == BASH + "_kh1='it'\\''s'\n_kh2='b'\n" + 'echo "${_kh1}" a"${_kh2}"\n'


def test_without_a_shebang_the_preamble_is_at_the_top_and_the_shell_is_sh() -> None:
    template = checked("echo {{ x }}", first="")
    assert template.interpreter == ("/bin/sh",)
    assert template.render({"x": "a"}) == "_kh1='a'\necho \"${_kh1}\""


def test_each_turn_of_a_loop_has_its_own_reference() -> None:
    script = rendered("{% for i in items %}\necho {{ i }}\n{% endfor %}", {"items": ["a", "b"]})
    assert 'echo "${_kh1}"' in script
    assert 'echo "${_kh2}"' in script


@pytest.mark.parametrize(
    "expression", ["'$(ls)'", "'a' ~ 'b'", "x|safe", "x|e|safe", "('a'|upper)|forceescape", "1 + 1", "x|string"]
)
def test_no_filter_and_no_constant_becomes_script_text(expression: str) -> None:
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
    assert f"_kh1='{text}'\n" in rendered("echo {{ x }}\n", {"x": value})


@pytest.mark.parametrize("value", ["a\0b", "\ud800", {"a": "\udfff"}])
def test_a_value_that_no_shell_can_hold_is_refused(value: Any) -> None:
    with pytest.raises(TemplateError, match=r"f\.sh\.j2:3: in \{\{ x \}\}: the value holds .*; .*KIMI_RESULT_FILE"):
        rendered("\necho {{ x }}\n", {"x": value})


def test_a_value_without_a_text_is_refused() -> None:
    with pytest.raises(
        TemplateError, match=r"f\.sh\.j2:2: in \{\{ items\|map\('upper'\) \}\}: a generator has no text; .*\|list"
    ):
        rendered("echo {{ items|map('upper') }}\n", {"items": ["a"]})


def test_json_escapes_a_nul_inside_a_list() -> None:
    assert json.dumps(["\0"]) in rendered("echo {{ x }}\n", {"x": ["\0"]})


@pytest.mark.parametrize("body", ["ls\nls {{ metadata.foo }}\n", "ls\n{% if metadata.foo %}\nls\n{% endif %}\n"])
def test_a_missing_key_is_an_error_when_it_is_rendered(body: str) -> None:
    template = checked(body)
    with pytest.raises(TemplateError, match=r"f\.sh\.j2:3: (in .*: )?'dict object' has no attribute 'foo'; .*default"):
        template.render({"metadata": {}})


def test_a_missing_key_may_have_a_default() -> None:
    assert "_kh1='a'" in rendered("echo {{ metadata.foo|default('a') }}", {"metadata": {}})


@pytest.mark.parametrize("expression", ["1 / 0", "x + 1", "x|round", "metadata.a.b.c", "x.__class__"])
def test_a_failing_expression_is_told_with_its_place(expression: str) -> None:
    with pytest.raises(TemplateError, match=r"f\.sh\.j2:2: in .*; "):
        rendered(f"echo {{{{ {expression} }}}}\n", {"x": "a", "metadata": {}})


def test_an_unknown_name_is_refused_with_the_nearest_known() -> None:
    message = refused("ls\nls {{ task_nam }}\n", line=3)
    assert "task_nam is unknown" in message
    assert "task_name" in message


def test_names_that_the_template_sets_are_known() -> None:
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
    refused(body, line=line)


@pytest.mark.parametrize("body", ["ls\necho ${#a}\n", "ls\necho ${#a} #}", "ls\necho ${#a[@]} # {# a #}"])
def test_a_length_in_braces_is_no_comment(body: str) -> None:
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
    refused("\necho\n", first, line=1)


@pytest.mark.parametrize("body", ["_kh1=a", "echo $_kh2 {{ x }}", "_kh{# a #}1=a", "_kh{% if flag %}1{% endif %}=a"])
def test_the_names_of_references_are_reserved(body: str) -> None:
    refused(body, line=2)


@pytest.mark.parametrize("char", ["\0", "\ue000", "\ue001", "\ue002", "\ue003"])
def test_characters_that_would_confuse_the_scanner_are_refused(char: str) -> None:
    refused(f"ls\nls {char}", line=3)


def test_a_template_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.sh.j2"
    file.write_text("echo {{ x }}\r\n", newline="")
    assert load(file, NAMES).render({"x": "é"}) == "_kh1='é'\necho \"${_kh1}\"\n"


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"a\.sh\.j2:1: .*; "):
        load(tmp_path / "a.sh.j2", NAMES)
    (tmp_path / "a.sh.j2").write_bytes(b"ls\n\xff")
    with pytest.raises(TemplateError, match=r"a\.sh\.j2:2: it is not UTF-8; "):
        load(tmp_path / "a.sh.j2", NAMES)


def test_a_template_is_a_value() -> None:
    template = checked("ls {{ x }}")
    assert template.path == PATH
    assert template == checked("ls {{ x }}")
