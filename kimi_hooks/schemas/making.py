"""Make the schemas from the models of the code. Only scripts/docs and tests need this."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kimi_hooks.config import Config
from kimi_hooks.events import KINDS
from kimi_hooks.task import TEXT_KEYS, Task
from kimi_hooks.text import THINKING

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLACE = "https://raw.githubusercontent.com/OWNER/kimi-hooks/main/kimi_hooks/schemas/"
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
Meanings = Mapping[str, str]
Schema = dict[str, Any]


@dataclass(frozen=True)
class ConfigMeanings:
    """What each key is for: of the whole file with dots, of the parts by the name of their model, of each event."""

    keys: Meanings
    parts: Mapping[str, Meanings]
    events: Meanings


def config_schema(meanings: ConfigMeanings) -> Schema:
    """Return the schema of config.yaml, with help for each key and one key for each event."""
    made = _plain(Config.model_json_schema(by_alias=True))
    parts = made["$defs"]
    for name, found in meanings.parts.items():
        _explain(parts[name], found)
    for key, field in made["properties"].items():
        nested = parts.get(field.get("$ref", "").rpartition("/")[2])
        if nested:
            _explain(nested, {name: meanings.keys[f"{key}.{name}"] for name in nested["properties"]})
        else:
            field["description"] = _text(meanings.keys[key])
    parts["MatcherPart"]["properties"]["hooks"]["items"] = _handler(parts)
    groups = made["properties"]["hooks"].pop("additionalProperties")
    made["properties"]["hooks"]["properties"] = {
        event: {**groups, "description": _text(meanings.events[event])} for event in KINDS
    }
    made["properties"]["hooks"]["additionalProperties"] = False
    return _headed(made, "config.schema.json", "config.yaml of kimi-hooks")


def task_schema(meanings: Meanings) -> Schema:
    """Return the schema of a `.yaml` or `.json` task file as people may write it, before it is read."""
    made = _plain(Task.model_json_schema(by_alias=True))
    fields = made["properties"]
    # A long name is cut, and none is needed.
    del fields["name"]["maxLength"]
    for name in TEXT_KEYS:
        fields[name] = _also_numbers(fields[name]) if name not in {"context", "after"} else _also_one(fields[name])
    made["required"] = ["prompt"]
    fields["thinking"] = {"enum": [*THINKING, None], "default": None}
    fields["reuse"] = {"type": ["number", "string", "boolean", "null"], "default": None}
    _explain(made, meanings)
    return _headed(made, "task.schema.json", "A task file of kimi-hooks")


def _handler(parts: Mapping[str, Schema]) -> Schema:
    """Return the schema of a handler as one question after the other: of a choice, editors only say that none fits."""
    models = {"command": "CommandPart", "http": "HttpPart"}
    help_ = {"description": parts["CommandPart"]["properties"]["type"]["description"]}
    made: Schema = {"type": "object", "properties": {"type": {"enum": list(models), **help_}}, "allOf": []}
    for kind, model in models.items():
        # A handler that does not say its type is a command.
        required = {"required": ["type"]} if kind == "http" else {}
        asked = {"properties": {"type": {"const": kind, **help_}}, **required}
        made["allOf"].append({"if": asked, "then": {"$ref": f"#/$defs/{model}"}})
    return made


def _headed(made: Schema, name: str, title: str) -> Schema:
    made.pop("title", None)
    made.pop("description", None)
    return {"$schema": DIALECT, "$id": _PLACE + name, "title": title, **made}


def _plain(node: Any) -> Any:
    """Take out what says nothing: titles that only repeat names, and defaults of whole parts."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value if key in {"default", "enum", "const"} else _plain(value) for key, value in node.items()}
    if isinstance(kept.get("title"), str):
        del kept["title"]
    if kept.get("default", 1) in (None, {}, []) or isinstance(kept.get("default"), dict):
        del kept["default"]
    return kept


def _explain(part: Schema, meanings: Meanings) -> None:
    part.pop("description", None)
    for name, field in part["properties"].items():
        field["description"] = _text(meanings[name])


def _text(meaning: str) -> str:
    """Return a cell of a table as plain text."""
    return _LINK.sub(r"\1", meaning).replace("\\|", "|").strip()


def _also_numbers(field: Schema) -> Schema:
    """Numbers under text keys keep every character, so they may stand there without quotes."""
    choices = field.get("anyOf", [{key: value for key, value in field.items() if key != "default"}])
    if {"type": "number"} not in choices:
        choices = [*choices, {"type": "number"}]
    return {"anyOf": choices, **({"default": field["default"]} if "default" in field else {})}


def _also_one(field: Schema) -> Schema:
    """A list of one may be written without being one."""
    return {"anyOf": [field, field["items"]]}
