"""Random script templates: built from the shell's own constructs, with something odd in them now and then."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

# Calls of `put` show their words. The last one shows whether the checker has lost its way before.
PREAMBLE = """\
put() { for word; do printf '%s\\0' "$word" >> out; printf '%s\\n' "$word"; done; }
say() { printf '%s\\n' "$@"; }
"""
LAST = "\nput a{{ x }}b {{ y }}\n"

# fmt: off
TAGS = ("{{ x }}", "{{ x }}", "{{ x }}", "{{ y }}", "{{ x|string }}", "{{- x }}", "{{ [x]|first }}", "{{ x ~ y }}")
# Sane ones are accepted as a rule; odd ones are mostly refused, and what follows them may be misread.
WORDS = (
    *("%s", "%s", "%s", "--a=%s", "a=%s", "%s,b", "%s%s", "~%s", "%s~", "a:~%s", "{a,%s}", "{b,%s}c", "[%s]", "'a'%s", '"a"%s"b"'),
    *('"$(say %s)"', '"a$(say "b%s" \'c\' %s)"', "a#%s", "%s#", "%s*", "''%s", '%s""', "$v%s", "%s${v}", "é%s", "a\\\n%s", "%s\\\nb", "!%s"),
    *("a%s{# it's #}b", "'<'%s'>'", '"<"%s\\>', "\\$%s", "\\\\%s", "\\'%s", "$$%s", "'$'%s", '"$"%s', "$'\\''%s", "{{ x }}%s", "=%s", "%s=", "%%%s"),
    *("<(say %s)", '"$(case a in a) say %s;; esac)"', '"$(say a # it\'s\nsay %s)"', '"$(cat <<E\nit\'s $v\nE\nsay %s)"', "--a={% if x %}%s{% endif %}"),
)
ODD_WORDS = (
    *("a[%s]", "a[%s]=b", "[%s]=b", "'%s'", '"%s"', "`say %s`", "${v:-%s}", '"${v:-%s}"', "$((%s))", "$(: %s)", ">(cat %s)", "\\%s", "$%s"),
    *("#%s", "*%s", "-%s", "-e%s", "$'%s'", '$"%s"', "{% if x %}%s{% endif %}", "a{% if x %}%s{% endif %}", "{% for i in [x, y] %}%s {% endfor %}"),
    *("{%- if x %} %s{% endif %}", "\\\n%s", '"`say %s`"', "${v%s}", "%s(", "{fd}%s", "\\\\\\%s", "${v#'%s'}", '"${v%"%s"}"', "$[%s]", "@(%s)", "!(%s)"),
)
PLAIN = (
    *("a", "b1", "-n", "--", "=", "!", "%s", "1", "a=b", "x:y", "a#b", "~", "*", "[a]", "'q q'", '"d d"', "''", '""', "\\'", '\\"', "\\\\", "\\$"),
    *("\\`", "\\#", "{a,b}", "{1..3}", "$v", '"$v"', "${v}", '"${v:-a}"', "${v:-'q'}", "${v#*/}", '"${v%%"q"*}"', "$((1 + 1))", '"$(say a)"', "`say a`"),
    *('"`say "a"`"', '"a$(say "b \'c")d"', "$(case a in a) say b;; esac)", "$(say a # it's\n)", "$$", "$#", "$?", "$", "<(say a)", "a\\\nb", "'a\nb'"),
    *("é“”", "\u2028", "\u00a0", "{% raw %}{{{% endraw %}", "{% raw %}${#v}{% endraw %}", "\"it's\"", "'\"'", '"a\\"b"', "a'b'\"c\"", "$v'q'", '"\\$("'),
)
ODD_PLAIN = (
    *("]", "-c", "-v", "a[0]", "#", "$'q\\'q'", '$"d"', "$'a'", "touch", "eval", "sh", ">(cat)", "`say '`", '"`say \\"a\\"`"', "${v:-it's}", "$[1]"),
    *('"${v:-\'}"', "${v:-\"'\"}", "${v/\\}/'}", "$((1 << 2))", "$((v))", "$(", "`", "'", '"', "\\", "$((1) + (2))", "$( (say a) )", "${v:-`say a`}"),
    *("$'", "a'", "!(a)", "@(a|b)", "${ say a; }", "{", "}", "(", ")", "((", "))", "[[", "]]", "<<E", ";;", "in", "do", "{#", "#}"),
)
COMMANDS = ("put", "put", "put", "put", "put a", "say", ":", "true", "printf '%%s'", "say b", "cat 2> /dev/null", "'put'", "pu\\t", "p\\\nut", "! put", "command -v", "test -n", "set --")
ODD_COMMANDS = (
    *("eval", ".", "source", "let", "declare", "local", "export", "readonly", "read", "unset", "trap", "set", "test", "[", "printf", "command", "builtin"),
    *("exec", "env", "nice", "xargs", "time", "sh", "bash", "sh -c", "bash -ec", "find . -exec", "shift", "cd", "type", "getopts", "wait", "mapfile -t"),
    *("printf -v", "env -S", "timeout 5", "\\eval", "coproc", "alias", "python3 -c", "awk", "sed -n", "perl -e", "perl -e 1", "sed -e", "find", "exec 3>&1"),
    *("printf %%ln", "command eval", "declare -i", "declare -n", "typeset", "[[", "((", "exec -a", "xargs -I{}", "$v", '"$(say eval)"', "ev''al", "if", "{", "}"),
)
REDIRECTIONS = (
    *("> /dev/null", "3>&1", "< /dev/null", "<<< %s", "> out-a", ">> 'out-b'", "3< /dev/null", "<> out-a", "2> /dev/null"),
    *("<<E\nit's $(say a)\nE\n", "<<'E'\n$(\nE\n", '<<-E\n\ta "b\n\tE\n', "<<E # it's\n`say a`\nE\n", "<<A <<'B'\na'\nA\nb\"\nB\n", "<<\\E\n`\nE\n"),
)
ODD_REDIRECTIONS = ("<<E\n%s\nE\n", "<<%s\na\nE\n", "> >(%s)", "> >(sh)", "> out-%s", "3< %s", ">& %s", "&> %s", "{fd}> %s", "<&%s", "<<E\na\\\nE\nE\n", "<<E'F'\na\nEF\n", "< %s")
COMPOUNDS = (
    *("{ %s; }", "( %s )", "(%s)", "{ %s\n}", "if %s; then %s; else %s; fi", "if %s\nthen\n%s\nfi", "! { %s; }", "for i in a {{ x }}; do %s; break; done"),
    *("for i in a; do\n%s\ndone", "while %s; do %s; break; done", "until %s; do break; done", "f() { %s; }\nf a", "f () ( %s )\nf {{ x }}", 'w="$(%s)"'),
    *("case {{ x }} in a|{{ y }}) %s ;; (*) %s ;; esac", "case a in {{ x }}) ;; a) %s; esac", "case a in b) ;; *) %s\nesac", 'put "$(%s)"', "w={{ x }}; %s"),
    *("w={{ x }} put; %s", "{%% if x %%}\n%s\n{%% endif %%}\n", "{%% for i in [x, y] %%}\n%s\n{%% endfor %%}\n", "# {{ x }} it's \"\n%s", "%s # {{ x }} '`\n%s"),
    *("{%% set z = x %%}put {{ z }}; %s", "{# it's #}%s", "%s && %s", "%s ||\n%s", "{ %s; } <<E\na'\nE\n", "( %s ) > /dev/null", "for i\ndo %s; done"),
    *("v=a\n%s", "{%% if not x %%}\nput '\n{%% else %%}\n%s\n{%% endif %%}\n".replace("put '\n", "put a\n"), "time %s", "%s & wait", "if %s; then :\nelif %s\nthen %s; fi"),
)
ODD_COMPOUNDS = (
    *("{{ x }}", "v=`%s`", "w=({{ x }} b)\n%s", "w=([1]={{ x }})", "w+={{ x }}; %s", "w+=({{ x }})", "w[0]={{ x }}", "IFS={{ x }}", "time -p %s", "function f { %s; }\nf"),
    *("(( {{ x }} ))", "(( 1 )) && %s", "[[ {{ x }} == a ]]", "[[ a == a ]] && %s", "[[ a =~ ^(a|b)$ ]]\n%s", "for ((i=0; i<1; i++)); do %s; done", "%s;; %s"),
    *("{%% if x %%}%s{%% else %%}%s{%% endif %%}", "{%% if x %%}%s {%% endif %%}%s", "{%%- if x %%}\n%s\n{%%- endif %%}", "{%% if x %%}'{%% else %%}'{%% endif %%}%s"),
    *("{%% raw %%}%s{%% endraw %%}", "%s \\\n%s", "coproc { %s; }", "select i in {{ x }}; do break; done", "case a in a) %s ;& c) ;; esac", "case a in a) %s ;;& *) %s;; esac"),
    *("put <(%s)", "{ %s; } <<< {{ x }}", "( %s ) | sh", "f() { sh; }; %s | f", "%s | . /dev/stdin", "if %s; then (( 1 )); fi", "[[ a ]\\\n]; %s", "{%% if x %%}{ {%% endif %%}%s"),
    *("{%% if x %%}cat <<E{%% else %%}cat <<E{%% endif %%}\n%s\nE", "cat <<E {%% if x %%}\n%s\nE\n{%% endif %%}", "$((%s))", "$(%s)", "((%s))", "#{%% if x %%}%s\n{%% endif %%}%s"),
    *("cat <<E; %s\na'\nE\n", "%s <<E | cat\na'\nE\n", "put \"$(%s <<E\na'\nE\n)\"", "put $(cat <<E; %s)\nE\n", "{%% for i in [x] %%}%s; {%% endfor %%}", "case a in (esac) %s;; esac"),
)
JOINS = ("; ", "\n", "\n", " && ", " || ", "\n\n", " &&\n", ";\n", " ;")
ODD_JOINS = (" | ", " & wait; ", " |& ", " |\n", "\r\n", "&\\\n& ", " |\\\n", ";;", "&!", " ; # it's\n", " #'\n", "\\\n")
SCRAPS = (
    *("'", '"', "`", "\\", "$", "(", ")", "{", "}", "[", "]", "#", ";", "&", "|", "<", ">", "\n", " ", "\t", "!", "=", "*", "~", "''", '""', "\\'"),
    *("$(", "${", "$((", "))", "((", "[[", "]]", "<<E\n", "\nE\n", "<(", "&&", "||", ";;", "\\\n", "$'", '$"', "{{ x }}", "put ", " # ", "#'", "a"),
    *("if ", "then ", "fi", "do ", "done", "case a in ", "esac", "in ", "time ", "{% if x %}", "{% endif %}", "{#", "#}", "\r"),
)
# fmt: on


class Dice(Random):
    """Chance, and how many odd things it has picked."""

    odd = 0


def template(random: Dice) -> str:
    """One small template with at least one odd thing in it: only those are worth a run, and most are refused."""
    random.odd = 0
    while not random.odd:
        script = _list(random, random.choice([0, 1, 1, 2]))
        for _ in range(random.choice([0, 0, 0, 1, 2])):
            random.odd += 1
            script = _spoiled(random, script)
    return script + LAST


def _pick(random: Dice, sane: Sequence[str], odd: Sequence[str]) -> str:
    picked = random.random() < 0.12
    random.odd += picked
    return random.choice(odd if picked else sane)


def _list(random: Dice, depth: int) -> str:
    parts = [_command(random, depth)]
    while random.random() < 0.3:
        parts += [_pick(random, JOINS, ODD_JOINS), _command(random, depth)]
    return "".join(parts)


def _command(random: Dice, depth: int) -> str:
    if depth == 0 or random.random() < 0.4:
        return _simple(random)
    first, *others = _pick(random, COMPOUNDS, ODD_COMPOUNDS).split("%s")
    made = first + "".join(_list(random, depth - 1) + part for part in others)
    return made.replace("%%", "%") + (" " + _redirection(random) if random.random() < 0.1 else "")


def _simple(random: Dice) -> str:
    before = _pick(
        random, ["", "", "", "v=a ", "w={{ x }} ", "> out-a "], ["v[0]=a ", "{% if x %}v=a {% endif %}", "{fd}> out-a "]
    )
    words = [_pick(random, COMMANDS, ODD_COMMANDS), *(_word(random) for _ in range(random.choice([1, 1, 2, 3])))]
    if random.random() < 0.15:
        words.insert(random.randint(1, len(words)), _redirection(random))
    return before + " ".join([*words, *(["]"] if words[0] == "[" else [])])


def _word(random: Dice) -> str:
    if random.random() < 0.4:
        return _pick(random, PLAIN, ODD_PLAIN)
    return _pick(random, WORDS, ODD_WORDS).replace("%s", random.choice(TAGS))


def _redirection(random: Dice) -> str:
    return _pick(random, REDIRECTIONS, ODD_REDIRECTIONS).replace("%s", random.choice(TAGS))


def _spoiled(random: Dice, script: str) -> str:
    start = random.randint(0, len(script))
    match random.randrange(3):
        case 0:
            return script[:start] + random.choice(SCRAPS) + script[start:]
        case 1:
            return script[:start] + script[start + random.randint(1, 3) :]
    other = random.randint(0, len(script))
    return script[:start] + script[other : other + random.randint(1, 12)] + script[start:]
