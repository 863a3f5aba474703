"""Where a tag or a block may stand in a script, and where it is refused when the template is loaded."""

from __future__ import annotations

import pytest

from tests.hooks.templates import BASH, SH, checked, refused

INSIDE = {
    "single quotes": "echo 'a {{ x }}'",
    "double quotes": 'echo "a {{ x }}"',
    "dollar single quotes": "echo $'{{ x }}'",
    "dollar double quotes": 'echo $"{{ x }}"',
    "backticks": "echo `ls {{ x }}`",
    "backticks in double quotes": 'echo "`ls {{ x }}`"',
    "double quotes in $( )": 'echo $(ls "{{ x }}")',
    "parameter expansion": "echo ${a:-{{ x }}}",
    "$( ) in a parameter expansion": "echo ${a:-$(ls {{ x }})}",
    "arithmetic expansion": "echo $(( {{ x }} + 1 ))",
    "$( ) in an arithmetic expansion": "echo $(( $(ls {{ x }}) ))",
    "arithmetic command": "(( {{ x }} > 1 ))",
    "arithmetic for": "for ((i=0; i<{{ x }}; i++)); do :; done",
    "old arithmetic": "echo $[ {{ x }} ]",
    "condition": "[[ {{ x }} == y ]]",
    "$( ) in a condition": "[[ $(ls {{ x }}) -eq 1 ]]",
    "subscript": "a[{{ x }}]=1",
    "$( ) in a subscript": "a[$(ls {{ x }})]=1",
    "array element with a subscript": "a=( [{{ x }}]=1 )",
    "delimiter of a here-document": "cat <<{{ x }}",
    "part of a delimiter": "cat <<E{{ x }}",
    "after a backslash": "echo \\{{ x }}",
    "after a dollar": "echo ${{ x }}",
    "after a dollar in a word": "echo a${{ x }}",
}
COMMAND_POSITION = {
    "first word": "{{ x }}",
    "after ;": "true; {{ x }}",
    "after &&": "true && {{ x }}",
    "after ||": "true ||\n  {{ x }}",
    "after |": "true | {{ x }}",
    "after &": "true & {{ x }}",
    "after (": "({{ x }})",
    "in $( )": "echo $({{ x }})",
    "in <( )": "cat <({{ x }})",
    "after {": "{ {{ x }}; }",
    "after then": "if true; then {{ x }}; fi",
    "after else": "if true; then :; else {{ x }}; fi",
    "after if": "if {{ x }}; then :; fi",
    "after elif": "if true; then :; elif {{ x }}; then :; fi",
    "after while": "while {{ x }}; do :; done",
    "after do": "while true; do {{ x }}; done",
    "after !": "! {{ x }}",
    "after time": "time {{ x }}",
    "after time -p": "time -p {{ x }}",
    "in a clause of case": "case a in b) {{ x }};; esac",
    "in a function": "f() { {{ x }}; }",
    "after an assignment": "a=1 {{ x }}",
    "after a redirection": "> file {{ x }}",
    "part of the command's name": "./run-{{ x }}",
    "a variable's name": "{{ x }}=1",
    "output as a command": "$(ls {{ x }}) a",
    "quoted output as a command": '"$(ls {{ x }})"',
    "loop variable": "for {{ x }} in a; do :; done",
    "select variable": "select {{ x }} in a; do :; done",
    "function name": "function {{ x }} { :; }",
    "run by exec": "exec {{ x }}",
    "run by env": "env A=1 {{ x }}",
    "run by command": "command {{ x }}",
    "run by builtin": "builtin {{ x }} a",
    "run by nohup": "nohup {{ x }}",
    "run by timeout": "timeout 5 {{ x }}",
    "run by xargs": "ls | xargs -n 1 {{ x }}",
    "run by sudo": "sudo -u nobody {{ x }}",
    "run by find": "find . -exec {{ x }} \\;",
    "maybe an option of nice": "nice {{ x }} ls",
    "maybe an option of timeout": "timeout {{ x }} ls",
}
EVALUATING = (
    "eval trap . source let declare typeset local export readonly read unset alias mapfile readarray compgen complete bind "
    "getopts unalias wait jobs fc history enable hash shopt compopt"
)
EVALUATED = {
    "eval, escaped": "\\eval {{ x }}",
    "eval, quoted": '"eval" {{ x }}',
    "eval, half quoted": "e''val {{ x }}",
    "eval, over two lines": "ev\\\nal {{ x }}",
    "eval, in braces": "{eval,} {{ x }}",
    "eval in $( )": "a=$(eval {{ x }})",
    "eval behind command": "command eval {{ x }}",
    "eval behind builtin": "builtin eval {{ x }}",
    "eval behind time and !": "time ! eval {{ x }}",
    "eval behind command -p --": "command -p -- eval {{ x }}",
    "eval of output": 'eval "$(ls {{ x }})"',
    "eval, second argument": "eval a {{ x }}",
    "eval, part of a word": "eval a={{ x }}",
    "local array": "f() { local a=( {{ x }} ); }",
    "export of output": "export a=$(ls {{ x }})",
    "source of a process": "source <(echo {{ x }})",
    "source of a here-string": "source /dev/stdin <<< {{ x }}",
    "source of a file": ". /dev/stdin < {{ x }}",
    "printf -v": "printf -v a %s {{ x }}",
    "printf without a format": "printf {{ x }}",
    "printf with a format in a variable": 'printf "$f" {{ x }}',
    "printf %n": "printf '%n' {{ x }}",
    "printf format that begins with a tag": "printf {{ x }}%s a",
    "test -v": "test -v {{ x }}",
    "[ -v": "[ -v {{ x }} ]",
    "[ -R": "[ -R {{ x }} ]",
    "[ with two tags": "[ {{ x }} {{ y }} ]",
    "[ with three tags": "[ {{ x }} {{ y }} a ]",
    "[ -a": "[ -n {{ x }} -a -n a ]",
    "[ with an unquoted variable": "[ $a = {{ x }} ]",
    "[ with unquoted output": "[ $(ls {{ x }}) = a ]",
    '[ with "$@"': '[ "$@" = {{ x }} ]',
    "[ without ]": "[ -n {{ x }}",
    "sh -c": "sh -c {{ x }}",
    "bash -ec": "/bin/bash -ec {{ x }}",
    "an argument of sh -c": "sh -c 'echo $1' _ {{ x }}",
    "the script of sh": "sh {{ x }}",
    "an option of sh": "bash {{ x }} {{ y }}",
    "an option of sh after -x": "bash -x {{ x }} {{ y }}",
    "bash -o takes the script's place": "bash -o pipefail {{ x }}",
    "env sh -c": "env sh -c {{ x }}",
    "xargs sh -c": "ls | xargs sh -c {{ x }}",
    "find sh -c": "find . -exec sh -c {{ x }} \\;",
    "sh reads a here-string": "bash <<< {{ x }}",
    "sh reads a file": "sh < {{ x }}",
    "sh reads a pipe": "printf '%s' {{ x }} | sh",
    "sh reads a pipe behind cat": "printf '%s' {{ x }} | cat | sh",
    "sh reads a pipe in a group": "printf '%s' {{ x }} | { sh; }",
    "ssh": "ssh host {{ x }}",
    "su -c": "su -c {{ x }}",
    "set": "set {{ x }}",
    "command in a variable": "$run {{ x }}",
    "duplicated output": "echo a >& {{ x }}",
    "duplicated input": "cat <&{{ x }}",
    "integer variable": "declare -i n\nn={{ x }}",
    "integer variable, late": "a={{ x }}\ntypeset -xi n",
    "name reference": "f() { local -n r=a; }\nls {{ x }}",
    "alias elsewhere": "ls {{ x }}\nalias a=eval",
    "extglob elsewhere": "shopt -s extglob\nls {{ x }}",
    "aliases switched on": "shopt -s expand_aliases\nls {{ x }}",
    "keyword assignments": "set -k\nls {{ x }}",
    "coproc": "coproc cat {{ x }}",
}
SPECIAL = (
    "PS0 PS1 PS2 PS4 PROMPT_COMMAND BASH_ENV ENV IFS PATH SHELLOPTS BASHOPTS OPTIND OPTERR RANDOM SRANDOM SECONDS LINENO HISTCMD "
    "EPOCHSECONDS UID EUID PPID GLOBIGNORE LD_PRELOAD CDPATH BASH_COMPAT"
)
LOST = {
    "( in a word": "echo @(a|b) {{ x }}",
    "quotes in a quoted expansion": 'echo "${a:-it\'s}" {{ x }}',
    "case pattern that is not closed": "case {{ x }} in a esac",
    "stray fi": "ls {{ x }}; fi",
    "stray )": "ls {{ x }} )",
    "open if": "if true; then ls {{ x }}",
    "open parenthesis": "( ls {{ x }}",
    "open quote": "ls {{ x }} 'a",
    "open double quote": 'ls {{ x }} "a',
    "open backtick": "ls {{ x }} `a",
    "open here-document": "ls {{ x }} <<E\na",
    "here-document in $( ) of one line": "ls {{ x }} $(cat <<E)\na\nE\n",
    "here-document before a string of several lines": "cat {{ x }} <<E 'a\nE\nb'\nE\n",
    "expansion that runs out of a here-document": "ls {{ x }}\ncat <<E\n$(a\nE\n)\nE\n",
    "delimiter after a backslash": "ls {{ x }}\ncat <<E\na\\\nE\nE\n",
    "odd delimiter": "ls {{ x }} <<$a\n$a\n",
    "subscript with blanks": "a[1 + 1]=2; ls {{ x }}",
    "$( ( that is no arithmetic": "echo $((ls) | cat) {{ x }}",
    "command in ${ }": "echo ${ ls; } {{ x }}",
    "$[ ]": "echo $[1] {{ x }}",
    "dollar at a continued line": "echo $\\\n{a} {{ x }}",
    "operator over two lines": "cat <\\\n< E {{ x }}",
    "reserved word over two lines": "i\\\nf true; then ls {{ x }}; fi",
}
BASH_ONLY = {
    "$'...'": "echo $'a' {{ x }}",
    "&>": "echo &> file {{ x }}",
    "[[ ]]": "[[ a ]] && ls {{ x }}",
    "(( ))": "(( 1 )) && ls {{ x }}",
    "array": "a=( {{ x }} )",
    "subscript": "a[1]={{ x }}",
    "+=": "a+={{ x }}",
    "<( )": "ls <(ls {{ x }})",
    "function": "function f { ls {{ x }}; }",
    "descriptor in a variable": "exec {fd}> {{ x }}",
}
BLOCKS = {
    "in single quotes": "echo '{% if flag %}a{% endif %}'",
    "in double quotes": 'echo "{% if flag %}a{% endif %}"',
    "in backticks": "echo `{% if flag %}a{% endif %}`",
    "in ${ }": "echo ${a:-{% if flag %}a{% endif %}}",
    "in arithmetic": "echo $(( {% if flag %}1{% endif %} ))",
    "in [[ ]]": "[[ {% if flag %}a{% endif %} ]]",
    "in a here-document": "cat <<E\n{% if flag %}\na\n{% endif %}\nE\n",
    "in a quoted here-document": "cat <<'E'\n{% if flag %}\na\n{% endif %}\nE\n",
    "after a here-document has begun": "cat <<E {% if flag %}a{% endif %}\na\nE\n",
    "opening a quote": "{% if flag %}'{% else %}'{% endif %}",
    "opening a double quote": 'ls {% if flag %}"{% endif %}a"',
    "opening one of two quotes": "ls {% if flag %}'{% else %}\"{% endif %}a'",
    "opening a quote beside a comment": "ls {% if flag %}'{# it's #}{% else %}'{# #}{% endif %}a'",
    "closing a quote": "ls 'a{% if flag %}'{% else %}b'{% endif %}",
    "opening a here-document": "{% for i in items %}cat <<E\n{% endfor %}\na\nE\n",
    "opening one of two here-documents": "cat {% if flag %}<<E{% else %}<<'E'{% endif %}\na\nE\n",
    "closing a here-document": "cat <<E\na\n{% if flag %}E\n{% endif %}b\nE\n",
    "opening $( )": "ls $({% if flag %}ls {{ x }}){% else %}ls){% endif %}",
    "opening backticks": "ls {% if flag %}`{% endif %}ls`",
    "closing a loop": "while true; do ls {{ x }}; {% if flag %}done{% else %}done{% endif %}\n",
    "opening a case": "case a in {% for i in items %}a) ls {% endfor %};; esac",
    "opening a comment": "ls {% if flag %}# {% endif %}{{ x }}\n",
    "holding a command's name": "{% if flag %}echo {% endif %}{{ x }}",
    "holding part of a command's name": "e{% if flag %}va{% endif %}l {{ x }}",
    "holding an assignment before a command": "{% if flag %}a=1 {% endif %}ls {{ x }}",
    "holding one end of a group": "{% if flag %}\n{\n{% endif %}\nls {{ x }}\n",
    "holding a separator": "ls {% if flag %}; ls {% endif %}{{ x }}",
    "holding a pipe": "printf '%s' {{ x }} | {% if flag %}cat |{% else %}cat\n{% endif %} sh",
    "in a word that it changes": "ls a{% if flag %}b{% endif %}c {{ x }}",
    "making an option": "ls -{% if flag %}c{% endif %} {{ x }}",
    "gluing words of a loop": "ls {% for i in items %}-a {{ i }}{% endfor %} b",
    "gluing lines of a loop": "{% for i in items %}ls {{ i }}{% endfor %}\n",
    "gluing two words": "ls {% if flag %}a {% endif %}b{% if flag %} c{% endif %}d",
    "in a printf": "printf {% if flag %}'%s'{% endif %} {{ x }}",
    "in a test": "[ {% if flag %}a = {% endif %}{{ x }} ]",
    "behind exec": "exec {% if flag %}ls{% endif %} {{ x }}",
    "between sh and -c": "env sh {% if flag %}a{% endif %} {{ x }}",
    "after a backslash": "ls \\{% if flag %}a{% endif %}",
    "after a dollar": "ls ${% if flag %}a{% endif %}",
    "in a comment beyond its line": "# {% if flag %}a\nls\n{% endif %}\n",
}
ALLOWED = {
    "an argument": "ls {{ x }}",
    "part of a word": "ls --target={{ x }}:{{ y }}-$HOME{{ x }}",
    "beside quotes": "ls 'a'{{ x }}\"b\"",
    "assignments": "a={{ x }} b=a{{ x }}b c={{ x }}{{ y }}\n",
    "appending": "a+={{ x }}",
    "an assignment before a command": "a={{ x }} ls",
    "an element": "a[1]={{ x }}",
    "in a comment": "ls # '{{ x }}\n# eval {{ x }} \"\n",
    "redirections": "ls > {{ x }} 2>> {{ x }}.log < {{ y }} &> {{ x }}\n",
    "a redirection of sh": "sh ./script > {{ x }}",
    "a here-string": "cat <<< {{ x }}",
    "read from a here-string": "read -r a <<< {{ x }}",
    "array": "a=( {{ x }} b{{ y }} # comment\n {{ x }} )\na+=( [1]=b {{ x }} )",
    "in $( )": "a=$(ls {{ x }})",
    "in $( ) in double quotes": 'a="b $(ls {{ x }} "$(ls {{ y }} | cat)") c"',
    "output as an argument": 'ls "$(ls {{ x }})" $(ls {{ x }})',
    "in <( )": "diff <(ls {{ x }}) <(ls {{ y }})",
    "subshells": "( cd {{ x }} && ls ) || { ls {{ x }}; }",
    "functions": "f() { ls {{ x }}; }\nf () ( ls {{ x }} )\nfunction g { ls {{ x }}; }\nfunction h() { f {{ x }}; } > {{ y }}\n",
    "pipelines": "ls {{ x }} | grep -F -- {{ y }} |\n  cat | cat {{ x }} & wait",
    "if": "if ls {{ x }}; then ls {{ x }}; elif ls {{ y }}\nthen ls {{ x }}\nelse ls {{ x }}; fi > {{ x }}\n",
    "loops": 'for i in {{ x }} b; do ls "$i" {{ x }}; done\nwhile ls {{ x }}; do break; done < {{ y }}\nfor i; do ls {{ x }}; done',
    "arithmetic loops": "for ((i=0; i<3; i++)); do ls {{ x }}; done",
    "case": "case {{ x }} in\n  a|{{ y }}) ls {{ x }} ;;\n  (b*) ;;&\n  *) ls\nesac\nls {{ x }}",
    "case in $( )": "a=$(case {{ x }} in a) ls {{ x }};; esac)",
    "printf": "printf '%s\\n' {{ x }}\nprintf -- '%s' {{ x }}\nprintf \"%s\\n\" {{ x }}",
    "tests": '[ {{ x }} ] && [ -n {{ x }} ] && test ! -f {{ x }} && [ {{ x }} = "$a" ] && [ ! {{ x }} -nt {{ y }} ] && [ a \\< {{ x }} ]',
    "test of output": '[ "$(ls {{ x }})" = a ]',
    "prefixes": "exec ls {{ x }}\nenv -i A={{ x }} ls {{ y }}\ncommand -p ls {{ x }}\nnice -n 5 timeout -k 1 5 ls {{ x }}\nnohup ls {{ x }}",
    "xargs": "ls | xargs -0 -n 1 ls {{ x }}",
    "redirecting exec": "exec 3> {{ x }} {fd}< {{ y }}",
    "command -v": "command -v {{ x }}",
    "a script of sh": 'bash -x ./script -c {{ x }}\nbash -s -- {{ x }} < file\nsh "$HERE/script" {{ x }}',
    "a value for sh -c": "a={{ x }} sh -c 'echo \"$a\"'",
    "set --": "set -- {{ x }} {{ y }}",
    "a command in a folder that is variable": '"$HERE/bin/tool" {{ x }}',
    "here-documents beside tags": "cat > {{ x }} <<E | cat {{ y }}\n$a `b` $(c '(' \"${d}\") \\$(\nE\nls {{ x }}\n\tcat <<-'E'\n\tit's $(\n\tE\nls {{ x }}\n",
    "two here-documents": "cat <<A - <<'B' {{ x }}\na'\nA\nb\"\nB\nls {{ x }}",
    "a here-document in $( )": "a=$(cat <<E\nit's\nE\n)\nls {{ x }}",
    "expansions beside tags": 'ls ${a:-b} "${a#\'x\'}" "${a:-"$b"}" ${a//[^a-z]/_} ${#a} $# $$ $! "$(( a + (1) ))" {{ x }}'.replace(
        "${#a}", "{% raw %}${#a}{% endraw %}"
    ),
    "conditions beside tags": "if [[ $a == b* && ( -n $c || $d =~ ^[0-9]+$ ) ]]; then ls {{ x }}; fi",
    "declarations beside tags": 'local -r a="$1" b=( 1 2 )\nexport PATH="$PATH:/x"\na={{ x }}\nexport a\n',
    "continued lines": "ls \\\n  {{ x }} \\\n  --a={{ y }} &&\\\n  ls {{ x }}",
    "time": "time -p ls {{ x }}\n! ls {{ x }}",
    "a word for echo": "echo bash {{ x }}",
}
ALLOWED_BLOCKS = {
    "lines": "{% if flag %}\nls {{ x }}\n{% elif x %}\nls\n{% else %}\nls {{ y }}\n{% endif %}\nls\n",
    "one line": "{% if flag %}a={{ x }}{% else %}a=b{% endif %}\nls\n",
    "words": "curl {% if flag %}--group {{ x }} {% endif %}-x {{ y }}",
    "words, blank after": "curl {% if flag %}--group {{ x }}{% endif %} -x",
    "words, blank before": "curl{% if flag %} --group {{ x }}{% else %} -y{% endif %}\nls",
    "words of a loop": "curl{% for i in items %} -d {{ i }}{% endfor %} -x",
    "nested": "curl {% for i in items %}{% if i %}-d {{ i }} {% endif %}{% endfor %}-x",
    "the end of an assigned word": "a=b{% if flag %}{{ x }}{% else %}c{% endif %}d\n",
    "the end of a long option": "ls --a={% if flag %}{{ x }}{% else %}c{% endif %} {{ y }}",
    "a loop of lines": "{% for k, v in metadata.items() %}\nprintf '%s\\n' {{ k }}={{ v }}\n{% endfor %}\n",
    "a loop of elements": "a=( {% for i in items %}{{ i }} {% endfor %})\n",
    "a loop of elements in lines": "a=(\n{% for i in items %}\n  {{ i }}\n{% endfor %}\n)\n",
    "clauses": "case {{ x }} in\n{% for i in items %}\n{{ i }}) ls ;;\n{% endfor %}\nesac\n",
    "inside a group": "if true; then\n{% if flag %}\nls {{ x }}\n{% endif %}\nls; fi\n",
    "around a group": "{% if flag %}\nif true; then\n  cat <<E\na\nE\nfi\n{% endif %}\n",
    "in a comment": "# {% if flag %}{{ x }}{% endif %} 'a\nls {{ x }}",
    "in $( )": 'a="$(ls {% if flag %}{{ x }} {% endif %}-l)"',
    "set anywhere": "ls '{% set a = x %}' {{ a }}\n",
    "whitespace control": "ls\n{%- if flag %}\nls {{ x }}\n{%- endif %}\nls\n",
    "whitespace control after a comment": "# a\n{%- if flag %}\nls {{ x }}\n{%- else %}\nls\n{%- endif %}\nls\n",
    "else of a loop": "{% for i in items %}\nls {{ i }}\n{% else %}\nls\n{% endfor %}\n",
    "around a comment": "{% if flag %}# a{% endif %}\nls {{ x }}\n",
}


