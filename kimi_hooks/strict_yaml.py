"""YAML that holds no surprise: the only door to PyYAML.

Refused with line and column: duplicate keys, anchors and aliases (bombs), tags, nesting deeper than 50, numbers that
JSON does not know. Dates stay text.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from kimi_hooks.text import in_words

MAX_DEPTH = 50
SHORT_LIST = 80
LONGEST_LINE = 1_000_000


class YamlMistakeError(ValueError):
    """The text is not the YAML we take; the message says where and why."""


if TYPE_CHECKING or not yaml.__with_libyaml__:
    _Loader = yaml.SafeLoader
else:
    from yaml.composer import Composer
    from yaml.constructor import SafeConstructor
    from yaml.cyaml import CParser
    from yaml.resolver import Resolver

    class _Loader(Composer, CParser, SafeConstructor, Resolver):
        """The C library reads, many times as fast; nodes are put together in Python, where we can refuse them."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)


class _StrictLoader(_Loader):
    """Refuses what could surprise, and keeps some top-level values as they were written."""

    raw_keys: Collection[str] = ()
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _mistake("anchors and aliases are not taken", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _mistake(f"the tag {event.tag[:60]!r} is not taken; write a plain value", event.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _mistake(f"nested deeper than {MAX_DEPTH}", event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise _mistake("a key must be a plain word", key_node.start_mark)
            if key in seen:
                raise _mistake(f"the key {key!r} stands twice; {_once(value_node)}", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def construct_document(self, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                _keep_as_written(key_node, value_node, self.raw_keys)
        return super().construct_document(node)

    def construct_yaml_float(self, node: Any) -> float:
        number = super().construct_yaml_float(node)
        if not math.isfinite(number):
            raise _mistake("not a number that can be used", node.start_mark)
        return number


def _keep_as_written(key_node: Any, value_node: Any, raw_keys: Collection[str]) -> None:
    if not isinstance(key_node, yaml.ScalarNode) or not isinstance(value_node, yaml.ScalarNode):
        return
    if key_node.value in raw_keys:
        is_null = value_node.tag == "tag:yaml.org,2002:null"
        value_node.tag = value_node.tag if is_null else "tag:yaml.org,2002:str"


# Dates stay text, and so do the merge key `<<`, which needs aliases to be of use, and `=`, which nothing here knows.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith((":timestamp", ":merge", ":value"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _StrictLoader.construct_yaml_float)


def load(text: str, *, raw_keys: Collection[str] = ()) -> Any:
    """Return the one document in `text` as plain Python values.

    `raw_keys` are top-level keys whose plain values stay text as written, so that `group: -5298003529` and
    `name: 012` keep every character. Raises YamlMistakeError.
    """
    try:
        loader = _StrictLoader(text)
        loader.raw_keys = raw_keys
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        raise YamlMistakeError(_describe(error)) from error
    except yaml.reader.ReaderError as error:
        raise YamlMistakeError(f"character {error.position + 1} (U+{error.character:04X}) is not taken") from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise YamlMistakeError(in_words(error)) from error


@dataclass(frozen=True)
class Spot:
    """Where an entry can be added to a block: the number of lines before it, and the column that entries begin in."""

    line: int
    column: int


def end_of_block(text: str, path: Collection[str]) -> Spot | None:
    """Return the end of the mapping or list that the keys lead to; None unless it is there, in block style.

    The text has been loaded before, so it is sound.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in path:
        entries = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for name, value in entries if name.value == key), None)
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return None
    return Spot(_last_line(node), node.start_mark.column)


def _last_line(node: Any) -> int:
    """Return the number of lines up to the end of a node; comments behind it are not its own."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    is_at_next = isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"} and node.end_mark.column == 0
    return int(node.end_mark.line) + (not is_at_next)


class _Dumper(yaml.SafeDumper):
    """Block style for people: lists stand under their key, short lists of words on its line, long texts as they are."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's name
        super().increase_indent(flow, indentless=False)


def _dump_list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    is_short = all(isinstance(item, str) and "\n" not in item for item in value) and sum(map(len, value)) < SHORT_LIST
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=is_short)


def _dump_text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(list, _dump_list)
_Dumper.add_representer(str, _dump_text)


def dump(value: Any) -> str:
    """Return the value as YAML in block style, keys in their order, no line folded."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=LONGEST_LINE)
    return text


def _once(value: Any) -> str:
    """Say how a key that stands twice is made one."""
    kinds = {"sequence": "put both lists under one", "mapping": "put what stands under both under one"}
    return kinds.get(value.id, "keep one")


def _mistake(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _describe(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    begins = error.context_mark if error.problem else None
    inside = f" ({error.context}, which begins in line {begins.line + 1})" if begins and error.context else ""
    return f"{place}{error.problem or error.context or error}{inside}"
