"""The documents say what the code does, and what they tell a reader to type works."""

from __future__ import annotations

import configparser
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, get_args

import click
import pytest
import yaml

from benchmarks.__main__ import MEASURES
from kimi_hooks import cli, config, ending, settings
from kimi_hooks.commands.standin import standin_command
from kimi_hooks.config import Config
from kimi_hooks.config_hooks import CommandPart, HttpPart, MatcherPart
from kimi_hooks.config_models import ModelPart, PricePart
from kimi_hooks.errors import TaskError, TemplateError
from kimi_hooks.events import FIELDS, KINDS, NotificationType
from kimi_hooks.hooks import template
from kimi_hooks.hooks.command import PASSED_ON, TEMPLATE_NAMES, environment
from kimi_hooks.journal import tasks
from kimi_hooks.journal.deliveries import HookRun
from kimi_hooks.outbox import reading
from kimi_hooks.reports import texts, values
from kimi_hooks.reports.render import render
from kimi_hooks.reports.values import prepare
from kimi_hooks.standin import words
from kimi_hooks.standin.server import Standin
from kimi_hooks.states import Outcome, State
from kimi_hooks.task import Task
from kimi_hooks.waiting import DROPPED
from tests.house import KEY

ROOT = Path(__file__).parent.parent
PROGRAM = Path(sysconfig.get_path("scripts")) / "kimi-hooks"
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCS]
IN_THE_CLONE = ("config.yaml", "hooks", "install.sh", "run-kimi.sh", "scripts", ".gitignore")
SETTLED = """
import json, os, pathlib, sys
told = json.load(sys.stdin)
home = pathlib.Path(told["home"])
waiting = [name for name in os.listdir(home / "outbox") if not name.startswith(".")] + os.listdir(home / "spool/incoming")
open_tasks = sum(told["tasks"][state] for state in ("available", "executing", "retryable", "held"))
open_news = sum(told["deliveries"].get(state, 0) for state in ("waiting", "running"))
sys.exit(told["runner"]["state"] == "running" and bool(waiting or open_tasks or open_news))
"""
# A person reads before going on; here the next block must not overtake the runner and the hooks.
SETTLE = f"""
settle() {{
  for _ in $(seq 300); do
    "{PROGRAM}" status --json | "{sys.executable}" -c '{SETTLED}' && return
  done
  echo "nothing has settled" >&2
  exit 99
}}
"""


class Block(NamedTuple):
    """One fenced block: the word after the fence, and its lines."""

    info: str
    text: str


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(name: str) -> list[Block]:
    found = re.findall(r"^```([^\n`]*)\n(.*?)^```$", read(name), re.DOTALL | re.MULTILINE)
    return [Block(info.strip(), text) for info, text in found]


def without_blocks(name: str) -> str:
    return re.sub(r"^```.*?^```$", "", read(name), flags=re.DOTALL | re.MULTILINE)


def first_cells(name: str) -> set[str]:
    """Every word in backticks that stands in the first column of a table."""
    rows = re.findall(r"^\|([^|\n]*)\|", read(name), re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def each_verb(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from each_verb(inner, f"{path} {name}")


def a_result() -> dict[str, Any]:
    task = Task(prompt="p", name="n")
    entry = tasks.fresh("kimi-1-abcdefgh", task, (), 0.0)
    return ending.build(entry, task, None, ending.Failure("unknown", "m"), 1.0, None)


def error_kinds() -> set[str]:
    """Every kind that a failure is made with anywhere in the code."""
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "kimi_hooks").rglob("*.py"))
    made = re.findall(r'(?:Failure|fail)\(\s*"([a-z_]+)"', sources)
    classified = re.findall(r'"([a-z_]+)", "(?:retry|never|pause)"\)', sources)
    return {*made, *classified}


# What stands in the documents


def test_every_verb_and_option_is_in_the_documents() -> None:
    """docs/command-line.md has a heading for each verb and names each of its options."""
    text = read("docs/command-line.md")
    for path, command in each_verb(cli.group, "kimi-hooks"):
        assert f"## `{path}`\n" in text
        section = text.split(f"## `{path}`\n")[1].split("\n## ")[0]
        for option in [name for parameter in command.params for name in parameter.opts if name.startswith("-")]:
            assert option in section, f"{path} {option}"


