"""The JSON Schemas say what the program takes, with help for each key, and lie where the shipped config says."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from kimi_hooks import schemas, strict_yaml
from kimi_hooks.config import Config, parse
from kimi_hooks.errors import ConfigError, TaskError
from kimi_hooks.events import KINDS
from kimi_hooks.outbox import reading
from kimi_hooks.task import Task
from tests.house import House
from tests.test_docs import DOCS, ROOT, blocks
from tests.test_docs import NAMES as DOCUMENTS

MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)")


def schema(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(schemas.shipped(name).read_text("utf-8"))
    return read


CONFIG = Draft202012Validator(schema("config.schema.json"))
TASK = Draft202012Validator(schema("task.schema.json"))


def each_property(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield from node.get("properties", {}).items()
        for part in node.values():
            yield from each_property(part)


@pytest.mark.parametrize("name", schemas.NAMES)
def test_they_are_schemas_with_help_for_every_key(name: str) -> None:
    """Valid 2020-12, and an editor has something to show at each key, in plain words."""
    made = schema(name)
    Draft202012Validator.check_schema(made)
    assert made["$schema"] == Draft202012Validator.META_SCHEMA["$schema"]
    parts = {"kimi", "limits", "retry", "webhook", "openclaw", "report", "log"}
    lacking = [key for key, field in each_property(made) if not field.get("description") and key not in parts]
    assert lacking == []
    assert [text for text in re.findall(r'"description": "(.*)"', json.dumps(made, indent=1)) if "](" in text] == []


def test_they_are_up_to_date() -> None:
    """What scripts/docs would write now."""
    script = runpy.run_path(str(ROOT / "scripts" / "docs"))
    for path, text in script["whole_files"]().items():
        assert path.read_text("utf-8") == text, "run scripts/docs"


def test_no_key_and_no_event_is_missing() -> None:
    """All that the models have."""
    keys = schema("config.schema.json")["properties"]
    assert set(keys) == {field.alias or name for name, field in Config.model_fields.items()}
    assert set(keys["hooks"]["properties"]) == set(KINDS)
    assert set(schema("task.schema.json")["properties"]) == set(Task.model_fields)


def test_the_shipped_config_names_its_schema(house: House) -> None:
    """Its first line leads to this version's schema in a fresh workspace, and it is valid by it."""
    house.workspace.config_file.unlink()
    house.call("init", str(house.home))
    found = MODELINE.match(house.workspace.config_file.read_text())
    assert found is not None
    named = house.workspace.config_file.parent / found[1]
    assert named.read_bytes() == schemas.shipped("config.schema.json").read_bytes()
    assert list(CONFIG.iter_errors(yaml.safe_load(house.workspace.config_file.read_text()))) == []
    assert {path.name for path in house.workspace.schemas.iterdir()} == set(schemas.NAMES)


def test_an_upgrade_brings_the_new_schema(house: House) -> None:
    """The runner lays it out anew and touches nothing that is the same; config.yaml stays as it is."""
    file = house.workspace.schemas / "config.schema.json"
    other = house.workspace.schemas / "task.schema.json"
    file.write_text("{}")
    before = house.workspace.config_file.read_bytes(), other.stat().st_mtime_ns
    assert house.call("run", "--drain").returncode == 0
    assert file.read_bytes() == schemas.shipped(file.name).read_bytes()
    assert (house.workspace.config_file.read_bytes(), other.stat().st_mtime_ns) == before


def test_a_workspace_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    """Editors are a help, and no reason not to work."""
    (tmp_path / "spool").write_text("a file")
    schemas.lay_out(tmp_path / "spool" / "schemas")
    assert (tmp_path / "spool").read_text() == "a file"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_configs_in_the_documents_are_valid(name: str) -> None:
    """No editor marks what a document shows."""
    for block in blocks(name):
        if block.info == "yaml":
            assert list(CONFIG.iter_errors(strict_yaml.load(block.text))) == []


def test_the_documents_show_configs() -> None:
    """The test above has something to look at."""
    assert sum(block.info == "yaml" for path in DOCS for block in blocks(str(path.relative_to(ROOT)))) > 3


def test_example_configs_are_valid() -> None:
    """Nor what an example ships."""
    for path in (ROOT / "examples").rglob("*.yaml"):
        assert list(CONFIG.iter_errors(strict_yaml.load(path.read_text("utf-8")))) == [], path


