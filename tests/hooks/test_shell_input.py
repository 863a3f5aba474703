"""A value that comes in on standard input, or as the program of another language, is not run either."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.hooks.templates import BASH, SH, checked, refused, run

READ_AS_A_SCRIPT = {
    "sh in a pipe": "printf '%s' {{ x }} | sh",
    "source in a pipe": "printf '%s' {{ x }} | source /dev/stdin",
    ". in a pipe": "printf '%s' {{ x }} | . /dev/stdin",
    "eval in a pipe": "printf '%s' {{ x }} | eval \"$(cat)\"",
    "eval of a here-string": 'eval "$(cat)" <<< {{ x }}',
    "let in a pipe": 'printf %s {{ x }} | let "$(cat)"',
    "a shell from a variable, in a pipe": 'printf %s {{ x }} | "$SHELL"',
    "a shell from a variable, and a here-string": "$SHELL <<< {{ x }}",
    "arguments as a command": 'printf %s {{ x }} | "$@"',
    "sh behind env": "printf %s {{ x }} | env -i sh",
    "sh behind exec": "printf %s {{ x }} | exec sh",
    "sh -s behind sudo": "printf %s {{ x }} | sudo -u nobody sh -s",
    "sh in a container": "printf %s {{ x }} | docker exec -i c sh",
    "sh -c that starts another": "printf %s {{ x }} | sh -c 'sh'",
    "sh -c that evaluates": "printf %s {{ x }} | sh -c 'eval \"$(cat)\"'",
    "the device as a script": "printf %s {{ x }} | sh /dev/stdin",
    "a group and a here-string": "{ sh; } <<< {{ x }}",
    "a subshell and a here-string": "(sh) <<< {{ x }}",
    "a group and a file": "{ :; bash -s; } < {{ x }}",
    "a loop": "while sh; do break; done <<< {{ x }}",
    "a for loop": "for i in 1; do sh; done <<< {{ x }}",
    "a condition": "if sh; then :; fi <<< {{ x }}",
    "a case": "case a in a) sh ;; esac <<< {{ x }}",
    "a function and a here-string": "f() { sh; }\nf <<< {{ x }}",
    "a function in a pipe": "f() { sh; }\nprintf %s {{ x }} | f",
    "a function behind !": "function f { sh; }\n! f <<< {{ x }}",
    "a function with a redirection": "f() { sh; } <<< {{ x }}",
    "a function that calls a later one": "f() { g; }\ng() { h; }\nh() { . /dev/stdin; }\nf <<< {{ x }}",
    "a function that is called above": "while :; do f; done < {{ x }}\nf() { sh; }",
    "exec": "exec <<< {{ x }}\nsh",
    "exec in a loop": "for i in 1 2; do sh; exec < {{ x }}; done",
    "output to a process": "printf %s {{ x }} > >(sh)",
    "tee to a process": "tee >(sh) <<< {{ x }}",
    "a process that is opened before": "exec 5> >(sh)\nprintf %s {{ x }} >&5",
    "xargs env": "printf %s {{ x }} | xargs env",
    "xargs nice": "printf %s {{ x }} | xargs -n 9 nice",
    "xargs find": "printf %s {{ x }} | xargs find",
    "xargs perl": "printf %s {{ x }} | xargs perl",
    "mapfile -C": "mapfile -C eval -c 1 a <<< {{ x }}",
    "read into a variable of the shell": "read RANDOM <<< {{ x }}",
    "python3": "printf %s {{ x }} | python3",
    "python3 -": "printf %s {{ x }} | python3 -",
    "perl": "perl -w < {{ x }}",
    "awk -f": "printf %s {{ x }} | awk -f /dev/stdin",
    "ssh without a command": "printf %s {{ x }} | ssh -p 22 host",
    "at": "printf %s {{ x }} | at now",
}  # fmt: skip
# Values that would do something if one of them were run, by any of the readers that a test machine has.
SCRIPTS = ["touch CANARY\n", "import os; os.system('touch CANARY')", "system('touch CANARY')", 'BEGIN { system("touch CANARY") }', "a[$(touch CANARY)]"]  # fmt: skip
READ_AS_DATA = {
    "a while loop": 'while read -r line; do ls "$line"; bash -c \'echo "$0"\' "$line"; done < {{ x }}',
    "read": "IFS=, read -r a b <<< {{ x }}",
    "mapfile": "mapfile -t a < {{ x }}",
    "a group": "{ read -r a; read -r b; } < {{ x }}",
    "sh -c that is written out": "printf %s {{ x }} | sh -c 'cat'",
    "a script": "printf %s {{ x }} | bash -e ./other.sh",
    "a program of python": "printf %s {{ x }} | python3 -c 'import sys; print(sys.stdin.read())'",
    "a module of python": "printf %s {{ x }} | python3 -m json.tool",
    "a program of awk": "printf %s {{ x }} | awk '{ print $1 }'",
    "a command at the other end": "printf %s {{ x }} | ssh -p 22 host cat",
    "xargs": "printf '%s\\0' {{ x }} | xargs -0 ls --",
    "a function that reads no script": 'f() { cat; name=$1 sh -c \'echo "$name"\'; }\nf a <<< {{ x }}',
    "a function that reads a script elsewhere": "f() { sh; }\nf < other.sh\nls {{ x }}",
    "a process that is no shell": "ls {{ x }} > >(tee log)",
    "the name of a shell as a text": "ls {{ x }} | grep -c bash",
    "exec without a shell": "exec < {{ x }}\ncat",
}  # fmt: skip
PROGRAMS = {
    "perl -e": "perl -e {{ x }}",
    "perl -ne": "perl -ne {{ x }} file",
    "perl -e, in the same word": "perl -e{{ x }}",
    "perl -e, a second one": "perl -e 1 -e {{ x }}",
    "perl -e, then an option": "perl -e 'print @ARGV' {{ x }}",
    "perl, the script": "perl {{ x }}",
    "python3 -c": "python3 -c {{ x }}",
    "python3 -Ec": "/usr/bin/python3.11 -Ec {{ x }}",
    "python3 -m": "python3 -m {{ x }}",
    "python3, the script": "python3 {{ x }}",
    "ruby -e": "ruby -e {{ x }}",
    "node --eval": "node --eval {{ x }}",
    "node -e, then an option": "node -e 1 {{ x }}",
    "php -r": "php -r {{ x }}",
    "awk": "awk {{ x }} file",
    "awk after -v": "awk -v a={{ y }} {{ x }}",
    "awk -f": "awk -f {{ x }}",
    "awk -f, a second one": "awk -f lib.awk -f {{ x }}",
    "awk -f, then an option": "awk -f lib.awk {{ x }}",
    "lua": "lua -e 1 {{ x }}",
    "gawk --source": "gawk --source {{ x }}",
    "sed": "sed {{ x }} script.sh",
    "sed, part of the program": "sed -n s/a/{{ x }}/ script.sh",
    "sed -e": "sed -e p -e {{ x }} script.sh",
    "sed -i": "sed -i.ext s/a/{{ x }}/ script.sh",
    "sed, then an option": "sed p {{ x }} script.sh",
    "sed --expression": "sed --expression={{ x }} script.sh",
    "behind env": "env -i perl -e {{ x }}",
    "behind find": "find . -exec perl -e {{ x }} ;",
    "make": "make CC={{ x }}",
    "tmux": "tmux new-window {{ x }}",
}  # fmt: skip
VALUES_FOR_PROGRAMS = {
    "python3 -c": "python3 -c 'import sys' {{ x }}",
    "python3, a script": 'python3 "$HERE/script.py" {{ x }} -c {{ y }}',
    "python3 -W": "python3.11 -W ignore -c 'import sys' {{ x }}",
    "perl -e --": "perl -we 'print @ARGV' -- {{ x }}",
    "perl, a script": "perl script.pl {{ x }}",
    "awk -f": "awk -f lib.awk -- {{ x }}",
    "awk -v": "awk -v a={{ x }} '{ print a }' {{ y }}",
    "sed, a file": "sed -e p ./{{ x }}",
    "sed --": "sed -n p -- {{ x }}",
    "node --": "node -e 1 -- {{ x }}",
}  # fmt: skip
FIND = {
    "a starting point": "find {{ x }}",
    "an action": "find . {{ x }}",
    "after a value": "find . -name {{ x }} {{ y }}",
    "behind -exec env": "find . -exec env {{ x }} ;",
    "behind -exec of a variable": "find . -exec $SHELL -c {{ x }} ;",
    "behind a second -exec": "find . -exec ls {} ; -exec nice {{ x }} ;",
}  # fmt: skip


@pytest.mark.parametrize("body", READ_AS_A_SCRIPT.values(), ids=READ_AS_A_SCRIPT)
def test_nothing_runs_a_value_that_it_reads(body: str) -> None:
    """What could run its input is refused wherever a value may be that input, whichever stands first."""
    assert re.search(r"a value|\{\{ x \}\}", refused(body))


@pytest.mark.parametrize("body", READ_AS_DATA.values(), ids=READ_AS_DATA)
def test_a_value_may_be_read_as_data(body: str) -> None:
    """A command that does not run what it reads may read a value."""
    checked(body)


@pytest.mark.parametrize("body", [body for body in READ_AS_DATA.values() if "ssh" not in body])
def test_what_reads_a_value_as_data_does_not_run_it(body: str, tmp_path: Path) -> None:
    """What is accepted is run with values that are scripts."""
    (tmp_path / "other.sh").write_text("cat\n")
    for script in SCRIPTS:
        run(checked(body + "\n").render({"x": script}), tmp_path)
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize("body", PROGRAMS.values(), ids=PROGRAMS)
def test_no_value_is_a_program_of_another_language(body: str) -> None:
    """An interpreter gets its program from the template, and its options too."""
    assert re.search(r"program|can run it", refused(body, line=2))


@pytest.mark.parametrize("body", VALUES_FOR_PROGRAMS.values(), ids=VALUES_FOR_PROGRAMS)
def test_a_value_may_follow_a_program(body: str) -> None:
    """After a program that is written out, a value is an argument of it."""
    checked(body)


@pytest.mark.parametrize("body", FIND.values(), ids=FIND)
def test_no_value_is_an_action_of_find(body: str) -> None:
    """`find` runs commands; a value may be what a test of it looks for, or stand behind a folder."""
    refused(body, line=2)
    checked("find . -name {{ x }} -newer {{ y }} -exec ls {} ;\nfind ./{{ x }} -print\n")


@pytest.mark.parametrize(
    "body",
    ["PATH=( {{ x }} )", "PS4=$(printf %s {{ x }})", "RANDOM=( a {{ x }} )", "IFS+={{ x }}", "PATH[0]={{ x }}", "HOME={{ x }} ls", "a=1 GIT_DIR={{ x }} ls"],
)  # fmt: skip
def test_no_value_reaches_a_variable_of_the_shell_by_another_way(body: str) -> None:
    """Arrays, output of commands and additions are assignments like any other."""
    assert "is assigned to" in refused(body, line=2)


@pytest.mark.parametrize(
    "body", ["printf '%ln' {{ x }}", "shopt -so keyword\nls {{ x }}", "a=(b){{ x }}", "a=(b)c {{ x }}"]
)
def test_rare_forms_of_refused_things_are_refused(body: str) -> None:
    """Another spelling is not another rule."""
    refused(body)


@pytest.mark.parametrize("body", ["cat <<< {{ x }}", "ls {{ x }} |& cat", "select i in {{ x }}; do :; done", "case {{ x }} in a) ;& b) ;; esac", "case {{ x }} in a) ;;& b) ;; esac", "time { ls {{ x }}; }", "time a={{ x }} ls"])  # fmt: skip
def test_what_only_bash_knows_needs_bash(body: str) -> None:
    """A script that sh may run is written so that each sh reads it alike."""
    checked(body, BASH)
    refused(body, SH)


def test_time_is_a_command_like_any_other_in_sh() -> None:
    """Whether `time` is a word of the shell or a program, the command behind it is judged."""
    checked("time -p ls {{ x }}\ntime ls {{ x }}\n", SH)
    refused("time eval {{ x }}", SH)
    refused("time -p {{ x }}", SH)