def test_no_short_help_is_cut() -> None:
    """On a terminal of 80 columns each verb has one whole line, in `--help` as in completion."""
    for path, command in each_verb(cli.group, "kimi-hooks"):
        assert path == "kimi-hooks" or 0 < len(command.short_help or "") <= 55, path
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=path, terminal_width=80, help_option_names=["-h", "--help"])
            listed = command.get_help(context).split("\nCommands:\n")[1].splitlines()
            assert len(listed) == len(command.list_commands(context))
            assert [line for line in listed if line.endswith("...") or len(line) > 80] == []


def test_every_verb_is_in_the_changelog() -> None:
    """Somebody who reads the changelog learns of each verb."""
    text = read("CHANGELOG.md")
    assert [verb for verb in cli.VERBS if f"`{verb}`" not in text] == []


def test_every_config_key_is_in_the_documents() -> None:
    """docs/configuration.md has a row for each key, nested ones with dots."""
    rows = first_cells("docs/configuration.md")
    for name, field in Config.model_fields.items():
        inner = getattr(field.annotation, "model_fields", {})
        for key in [f"{name}.{nested}" for nested in inner] or [field.alias or name]:
            assert key in rows
    parts = (MatcherPart, CommandPart, HttpPart, ModelPart, PricePart)
    assert {field.alias or name for part in parts for name, field in part.model_fields.items()} <= rows


def test_every_environment_name_is_in_the_documents() -> None:
    """Each name that is looked up or given to hooks is explained."""
    assert {*settings.NAMES} <= first_cells("docs/configuration.md")
    assert all(f"`{alias}`" in read("docs/configuration.md") for alias in settings.ALIASES.values())
    assert "`KIMI_HOOKS_HOME`" in read("docs/configuration.md")
    given = environment(dict.fromkeys(FIELDS, ""), {}, {}, Path("/ws"))
    assert {*given} <= first_cells("docs/hooks.md")
    assert all(f"`{name}`" in read("docs/hooks.md") for name in (*PASSED_ON, "LC_*"))


def test_every_event_is_in_the_documents() -> None:
    """docs/hooks.md has a row for each event name, and for no other."""
    section = read("docs/hooks.md").split("### Events")[1].split("### ")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == set(KINDS)


def test_every_type_of_notification_is_in_the_documents() -> None:
    """docs/hooks.md has a row for each type, and for no other."""
    section = read("docs/hooks.md").split("### Notifications")[1].split("### ")[0]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == list(get_args(NotificationType))


def test_every_hook_input_field_is_in_the_documents() -> None:
    """docs/hooks.md has a row for each field on a hook's standard input."""
    assert first_cells("docs/hooks.md") >= FIELDS


def test_every_key_of_a_run_is_in_the_documents() -> None:
    """docs/hooks.md has a row for each key of `hooks runs --json`, in the same order."""
    section = read("docs/hooks.md").split("### The record")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [field.name for field in fields(HookRun)]


def test_every_value_of_a_report_is_in_the_documents() -> None:
    """docs/hooks.md has a row for each value that is prepared for a report's template, and for no other."""
    section = read("docs/hooks.md").split("### A report of your own")[1].split("\n## ")[0]
    prepared = prepare(a_result(), "/ws/results/x.json", "en")
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(prepared)
    assert set(prepared).isdisjoint(a_result())
    for name in ("NAME", "MODEL", "MESSAGE", "EXCERPT", "WARNING"):
        assert f"{getattr(values, f'{name}_CHARACTERS')} characters" in section
    assert f"{texts.MAX_UNITS:,} UTF-16 code units" in read("docs/hooks.md")


def test_report_examples_can_be_rendered(tmp_path: Path) -> None:
    """A report's template that docs/hooks.md shows works for a task that failed."""
    (shown,) = [block.text for block in blocks("docs/hooks.md") if block.info == "jinja"]
    path = tmp_path / "report.txt.j2"
    path.write_text(shown, "utf-8")
    prepared = prepare(a_result(), "/ws/results/x.json", "en")
    assert render(path, {**a_result(), **prepared}).endswith("\n0 tokens, /ws/results/x.json")


