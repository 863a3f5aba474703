"""Loops and conditions in a template: what they do in each shell, with values and keys of any kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks.template import check_source
from tests.hooks.templates import BASH, SH, run

ROOT = Path(__file__).parents[2]
SHELLS = [pytest.param("bash", BASH, id="bash"), pytest.param("dash", SH, id="dash")]
in_both_shells = pytest.mark.parametrize(("shell", "first"), SHELLS)
NAMES = ("task_name", "error", "metadata")
KEYS = ["it's", "$(touch CANARY)", "`touch CANARY`", "a b", "*", "-n", "'; touch CANARY; '", "a\nb", "", "items", "_kh1", '"', "中文", "a[$(touch CANARY)]"]  # fmt: skip


def words(body: str, values: Mapping[str, Any], folder: Path, shell: str, first: str) -> list[str]:
    """Run a template whose lines call `put`; the words that it was given."""
    script = first + 'put() { printf "%s\\0" "$@"; }\n' + body
    done = run(check_source(script, Path("t.sh.j2"), NAMES).render(values), folder, shell)
    assert (done.stderr, (folder / "CANARY").exists()) == (b"", False)
    return done.stdout.decode().split("\0")[:-1]


@in_both_shells
def test_keys_and_values_of_a_mapping_are_words(shell: str, first: str, tmp_path: Path) -> None:
    """Whoever wrote the task chose the keys too: they are values like any other."""
    metadata = {key: f"{key}={key}" for key in KEYS}
    body = "{% for key, value in metadata.items() %}\nput {{ key }} --{{ key }}={{ value }} {{ metadata[key] }}\n{% endfor %}\n"
    shown = [word for key in KEYS for word in (key, f"--{key}={metadata[key]}", metadata[key])]
    assert words(body, {"metadata": metadata}, tmp_path, shell, first) == shown


@in_both_shells
def test_elements_of_a_list_are_words(shell: str, first: str, tmp_path: Path) -> None:
    """A loop may stand around lines, around words, inside a word and inside a list of the shell's own loop."""
    body = (
        "{% for x in metadata.list %}\nput {{ x }}\n{% endfor %}\n"
        "put{% for x in metadata.list %} {{ x }}{% endfor %}\n"
        "put --all={% for x in metadata.list %}{{ x }},{% endfor %}\n"
        'for x in {% for x in metadata.list %}{{ x }} {% endfor %}; do put "$x"; done\n'
    )
    shown = [*KEYS, *KEYS, "--all=" + "".join(f"{key}," for key in KEYS), *KEYS]
    assert words(body, {"metadata": {"list": KEYS}}, tmp_path, shell, first) == shown


@in_both_shells
def test_a_loop_counts(shell: str, first: str, tmp_path: Path) -> None:
    """What Jinja knows of a loop can be used, in tags and in conditions."""
    body = (
        "{% for x in metadata.list %}\n{% if not loop.first %}\nput ,\n{% endif %}\n"
        "put {{ loop.index }} {{ x }}{% if loop.last %} last{% endif %}\n{% endfor %}\n"
    )
    shown = ["1", "a", ",", "2", "b", ",", "3", "c", "last"]
    assert words(body, {"metadata": {"list": ["a", "b", "c"]}}, tmp_path, shell, first) == shown


@in_both_shells
@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (None, ["done"]),
        ({"kind": "timeout", "message": "m"}, ["late"]),
        ({"kind": "crash", "message": "it's $(touch CANARY)"}, ["crash", "it's $(touch CANARY)"]),
    ],
    ids=["if", "elif", "else"],
)
def test_conditions_choose(error: Any, shown: list[str], shell: str, first: str, tmp_path: Path) -> None:
    """One branch is there, and the others are not, not even their words."""
    body = (
        "{% if not error %}\nput done\n{% elif error.kind == 'timeout' %}\nput late\n"
        "{% else %}\nput {{ error.kind }} {{ error.message }}\n{% endif %}\n"
    )
    assert words(body, {"error": error}, tmp_path, shell, first) == shown


@in_both_shells
def test_blocks_stand_inside_each_other(shell: str, first: str, tmp_path: Path) -> None:
    """Lists in lists, with conditions between and the shell's own commands around."""
    body = (
        "{% for row in metadata.rows %}\n(\n  put row\n  {% if row %}\n  {% for x in row %}\n"
        "  if :; then put {{ x }}; fi\n  {% endfor %}\n  {% else %}\n  put nothing\n  {% endif %}\n)\n{% endfor %}\n"
    )
    shown = ["row", "it's", "*", "row", "nothing", "row", "$HOME"]
    assert words(body, {"metadata": {"rows": [["it's", "*"], [], ["$HOME"]]}}, tmp_path, shell, first) == shown


@in_both_shells
def test_nothing_to_loop_over_leaves_nothing(shell: str, first: str, tmp_path: Path) -> None:
    """With empty metadata a loop leaves no word behind, and its else is taken."""
    body = (
        "{% for key, value in metadata.items() %}\nput {{ key }}\n{% else %}\nput empty\n{% endfor %}\n"
        "put a{% for x in metadata.list|default([]) %} {{ x }}{% endfor %}\n"
        "{% if metadata %}\nput full\n{% endif %}\n"
    )
    assert words(body, {"metadata": {}}, tmp_path, shell, first) == ["empty", "a"]


@in_both_shells
def test_a_variable_of_the_template_is_a_value(shell: str, first: str, tmp_path: Path) -> None:
    """`set` keeps a value for later tags, and a condition may look at it."""
    body = "{% set title = 'Re: ' ~ task_name %}{% if title|length > 4 %}\nput {{ title }}\n{% endif %}\n"
    assert words(body, {"task_name": "it's *"}, tmp_path, shell, first) == ["Re: it's *"]


@pytest.mark.parametrize("name", ["metadata.list", "metadata.list[0]"])
def test_a_loop_over_what_is_missing_fails_the_run(name: str) -> None:
    """A missing list is told with its line, and with the way to do without it."""
    template = check_source(f"{{% for x in {name} %}}\nls {{{{ x }}}}\n{{% endfor %}}\n", Path("t.sh.j2"), NAMES)
    with pytest.raises(TemplateError, match=r"t\.sh\.j2:1: .*'list'; give it a value .*\|default"):
        template.render({"metadata": {}})


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_the_example_in_the_documents_prints_what_is_shown(shell: str, tmp_path: Path) -> None:
    """docs/hooks.md shows a template with loops and conditions, and what it prints."""
    section = (ROOT / "docs/hooks.md").read_text("utf-8").split("### Loops and conditions")[1]
    found = re.search(r"```bash\n(.*?)```.*?```text\n(.*?)```", section, re.DOTALL)
    assert found
    metadata = {"it's": "$HOME", "labels": ["a b", "*"]}
    values = {"task_name": "report-1", "error": None, "metadata": metadata}
    done = run(check_source(found[1], Path("t.sh.j2"), NAMES).render(values), tmp_path, shell)
    assert (done.stdout.decode(), done.stderr) == (found[2], b"")
