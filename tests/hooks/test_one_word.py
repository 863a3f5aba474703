"""In every place where a tag is accepted it is one word that holds exactly the value, in each shell."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kimi_hooks.errors import TemplateError
from tests.hooks.templates import BASH, SH, rendered, run

# Each call shows how many words it was given, and all of them.
COUNTING = """\
put() { printf '%s:' "$#" >> out; printf '%s\\0' "$@" >> out; }
"""
SHELLS = {"bash": ("bash", BASH), "dash": ("dash", SH), "bash called sh": ("./sh", SH)}
# What is written, and the word that the shell must see: {} stands for the value.
ANYWHERE = {
    "argument": ("put {{ x }}", "{}"),
    "between other arguments": ('put_second() { put "$2"; }; put_second a {{ x }} b', "{}"),
    "after an option": ("put --target={{ x }}", "--target={}"),
    "like an assignment": ("put a={{ x }}", "a={}"),
    "after a dash": ("put -{{ x }}", "-{}"),
    "between quotes": ("put 'a'{{ x }}\"b\"", "a{}b"),
    "between empty quotes": ("put ''{{ x }}\"\"", "{}"),
    "after a tilde": ("put ~{{ x }}", "~{}"),
    "before a tilde": ("put {{ x }}~", "{}~"),
    "after a colon and a tilde": ("put a:~{{ x }}", "a:~{}"),
    "in brackets": ("put '['{{ x }}']'", "[{}]"),
    "after half a bracket": ("put [{{ x }}", "[{}"),
    "after a quoted star": ("put '*'{{ x }}", "*{}"),
    "after a number sign": ("put a#{{ x }}", "a#{}"),
    "after an exclamation mark": ("put !{{ x }}", "!{}"),
    "after an escaped dollar": ("put \\${{ x }}", "${}"),
    "after a quoted dollar": ("put '$'{{ x }}\"$\"", "${}$"),
    "after an escaped backslash": ("put \\\\{{ x }}", "\\{}"),
    "after an escaped quote": ("put \\'{{ x }}\\\"", "'{}\""),
    "after a variable": ('v=a; put "$v"{{ x }}${v}', "a{}a"),
    "beside itself": ("put {{ x }}{{ x }}", "{}{}"),
    "over two lines": ("put \\\n  a\\\n{{ x }}", "a{}"),
    "after a comment": ("# it's \" ` $( {{ x }}\nput {{ x }} # it's", "{}"),
    "assignment": ('a={{ x }}\nput "$a"', "{}"),
    "assignment with text": ('a=b:{{ x }}c\nput "$a"', "b:{}c"),
    "assignment with a tilde": ('a=~{{ x }}\nput "$a"', "~{}"),
    "two assignments": ('a={{ x }} b={{ x }}; put "$a$b"', "{}{}"),
    "assignment before a function": ('show() { put "$a"; }; a={{ x }} show', "{}"),
    "list of for": ('for a in {{ x }}; do put "$a"; done', "{}"),
    "list of for with text": ('for a in b{{ x }}; do put "$a"; done', "b{}"),
    "word of case": ("case {{ x }} in {{ x }}) put {{ x }} ;; *) put wrong ;; esac", "{}"),
    "pattern of case": ("v={{ x }}; case $v in ({{ x }}) put {{ x }} ;; *) put wrong ;; esac", "{}"),
    "second pattern of case": ("case a{{ x }} in b|a{{ x }}) put {{ x }} ;; *) put wrong ;; esac", "{}"),
    "pattern with a star": ("case {{ x }}b in {{ x }}*) put {{ x }} ;; *) put wrong ;; esac", "{}"),
    "argument of a function": ('show() { put "$1"; }; show {{ x }}', "{}"),
    "in a function": ("show() { put {{ x }}; }; show", "{}"),
    "test": ("[ {{ x }} = {{ x }} ] && put {{ x }}", "{}"),
    "test with text": ("[ a{{ x }} = a{{ x }} ] && put {{ x }}", "{}"),
    "test of emptiness": ("[ -n a{{ x }} ] && put {{ x }}", "{}"),
    "negated test": ("! [ a{{ x }} != a{{ x }} ] && put {{ x }}", "{}"),
    "the command test": ("if test {{ x }} = {{ x }}; then put {{ x }}; fi", "{}"),
    "set": ('set -- {{ x }}\nput "$@"', "{}"),
    "in $( )": ('a=$(printf %s {{ x }}; echo x); put "$a"', "{}x"),
    "in $( ) in quotes": ('put "a$(printf %s {{ x }}; echo x)b"', "a{}xb"),
    "in $( ) in $( )": ('put "$(printf %s "$(printf %s {{ x }}; echo x)")"', "{}x"),
    "in a pipeline": ('printf %s {{ x }} | { a=$(cat; echo x); put "$a"; }', "{}x"),
    "at the end of a pipeline": (": | put {{ x }}", "{}"),
    "after &&": ("true && put {{ x }}", "{}"),
    "after ||": ("false || put {{ x }}", "{}"),
    "after ;": (":; put {{ x }}; :", "{}"),
    "after !": ("! put {{ x }} || :", "{}"),
    "in the background": ("put {{ x }} & wait", "{}"),
    "in a subshell": ("(put {{ x }})", "{}"),
    "in a group": ("{ put {{ x }}; } > /dev/null", "{}"),
    "in a condition": ("if put {{ x }}; then :; fi", "{}"),
    "in an else": ("if false; then :; else put {{ x }}; fi", "{}"),
    "in a loop": ("while put {{ x }}; do break; done", "{}"),
    "in a case": ("case a in a) put {{ x }} ;; esac", "{}"),
    "beside a here-document": ("cat <<'E' > /dev/null; put {{ x }}\nit's $(\nE", "{}"),
    "behind command": ("command printf '1:%s\\0' {{ x }} >> out", "{}"),
    "in {% if %}": ("{% if true %}put {{ x }}{% else %}put wrong{% endif %}", "{}"),
    "in {% for %}": ("put --a={% for i in [x] %}{{ i }}{% endfor %}", "--a={}"),
    "in {% set %}": ("{% set z = x %}put {{ z }}", "{}"),
    "beside {% raw %}": ("put {% raw %}'{{'{% endraw %}{{ x }}", "{{{{{}"),
    "beside a template's comment": ("put a{# it's '#}{{ x }}", "a{}"),
    "without blanks around it": ("put a  {{- x -}}  b", "a{}b"),
    "a filter": ("put {{ x|safe }}", "{}"),
    "a constant beside it": ("put {{ '$(touch CANARY)' ~ x }}", "$(touch CANARY){}"),
}  # fmt: skip
ONLY_BASH = {
    "array": ('a=( {{ x }} ); put "${a[@]}"', "{}"),
    "array, second element": ('a=( b a{{ x }} ); put "${a[1]}"', "a{}"),
    "added to an array": ('a=(); a+=( {{ x }} ); put "${a[@]}"', "{}"),
    "key of an associative array": ('declare -A m; m=(); a=( {{ x }} ); put "${a[0]}"', "{}"),
    "element": ('unset a; a[2]={{ x }}; put "${a[2]}"', "{}"),
    "appended": ('a=b; a+={{ x }}; put "$a"', "b{}"),
    "here-string": ('a=$(cat <<< {{ x }}; echo x); put "$a"', "{}\nx"),
    "in <( )": ('a=$(cat <(printf %s {{ x }}; echo x)); put "$a"', "{}x"),
    "after |&": (": |& put {{ x }}", "{}"),
    "in a clause that falls through": ("case a in a) ;& b) put {{ x }} ;;& c) put wrong ;; esac", "{}"),
    "in function": ("function show { put {{ x }}; }; show", "{}"),
    "in an arithmetic loop": ("for ((i=0; i<1; i++)); do put {{ x }}; done", "{}"),
    "after [[ ]]": ("[[ a == a ]] && put {{ x }}", "{}"),
    "after (( ))": ("(( 1 )) && put {{ x }}", "{}"),
    "after time": ("{ time put {{ x }}; } 2> /dev/null", "{}"),
    "after $'...'": ("put $'\\''{{ x }}", "'{}"),
}
HOSTILE = (
    *("", "plain", " ", "it's", "'", "''", "'\\''", '"', '""', '"\'"', "\\", "\\\\", "\\'", "\\n", "`", "``", "$", "$$", "$'", '$"'),
    *("a\nb", "\n", "\n\n", "a\n", "\r", "\r\n", "a\rb", "\t", "\ta\t", " two  words ", "\v\f", "\x01\x02\x7f", "\x1b[31m"),
    *("$(touch CANARY)", "`touch CANARY`", "$((1+1))", "${IFS}", "$HOME", "${x:=y}", "${!x}", "$@", "<(touch CANARY)"),
    *("; touch CANARY", "| touch CANARY", "& touch CANARY", "\ntouch CANARY\n", "' ; touch CANARY ; '", '" ; touch CANARY ; "'),
    *("a[$(touch CANARY)]", "a[`touch CANARY`]=1", "[0]=a", "[$(touch CANARY)]=a", "-n", "-v", "--", "--help", "-", "+x", "-e\n"),
    *("~", "~root", "~+", "a=~", ":~", "*", "?", "[a-z]", "[!a]", "[", "]", "o*", "./*", "{a,b}", "{1..3}", "{", "}", "!", "!!", "!-1"),
    *("#", "# comment", "%s%n", "%", "=", "a=b", "(", ")", "( a )", "-a", "-o", "-eq", "=~", "]]", "))", ";;", "esac", "done", "}"),
    *("_kh1", "$_kh1", "${_kh1}", '"${_kh1}"', "_kh1=a", "'\n_kh1='b", "{{ x }}", "{% if %}", "{#", "%}", "EOF\nEOF\n", "E\ntouch CANARY\n"),
    *("\u2018\u2019\u201c\u201d", "\uff07\uff02\uff40", "\uff04\uff08touch CANARY\uff09", "\uff0c\uff1b\uff5c", "\u00a0", "\u0085", "\u2028\u2029", "\u200b\ufeff", "\u202e", "\ue000\ue001"),
    *("\u0081\u0082\u0088\u009b", "é", "e\u0301", "中文", "\U0001f600\U0001f468\u200d\U0001f469", "\ufffd\uffff", "\U0010ffff"),
)  # fmt: skip
TEXTS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
        st.text("'\"\\`$(){}[]<>|&;*?~!#=%-+ \t\n\rab\x01\x81é", max_size=12),
        st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join),
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


def places(shell: str) -> dict[str, tuple[str, str]]:
    return {**ANYWHERE, **(ONLY_BASH if shell == "bash" else {})}


def seen(bodies: Sequence[str], values: Sequence[str], folder: Path, shell: str) -> list[str]:
    """Run all bodies for each value, in one script; what each call of `put` was given."""
    program, first = SHELLS[shell]
    if not (folder / "sh").exists():
        (folder / "sh").symlink_to("/bin/bash")
    (folder / "out").write_bytes(b"")
    body = COUNTING + "{% for x in items %}\n" + "\n".join(bodies) + "\n{% endfor %}\n"
    done = run(rendered(body, {"items": list(values)}, first), folder, program)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert not (folder / "CANARY").exists()
    return (folder / "out").read_bytes().decode().split("\0")[:-1]


def expected(forms: Sequence[str], values: Sequence[str]) -> list[str]:
    return [
        "1:" + form.replace("{}", value) for value in values for form in (each.replace("{{", "{") for each in forms)
    ]


def pairs() -> list[Any]:
    both = [(place, shell) for shell in SHELLS for place in places(shell)]
    return [pytest.param(shell, *places(shell)[place], id=f"{shell}, {place}") for place, shell in both]


@pytest.mark.parametrize(("shell", "body", "form"), pairs())
def test_a_hostile_value_is_one_exact_word(shell: str, body: str, form: str, tmp_path: Path) -> None:
    """In each place, each hostile text is one word, whole and unchanged."""
    assert seen([body], HOSTILE, tmp_path, shell) == expected([form], HOSTILE)


@pytest.mark.parametrize("shell", SHELLS)
@given(values=TEXTS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_is_one_exact_word(shell: str, tmp_path: Path, values: list[str]) -> None:
    """Whatever text is found, all places take it as one word, whole and unchanged."""
    bodies, forms = zip(*places(shell).values(), strict=True)
    assert seen(bodies, values, tmp_path, shell) == expected(forms, values)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_value_of_a_megabyte_is_one_exact_word(shell: str, tmp_path: Path) -> None:
    """A value may be longer than any argument of another program; the shell's own commands take it whole."""
    bodies, forms = zip(*(places(shell)[place] for place in ("argument", "assignment", "in $( )", "set")), strict=True)
    values = ["it's $(touch CANARY)\n\\\" *" * 50_000]
    assert len(values[0]) > 2**20
    assert seen(bodies, values, tmp_path, shell) == expected(forms, values)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_value_names_one_file(shell: str, tmp_path: Path) -> None:
    """The target of a redirection is one word too: written to, added to and read from."""
    names = sorted({value for value in HOSTILE if value not in ("", ".", "..") and "/" not in value})
    (tmp_path / "to").mkdir()
    seen(["put a >> to/{{ x }}; echo a > to/{{ x }}; cat < to/{{ x }} > /dev/null"], names, tmp_path, shell)
    assert sorted(os.listdir(tmp_path / "to")) == names