def test_every_task_key_is_in_the_documents() -> None:
    """docs/files.md has a row for each key of a task file, with its default."""
    section = read("docs/files.md").split("## Task files")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", section, re.MULTILINE))
    assert set(rows) == set(Task.model_fields)
    assert all(
        f"`{field.default}`" in rows[name]
        for name, field in Task.model_fields.items()
        if isinstance(field.default, str | int) and not isinstance(field.default, bool)
    )


def test_every_result_key_is_in_the_documents() -> None:
    """docs/files.md explains each key of a result, and its example has them all, in order."""
    section = read("docs/files.md").split("## Result files")[1].split("\n## ")[0]
    explained = {
        word for row in re.findall(r"^\|([^|]*)\|", section, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)
    }
    result = a_result()
    assert set(result) <= explained
    example = next(json.loads(block.text) for block in blocks("docs/files.md") if '"outcome"' in block.text)
    assert list(example) == list(result)
    assert set(example["tokens"]) == set(result["tokens"])
    assert all(f"`{key}`" in section for key in result["error"])


def test_every_error_kind_is_in_the_documents() -> None:
    """docs/files.md has a row for each kind of error that the code makes, and for no other."""
    section = read("docs/files.md").split("### Kinds of error")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == error_kinds()


def test_every_state_and_outcome_is_in_the_documents() -> None:
    """docs/files.md has a row for each state and names each outcome."""
    section = read("docs/files.md").split("## States and outcomes")[1]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == {*State, DROPPED}
    assert [outcome for outcome in Outcome if f"`{outcome}`" not in read("docs/files.md")] == []
    assert [state for state in State if f"`{state}`" not in read("ARCHITECTURE.md")] == []


def test_every_word_of_the_imitation_is_in_the_documents() -> None:
    """docs/standin.md has a row for each word that orders a fault, in the same order, and for no other."""
    section = read("docs/standin.md").split("## Faults on order")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) == [form for form, _ in words.WORDS.values()]


def test_orders_in_the_documents_are_understood() -> None:
    """What docs/standin.md and docs/tour.md show as an order, a line, a header or an option, is one."""
    shown = [
        line
        for name in ("docs/standin.md", "docs/tour.md")
        for line in re.findall(r"(?:standin: (?!true)|Fault: |--fault \")([a-z-]+=?[^`'\"\n]*)", read(name))
    ]
    assert len(shown) > 4
    for line in shown:
        words.read(line)


def test_the_imitation_is_started_as_the_documents_say() -> None:
    """Each command that docs/standin.md shows has options that there are."""
    lines = [block.text for block in blocks("docs/standin.md") if block.info == "bash"]
    commands = re.findall(r"^kimi-hooks standin(.*)$", "\n".join(lines), re.MULTILINE)
    assert len(commands) > 2
    for options in commands:
        # A copy: a command remembers how it was first called for help.
        copy(standin_command).make_context("standin", shlex.split(options))


def test_the_openai_client_works_as_the_documents_say(kimi: Standin, capsys: pytest.CaptureFixture[str]) -> None:
    """The program for the openai client in docs/standin.md runs as it is, but for the address and the key."""
    (program,) = [block.text for block in blocks("docs/standin.md") if block.info == "python"]
    assert "http://127.0.0.1:8790/v1" in program
    exec(program.replace("http://127.0.0.1:8790/v1", kimi.url).replace('"any"', f'"{KEY}"'), {})
    assert "This is a local imitation, not Kimi." in capsys.readouterr().out


def test_a_hook_that_may_run_twice_is_told_first() -> None:
    """Whoever writes a hook learns about `event_id` within ten lines."""
    beginning = "\n".join(read("docs/hooks.md").splitlines()[:10])
    assert "may run twice" in beginning
    assert "event_id" in beginning


