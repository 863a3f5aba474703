"""A search for holes: whatever random template is accepted, no value is evaluated, and each arrives as one word."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks.template import ScriptTemplate
from tests.hooks.grammar import PREAMBLE, Dice, template
from tests.hooks.templates import BASH, SH, checked, run

# How many templates are made for each shell; set the variable to search for longer, and the other to search elsewhere.
TRIES = int(os.environ.get("TEMPLATE_SEARCH", "300"))
SEED = os.environ.get("TEMPLATE_SEED", "templates")
SHELLS = {"bash": ("bash", BASH), "dash": ("dash", SH), "bash called sh": ("./sh", SH)}
VALUES = {"x": "a", "y": "b"}
# Broken at any place, one of these shows a piece. No line ends: commands that run side by side write whole lines.
WHOLE = (
    "Zx1 * ? [a] {a,b} ~ $(touch CANARY) `touch CANARY` \\ ' \" ! # ; touch CANARY; | & < > 2xZ",
    "Zy1\t-e\\n'\"$(touch CANARY)\t 2yZ",
)
CODE = (
    *("$(touch CANARY)", "`touch CANARY`", "a[$(touch CANARY)]", "x[$(touch CANARY)]=1", "touch CANARY", "./evil", "-v", "-c"),
    *("';touch CANARY;'", '";touch CANARY;"', "\ntouch CANARY\n", "E\ntouch CANARY\nE\n", "-exec", "-o", "-eq", "(", "!", "'", '"'),
    *("-esystem('touch CANARY')", "1e touch CANARY", 'BEGIN{system("touch CANARY")}', "import os; os.system('touch CANARY')"),
    *("\\", "}", "]]", "]", ")", "#", "v", "0"),
)  # fmt: skip


def accepted(body: str, first: str) -> ScriptTemplate | None:
    """The template, if it is accepted and has no tag that a spoiling made impossible, such as `{{ x - x }}`."""
    try:
        made = checked(PREAMBLE + body, first)
        made.render(VALUES)
    except TemplateError:
        return None
    return made


def found(first: str) -> Iterator[tuple[str, ScriptTemplate, list[tuple[str, str]]]]:
    """Templates that are accepted, and pairs of values to try with each."""
    for number in range(TRIES):
        random = Dice(f"{SEED} {number}")
        body = template(random)
        made = accepted(body, first)
        if made is not None:
            yield body, made, [WHOLE, *((random.choice(CODE), random.choice(CODE)) for _ in range(3))]


def broken(words: bytes) -> list[str]:
    """Words that hold a piece of a value, or a reference to it; what lists all variables shows them in its own way."""
    shown = [word for word in words.decode(errors="replace").split("\0") if "_kh1=" not in word]
    ends = [(value, end) for value in WHOLE for end in (value[:3], value[-3:])]
    return [word for word in shown if "_kh" in word or any(word.count(end) != word.count(value) for value, end in ends)]


@pytest.mark.parametrize("shell", SHELLS)
def test_no_accepted_template_evaluates_or_breaks_a_value(shell: str, tmp_path: Path) -> None:
    """Templates of the shell's own constructs, spoiled or not: refused, or harmless with every value."""
    program, first = SHELLS[shell]
    seen = 0
    for body, made, pairs in found(first):
        (tmp_path / "work").mkdir()
        seen += try_out(body, made, pairs, tmp_path / "work", program)
        subprocess.run(["rm", "-rf", "work"], cwd=tmp_path, check=True)
    assert seen > TRIES / 20, "too few are accepted: the search sees nothing"


def try_out(body: str, made: ScriptTemplate, pairs: list[tuple[str, str]], folder: Path, program: str) -> int:
    """Run one template with each pair, each in a process of its own; fail if a value did anything."""
    (folder / "sh").symlink_to("/bin/bash")
    (folder / "evil").write_text("#!/bin/sh\ntouch CANARY\n")
    (folder / "evil").chmod(0o755)
    for number, (x, y) in enumerate(pairs):
        (folder / f"{number}.sh").write_text(made.render({"x": x, "y": y}))
    lines = [f"{program} ./{number}.sh; [ ! -e out ] || mv out words.{number}" for number in range(len(pairs))]
    # A template may be an endless loop; what it did until then is looked at all the same.
    with contextlib.suppress(subprocess.TimeoutExpired):
        run("\n".join(lines), folder, seconds=5)
    assert not (folder / "CANARY").exists(), (body, pairs)
    words = folder / "words.0"
    assert not words.exists() or broken(words.read_bytes()) == [], body
    return words.exists()