@pytest.mark.parametrize("body", INSIDE.values(), ids=INSIDE)
def test_no_tag_inside_quotes_or_what_is_evaluated(body: str) -> None:
    """Where the shell would evaluate or split a value, a tag is refused with its line."""
    assert "{{ x }}" in refused(body, line=2) or "$[" in body


@pytest.mark.parametrize("opening", ["<<E", "<<'E'", '<<"E"', "<<\\E", "<<-E", "<< E"])
def test_no_tag_inside_a_here_document(opening: str) -> None:
    """However its delimiter is written, a here-document holds no tag."""
    assert "here-document" in refused(f"cat {opening}\na\n b {{{{ x }}}}\nE\n", line=4)


@pytest.mark.parametrize("body", COMMAND_POSITION.values(), ids=COMMAND_POSITION)
def test_no_tag_is_a_command_or_a_name(body: str) -> None:
    """No value chooses what is run, or which variable or function is meant."""
    refused(body, line=1 + len(body.splitlines()))


@pytest.mark.parametrize("command", EVALUATING.split())
def test_no_tag_is_an_argument_of_a_command_that_evaluates(command: str) -> None:
    """Builtins that evaluate their arguments get none from a tag."""
    refused(f"{command} {{{{ x }}}}", line=2)
    refused(f"command {command} -a a={{{{ x }}}}", line=2)