@pytest.mark.parametrize("shell", SHELLS)
def test_a_value_is_the_last_here_document_of_nobody(shell: str, tmp_path: Path) -> None:
    """A value that looks like the end of a here-document, or like a comment, ends nothing."""
    bodies = ["cat > /dev/null <<E\na\nE", "put {{ x }}", "# {{ x }}", "put {{ x }}"]
    values = ["E", "E\n", "\nE\ntouch CANARY\n"]
    assert seen(bodies, values, tmp_path, shell) == expected(["{}", "{}"], values)


@pytest.mark.parametrize("value", ["\0", "a\0b", "\ud800", "a\udfffb"])
def test_what_no_shell_can_hold_is_refused_in_each_place(value: str) -> None:
    """A NUL or half a character fails the run: leaving it out would change the value."""
    for body, _ in places("bash").values():
        with pytest.raises(TemplateError, match=r"f\.sh\.j2:\d+: .*the value holds .*KIMI_RESULT_FILE"):
            rendered(body, {"x": value})


def test_a_value_that_is_not_used_may_hold_anything() -> None:
    """Only what a tag shows must be text for a shell."""
    script = rendered("put {{ x }}\n", {"x": "a", "y": "\0\ud800"})
    assert script.endswith('put "${_kh1}"\n')