def test_every_room_is_in_the_architecture() -> None:
    """ARCHITECTURE.md has a line for each room of .importlinter, and its floors are the same."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    layers = parser["importlinter:contract:floors"]["layers"].split("\n")
    floors = [re.split(r" [|:] ", line.strip()) for line in layers if line.strip()]
    section = read("ARCHITECTURE.md").split("## The floors")[1].split("\n## ")[0]
    by_floor, by_room = section.split("One line for each room:")
    told = [re.findall(r"`([^`]+)`", row.split("|")[2]) for row in by_floor.splitlines() if row.startswith("| ")]
    assert [rooms for rooms in told if rooms] == floors
    assert re.findall(r"^\| `([^`]+)` \|", by_room, re.MULTILINE) == [room for floor in floors for room in floor]


def test_every_dependency_is_in_the_architecture() -> None:
    """ARCHITECTURE.md gives a reason for each dependency, and names no other."""
    declared = tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]
    section = read("ARCHITECTURE.md").split("## Dependencies")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)) == {
        re.split(r"[^\w-]", name)[0] for name in declared
    }


def test_every_file_named_in_the_architecture_exists() -> None:
    """A path in ARCHITECTURE.md points to a file of the package."""
    for name in re.findall(r"`((?:\w+/)*\w+\.(?:py|yaml))`", without_blocks("ARCHITECTURE.md")):
        assert any((folder / name).exists() for folder in (ROOT, ROOT / "kimi_hooks", ROOT / "kimi_hooks" / "kimi")), (
            name
        )


def test_every_proof_that_is_promised_is_there() -> None:
    """Each command of docs/reliability.md and each file that it names exists, and it starts in a fresh clone."""
    text = read("docs/reliability.md")
    commands = [cell for cell in re.findall(r"\| `([^`|]+)` \|$", text, re.MULTILINE) if "/" in cell]
    assert len(commands) > 7
    for command in commands:
        assert command.startswith(("scripts/", "benchmarks/run")), command
    for parts in map(str.split, [*commands, *re.findall(r"`(KIMI_HOOKS_EXAMPLES=\S+ [^`]+)`", text)]):
        modules = [word.replace(".", "/") + ".py" for before, word in pairwise(parts) if before == "-m"]
        paths = [word for word in parts if "/" in word and not word.startswith(".venv")]
        assert [name for name in (*paths, *modules) if not (ROOT / name).exists()] == []
        measures = parts[1:] if parts[0] == "benchmarks/run" else []
        assert set(measures) <= set(MEASURES)
    for name in re.findall(r"`((?:tests|kimi_hooks)/[\w/]+\.py)`", text):
        assert (ROOT / name).exists(), name


def test_generated_parts_are_up_to_date() -> None:
    """The tables and help texts are what scripts/docs would write now."""
    script = runpy.run_path(str(ROOT / "scripts" / "docs"))
    for path, parts in script["generated"]().items():
        assert script["filled"](path.read_text("utf-8"), parts) == path.read_text("utf-8"), "run scripts/docs"


# Links and examples


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    """A link to a file names one that exists, and a heading that is in it."""
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)\s]+)?\)", without_blocks(name)):
        if target.startswith(("http://", "https://")):
            continue
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), target
        if anchor:
            assert anchor[1:] in headings(path), f"{target}{anchor}"


def headings(path: Path) -> set[str]:
    """The anchors of a document, made as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_both_readmes_show_the_same_commands() -> None:
    """README.md and README.zh-TW.md have the same blocks in the same order, and the same paths in their table."""
    assert blocks("README.md") == blocks("README.zh-TW.md")
    assert first_cells("README.md") == first_cells("README.zh-TW.md")


@pytest.mark.parametrize("name", NAMES)
def test_yaml_examples_are_good_config(name: str) -> None:
    """A block that begins like config.yaml can be put into config.yaml."""
    for block in blocks(name):
        if block.info == "yaml":
            assert block.text.startswith(("hooks:", "workspace:"))
            config.parse(block.text, name)


@pytest.mark.parametrize("name", NAMES)
def test_task_file_examples_are_accepted(name: str) -> None:
    """A task file that a document shows is one that the runner takes; `oops` is the one that it refuses."""
    text = read(name)
    shown = [("example.md", block.text) for block in blocks(name) if block.info == "markdown"]
    dropped = re.findall(r"^cat > outbox/(\S+) <<'END'\n(.*?\n)END$", text, re.DOTALL | re.MULTILINE)
    for file_name, content in [*shown, *dropped]:
        if file_name.startswith("oops"):
            with pytest.raises(TaskError) as refused:
                reading.parse(content.encode(), file_name)
            assert str(refused.value) in text
        else:
            assert reading.parse(content.encode(), file_name)[1] == []