@pytest.mark.parametrize("body", EVALUATED.values(), ids=EVALUATED)
def test_no_value_is_evaluated(body: str) -> None:
    """Nor do the other forms in which an argument is evaluated."""
    refused(body)


@pytest.mark.parametrize("name", SPECIAL.split())
def test_no_tag_is_assigned_to_a_variable_of_the_shell(name: str) -> None:
    """Variables that the shell acts on are not set by a value."""
    refused(f"{name}={{{{ x }}}}", line=2)
    refused(f"for {name} in {{{{ x }}}}; do :; done", line=2)
    refused(f"env {name}=a{{{{ x }}}} ls", line=2)


@pytest.mark.parametrize("body", LOST.values(), ids=LOST)
def test_what_cannot_be_followed_is_refused(body: str) -> None:
    """In doubt a template is refused: a misread quote would misplace every tag after it."""
    refused(body)


@pytest.mark.parametrize("body", BASH_ONLY.values(), ids=BASH_ONLY)
def test_what_shells_read_differently_needs_bash(body: str) -> None:
    """A construct that only bash has needs a bash first line."""
    checked(body, BASH)
    refused(body, SH)


@pytest.mark.parametrize("body", BLOCKS.values(), ids=BLOCKS)
def test_a_block_begins_and_ends_at_the_same_place_of_the_shell(body: str) -> None:
    """Whichever branch is taken, the shell stands at the same place after a block."""
    refused(body)


