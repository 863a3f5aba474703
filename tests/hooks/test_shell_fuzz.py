"""Scripts put together from fragments: whatever the loader accepts evaluates no value."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks.template import ScriptTemplate
from tests.hooks.templates import BASH, SH, checked, run

VALUES = [
    "$(touch CANARY)",
    "`touch CANARY`",
    "a[$(touch CANARY)]",
    "x[$(touch CANARY)]=1",
    "-v",
    "-c",
    "touch CANARY",
    "';touch CANARY;'",
    "0",
    "-eq",
]
WORDS = [
    "{{ x }}",
    "{{ y }}",
    "a={{ x }}",
    "[{{ x }}]=1",
    "--a={{ x }}",
    "'{{ x }}'",
    '"{{ x }}"',
    '"$(printf %s {{ x }})"',
    "$(printf %s {{ x }})",
    "`printf %s {{ x }}`",
    "<(printf %s {{ x }})",
    "$(( {{ x }} ))",
    "${a:-{{ x }}}",
    "a[{{ x }}]",
    "{a,{{ x }}}",
    "-v",
    "-c",
    "-R",
    "-x",
    "--",
    "-",
    "%s",
    "'%s %d'",
    "a",
    "'a b'",
    "]",
    "!",
    "=",
    "-eq",
    "-n",
    "-a",
    "$HOME",
    '"$a"',
    "touch",
    "sh",
    "eval",
    "1",
]
BEFORE = [
    "",
    "",
    "",
    "! ",
    "time ",
    "command ",
    "builtin ",
    "exec ",
    "env ",
    "env A={{ x }} ",
    "a={{ x }} ",
    "a[0]={{ x }} ",
    "nice ",
    "timeout 5 ",
    "\\",
    "> out ",
    "if ",
    "{ ",
    "( ",
    "a=$(",
]
COMMANDS = [
    "printf",
    "test",
    "[",
    "[[",
    "eval",
    ".",
    "source",
    "let",
    "declare",
    "local",
    "export",
    "read",
    "unset",
    "mapfile",
    "trap",
    "set",
    "echo",
    "cat",
    "true",
    "sh",
    "bash",
    "env",
    ":",
    "wait",
    "getopts",
    "shift",
    "cd",
]
AFTER = [
    "",
    "",
    "",
    " <<< {{ x }}",
    " > out",
    " 2>&1",
    " >& {{ x }}",
    " | cat",
    " | sh",
    " | xargs",
    "; }",
    " )",
    "; then :; fi",
    " ]",
    " ]]",
    ")",
    " <<E\n{{ x }}\nE\n",
    " # {{ x }}",
    " &> {{ y }}",
]
BLOCKS = [
    "%s",
    "%s",
    "%s",
    "{%% if x %%}\n%s\n{%% endif %%}",
    "{%% for i in [x, y] %%}\n%s\n{%% endfor %%}",
    "{%% if x %%}%s{%% endif %%}",
    "{%% if x %%}%s {%% endif %%}{{ x }}",
    "f() { %s\n}\nf {{ x }}",
]

commands = st.builds(
    lambda before, name, words, after: f"{before}{name} {' '.join(words)}{after}",
    st.sampled_from(BEFORE),
    st.sampled_from(COMMANDS),
    st.lists(st.sampled_from(WORDS), max_size=4),
    st.sampled_from(AFTER),
)
scripts = st.builds(lambda block, command: block % command, st.sampled_from(BLOCKS), commands)


def accepted(body: str, first: str) -> ScriptTemplate | None:
    try:
        return checked(body, first)
    except TemplateError:
        return None


@given(body=scripts, shell=st.sampled_from([("bash", BASH), ("bash", SH), ("dash", SH)]), data=st.data())
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow],
)
def test_an_accepted_script_evaluates_no_value(
    tmp_path: Path, body: str, shell: tuple[str, str], data: st.DataObject
) -> None:
    """Whatever is put together from these fragments and accepted runs no value."""
    template = accepted(body, shell[1])
    assume(template is not None and "{{" in body)
    assert template is not None
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(VALUES), st.sampled_from(VALUES)), min_size=3, max_size=3))
    # Each in a subshell, so that one that ends the script does not keep the next from being tried.
    lines = ["shopt -s nullglob 2>/dev/null"]
    for number, (x, y) in enumerate(pairs):
        (tmp_path / f"{number}.sh").write_text(template.render({"x": x, "y": y}))
        lines.append(f"{shell[0]} ./{number}.sh")
    run("\n".join(lines), tmp_path)
    assert not (tmp_path / "CANARY").exists(), (body, pairs)