def test_template_examples_load(tmp_path: Path) -> None:
    """A script with tags that docs/hooks.md shows passes the check that it explains."""
    shown = [block.text for block in blocks("docs/hooks.md") if block.info == "bash" and "{{" in block.text]
    assert len(shown) > 2
    for text in shown:
        file = tmp_path / "example.sh.j2"
        file.write_text(text, "utf-8")
        template.load(file, TEMPLATE_NAMES)


def refusals() -> list[tuple[str, str]]:
    """The pairs in the table of refused places: what is refused, and what to write instead."""
    section = read("docs/hooks.md").split("### Where a tag is refused")[1].split("\n\nA tag in a comment")[0]
    pairs = []
    for row in section.splitlines():
        cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        codes = [re.fullmatch(r"(`+)(.*?) ?\1", cell) for cell in cells[1:]]
        if len(codes) == 2 and codes[0] and codes[1]:
            pairs.append((codes[0][2], codes[1][2]))
    return pairs


@pytest.mark.parametrize(("refused", "instead"), refusals())
def test_the_table_of_refused_tags_is_true(refused: str, instead: str) -> None:
    """What docs/hooks.md calls refused is refused, and what it offers instead is accepted."""
    with pytest.raises(TemplateError):
        template.check_source(f"#!/usr/bin/env bash\n{refused}\n", Path("t"), TEMPLATE_NAMES)
    template.check_source(f"#!/usr/bin/env bash\n{instead}\n", Path("t"), TEMPLATE_NAMES)


def test_the_shipped_config_is_told_as_it_is() -> None:
    """Each shipped hook is in docs/hooks.md, and the shipped config is accepted."""
    shipped = config.parse(read("config.yaml"), "config.yaml")
    commands = {hook.handler.told for hook in shipped.each_hook()}
    assert commands == {f"hooks/{path.name}" for path in (ROOT / "hooks").iterdir()}
    assert [command for command in commands if f"`{command}`" not in read("docs/hooks.md")] == []


def test_what_an_older_workspace_lacks_is_told_as_it_is() -> None:
    """What docs/hooks.md tells to write under `Notification` is what the shipped config has there."""
    shipped = yaml.safe_load(read("config.yaml"))["hooks"]["Notification"]
    told = [yaml.safe_load(block.text)["hooks"] for block in blocks("docs/hooks.md") if block.info == "yaml"]
    assert shipped in [hooks.get("Notification") for hooks in told]


# The tours