@pytest.mark.parametrize("body", [*ALLOWED.values(), *ALLOWED_BLOCKS.values()], ids=[*ALLOWED, *ALLOWED_BLOCKS])
def test_a_tag_is_allowed_where_it_is_one_word(body: str) -> None:
    """What is safe is accepted, or nobody would use it."""
    checked(body, BASH)


@pytest.mark.parametrize("body", ["echo 'it", 'eval "$a', "((", "if", "cat <<E"])
def test_a_template_without_tags_is_not_followed(body: str) -> None:
    """Without a value there is nothing to guard."""
    checked(body)


# How the command may be written, and what may stand before it; the first word goes to {}, the rest to [].
WAYS = {
    "alone": "{} []",
    "with its folder": "/usr/bin/{} []",
    "quoted": '"{}" []',
    "half quoted": "''{} []",
    "escaped": "\\{} []",
    "behind command": "command {} []",
    "behind command -p --": "command -p -- {} []",
    "behind builtin": "builtin {} []",
    "behind exec": "exec {} []",
    "behind exec -a": "exec -a name {} []",
    "behind env": "env {} []",
    "behind env -i a=1": "/usr/bin/env -i a=1 {} []",
    "behind sudo": "sudo -u nobody {} []",
    "behind nohup nice": "nohup nice -n 5 {} []",
    "behind timeout": "timeout -k 1 5 {} []",
    "behind xargs": "ls | xargs -n 1 {} []",
    "behind find -exec": "find . -exec {} [] ;",
    "behind strace": "strace {} []",
    "behind an assignment": "a=1 {} []",
    "behind a redirection": "> file {} []",
    "behind !": "! {} []",
    "behind time": "time -p {} []",
    "behind &&": "ls && {} []",
    "behind |": "ls | {} []",
    "behind then": "if ls; then {} []; fi",
    "behind do": "while ls; do {} []; done",
    "behind {": "{ {} []; }",
    "behind (": "( {} [] )",
    "in $( )": 'a="$({} [])"',
    "in <( )": "cat <({} [])",
    "in a function": "f() { {} []; }",
    "in a case": "case a in a) {} [] ;; esac",
}
EVALUATE = {
    **{
        f"{name} with a value": (name, "{{ x }}")
        for name in [
            "eval",
            "trap",
            "source",
            "let",
            "declare",
            "typeset",
            "local",
            "export",
            "readonly",
            "read",
            "unset",
        ]
    },
    **{
        f"{name} with a name": (name, "a={{ x }}")
        for name in ["eval", "let", "declare", "typeset", "local", "export", "readonly"]
    },
    "trap with a signal": ("trap", "{{ x }} EXIT"),
    "printf -v": ("printf", "-v {{ x }} %s a"),
    "printf -v, the value": ("printf", "-v a %s {{ x }}"),
    "printf -va": ("printf", "-va %s {{ x }}"),
    "test -v": ("test", "-v {{ x }}"),
    "[ -v": ("[", "-v {{ x }} ]"),
    "[ ! -v": ("[", "! -v {{ x }} ]"),
    "sh -c": ("sh", "-c {{ x }}"),
    "bash -c": ("bash", "-c {{ x }}"),
    "dash -ec": ("dash", "-ec {{ x }}"),
    "bash -lc": ("bash", "-lc {{ x }}"),
    "bash -xec": ("bash", "-xec {{ x }}"),
    "bash -e -c": ("bash", "-e -c {{ x }}"),
    "bash +e -c": ("bash", "+e -c {{ x }}"),
    "bash -o pipefail -c": ("bash", "-o pipefail -c {{ x }}"),
    "bash --norc -c": ("bash", "--norc -c {{ x }}"),
    "sh -c --": ("sh", "-c -- {{ x }}"),
    "sh -c, an argument": ("sh", "-c 'ls \"$1\"' _ {{ x }}"),
    "sh -c, part of it": ("sh", "-c ls' '{{ x }}"),
}