@pytest.mark.parametrize(
    "text",
    [
        "workspace: 2",
        "limts: {}",
        "limits: {concurrency: 0}",
        "kimi: {models: {a: {prices: {EUR: {hit: 1, miss: 1, output: 1}}}}}",
        "hooks: {PreToolUse: []}",
        "hooks: {Stop: {}}",
        "hooks: {Stop: [{matcher: [a], hooks: []}]}",
        "hooks: {Stop: [{command: x}]}",
        "hooks: {Stop: [{hooks: [{comand: x}]}]}",
        "hooks: {Stop: [{hooks: [{command: x, once: true}]}]}",
        "hooks: {Stop: [{hooks: [{command: x, id: a b}]}]}",
        "hooks: {Stop: [{hooks: [{command: x, env: [A=b]}]}]}",
        "hooks: {Stop: [{hooks: [{command: x, url: 'https://a.example'}]}]}",
        "hooks: {Stop: [{hooks: [{type: http, url: 'ftp://a.example'}]}]}",
        "hooks: {Stop: [{hooks: [{type: http}]}]}",
        "hooks: {Stop: [{hooks: [{type: prompt, prompt: x}]}]}",
        "hooks: {Stop: [{hooks: [{command: x, timeout: 0}]}]}",
    ],
)
def test_what_the_program_refuses_is_marked(text: str) -> None:
    """Both say no."""
    assert list(CONFIG.iter_errors(strict_yaml.load(text)))
    with pytest.raises(ConfigError):
        parse(text, "config.yaml")


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        ("{command: x, tiemout: 5}", "'tiemout' was unexpected"),
        ("{command: x, timeout: soon}", "'soon' is not "),
        ("{type: http, url: 'https://a.example', evn: [A]}", "'evn' was unexpected"),
        ("{type: http}", "'url' is a required property"),
        ("{}", "'command' is a required property"),
        ("{type: prompt, prompt: x}", "'prompt' is not one of ['command', 'http']"),
    ],
)
def test_a_mistake_in_a_handler_is_named(handler: str, told: str) -> None:
    """An editor shows which key it is, and not only that no choice fits."""
    (found,) = CONFIG.iter_errors(strict_yaml.load(f"hooks: {{Stop: [{{hooks: [{handler}]}}]}}"))
    assert told in " ".join([found.message, *(part.message for part in found.context or ())])


@pytest.mark.parametrize(
    "text",
    [
        "hooks: {Stop: [{hooks: [{type: http, url: 'https://a.example', headers: {A: $B}, allowedEnvVars: [B]}]}]}",
        "hooks: {Stop: [{matcher: null, sequential: true, hooks: [{command: x, args: [], if: a, onFailure: block}]}]}",
        "kimi: {models: {a: {retired: 2026-12-31, images: null}}}",
        "kimi: {api_url: null}\nlimits: {tokens_per_day: null}",
    ],
)
def test_what_the_program_takes_is_not_marked(text: str) -> None:
    """Both say yes."""
    assert list(CONFIG.iter_errors(strict_yaml.load(text))) == []
    parse(text, "config.yaml")


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("prompt: x", True),
        ("prompt: x\ngroup: -5298003529\nname: 012\nthread_id: 7", True),
        ("prompt: x\ncontext: a.txt\nafter: [one, two]\nreuse: 24h\nnot_before: 2026-12-01T08:00", True),
        ("prompt: x\ncontext: [a.txt]\nafter: one\nreuse: true\nnot_before: 60\nthinking: disabled", True),
        ("prompt: x\nmetadata: {ticket: 42}\nname: " + "n" * 300, True),
        ("name: x", False),
        ("prompt: x\nprio: 1", False),
        ("prompt: x\nthinking: maybe", False),
        ("prompt: x\ntemperature: 3", False),
        ("prompt: x\nmetadata: 3", False),
        ("prompt: x\ngroup: [a]", False),
    ],
)
def test_task_files_are_marked_as_the_runner_takes_them(text: str, is_good: bool) -> None:
    """Numbers under text keys, one for a list, and no name are all fine."""
    data = strict_yaml.load(text)
    assert (list(TASK.iter_errors(data)) == []) is is_good
    if is_good:
        reading.parse(text.encode(), "a.yaml")
    else:
        with pytest.raises(TaskError):
            reading.parse(text.encode(), "a.yaml")