Play = Callable[[str], str]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone after its installation: what git holds, a workspace, and the program in .venv/bin."""
    folder = tmp_path / "kimi-hooks"
    folder.mkdir()
    for name in IN_THE_CLONE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "kimi-hooks").symlink_to(PROGRAM)
    (folder / ".venv" / ".made-in").write_text(str(folder), "utf-8")
    (tmp_path / "home").mkdir()
    return folder


@pytest.fixture
def play(clone: Path) -> Iterator[Play]:
    """Type a document's `sh` blocks into one shell in the clone, and return all that they print."""
    home = clone.parent / "home"
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "GIT_CONFIG_GLOBAL": os.devnull}

    def typed(name: str) -> str:
        shown = "".join(f"{block.text}settle\n" for block in blocks(name) if block.info == "sh")
        commands = re.sub(r"^git clone .*\n", "", shown, flags=re.MULTILINE)
        script = clone.parent / "script"
        script.write_text(f"set -euo pipefail\n{SETTLE}\n{commands}", "utf-8")
        return run(["bash", str(script)])

    def run(command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=clone,
            env=environ,
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    run(["git", "init", "--quiet"])
    run(["git", "add", "--all"])
    run([*git, "commit", "--quiet", "--message", "clone"])
    run([str(PROGRAM), "--home", str(clone), "init"])
    try:
        yield typed
        assert run(["git", "status", "--porcelain"]) == ""
    finally:
        for workspace in (clone, home / "kimi-tour", home / "kimi-try"):
            subprocess.run(
                [PROGRAM, "--home", workspace, "stop", "--now"], env=environ, capture_output=True, check=False
            )


def record(workspace: Path) -> str:
    """What `hooks runs` prints once all is done."""
    runs = subprocess.run([PROGRAM, "--home", workspace, "hooks", "runs"], capture_output=True, text=True, check=True)
    return runs.stdout


def test_no_line_break_becomes_a_blank_between_chinese_characters() -> None:
    """A reader would see a gap in the middle of a sentence."""
    text = without_blocks("README.zh-TW.md")
    assert (
        re.findall("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]\n[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]", text) == []
    )


def test_the_tour_of_the_readme_works(play: Play, clone: Path) -> None:
    """Quick start and tour of README.md run as they are written, show what they promise, and leave the clone clean."""
    printed = play("README.md")
    assert "This is a local imitation, not Kimi." in printed
    assert "hello from my hook, it's $(date)\n" in record(clone)
    assert '"status": "done"' in printed
    assert '"group": "-5298003529"' in printed
    assert "Done: second\n" in printed
    assert printed.count("stopped (process ") == 1
    assert (clone / "results" / "latest.json").exists()


def test_the_longer_tour_works(play: Play, clone: Path) -> None:
    """docs/tour.md runs as it is written and shows what it promises."""
    printed = play("docs/tour.md")
    refusal = next(block.text for block in blocks("docs/tour.md") if block.info == "text")
    assert refusal.strip() in printed
    assert " held (after)\n" in printed
    assert '"attempts": 3' in printed
    assert "exit code 1" in printed
    assert "Done: Names\n" in printed
    assert "任務「Names」已完成\n" in printed
    assert "My first hook" in printed
    assert re.search(r"diary +try 1 +delivered exit 0, \d+ ms +noted kimi-", printed)
    assert printed.rstrip().endswith('"pending": [],\n  "more": 0\n}')
    assert not (clone / "results").exists() or not any((clone / "results").glob("kimi-*.json"))


# What differs from run to run: ids, times, how long it took.
_VARYING = (
    (r"kimi-\d+-[a-z0-9]{8}", "ID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\b\d+ ms\b", "N ms"),
    (r"(?m)^ +\d+  TIME", "N  TIME"),
    (r"\brun \d+\b", "run N"),
    (r"total_tokens = \d+", "total_tokens = N"),
    (r"cp: .*", "cp: ..."),
    # The news of one task may come before or after the gate of the other.
    (r"\brun \d+ gave_up", "run N gave_up"),
    (r"(?m)^ +\d+  TIME", "   N  TIME"),
)


def steady(text: str) -> str:
    for varying, word in _VARYING:
        text = re.sub(varying, word, text)
    return text


def test_hooks_can_be_tried_as_the_document_says(play: Play, clone: Path) -> None:
    """docs/trying-hooks.md runs as it is written, and what it shows is what is printed."""
    home = f"--home {clone.parent / 'home' / 'kimi-try'} "
    printed = steady(play("docs/trying-hooks.md").replace(home, ""))
    shown = [steady(block.text) for block in blocks("docs/trying-hooks.md") if block.info == "text"]
    assert len(shown) > 6
    for text in shown:
        assert text in printed
    assert re.search(r"publish +try 2 +delivered exit 0, N ms +published report\n", printed)


@pytest.mark.skipif(shutil.which("jq") is None, reason="the gate calls jq")
def test_the_gate_of_the_document_judges_without_a_file(tmp_path: Path) -> None:
    """Gates run side by side in one workspace, so it must leave nothing there."""
    (script,) = [block.text for block in blocks("docs/gates.md") if "hooks/has-json.sh" in block.text]
    for answer, code, said in (('{"a": 1}', 0, ""), ("no json", 2, "Your answer is not JSON: ")):
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=tmp_path,
            input=json.dumps({"last_assistant_message": answer}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr[: len(said)]) == (code, said)
        # In whichever words this jq has for it.
        assert ("line 1" in done.stderr) is (code == 2)
    assert list(tmp_path.iterdir()) == []