@pytest.mark.parametrize("command", EVALUATE.values(), ids=EVALUATE)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_no_way_of_writing_a_command_lets_a_value_be_evaluated(way: str, command: tuple[str, str]) -> None:
    """A command that evaluates is known behind whatever stands before it, and however its name is written."""
    refused(way.replace("{}", command[0]).replace("[]", command[1]), line=2)


@pytest.mark.parametrize("way", [way for name, way in WAYS.items() if name != "with its folder"])
def test_the_command_dot_is_known_everywhere(way: str) -> None:
    """Reading a script that a value names is running the value."""
    refused(way.replace("{}", ".").replace("[]", "{{ x }}"), line=2)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_harmless_command_is_accepted_in_each_way(way: str) -> None:
    """What is refused is refused for the command, not for what stands around it."""
    checked(way.replace("{}", "ls").replace("[]", "-- {{ x }}"))


def test_a_number_is_not_to_be_calculated_with_unchecked() -> None:
    """The remedy for arithmetic lets only a number through."""
    assert "exit 1" in refused("echo $(( {{ x }} ))")


def test_the_remedy_names_a_variable_after_the_tag() -> None:
    """The remedy can be copied as it stands."""
    assert "foo={{ metadata.foo|upper }}" in refused('echo "{{ metadata.foo|upper }}"')
