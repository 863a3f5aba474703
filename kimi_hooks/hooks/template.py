"""Jinja over a shell script, in which no value is ever script text.

Every `{{ tag }}` becomes the reference `"${_khN}"`; the value itself stands only in an assignment `_khN='...'` under
the shebang line. Where the shell would still evaluate such a reference, the template is refused when it is loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import jinja2
from jinja2 import meta, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kimi_hooks.errors import TemplateError
from kimi_hooks.hooks import shell, shell_shebang, template_names
from kimi_hooks.hooks.shell_marks import PLACEHOLDERS, MarkedScript
from kimi_hooks.hooks.shell_remedies import RAW

_TEXTS = "kh texts"
_RESERVED_NAME = re.compile("_\ue001*k\ue001*h[\ue000\ue001]*[0-9]")
_BLOCK_NAMES: Mapping[type, str] = {
    nodes.AssignBlock: "set ... endset",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "filter",
    nodes.FromImport: "from",
    nodes.Scope: "autoescape",
}
_EXPRESSION_ERRORS = (
    jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MemoryError,
    RecursionError,
)  # fmt: skip
_DEEP = "loops, conditions or parentheses stand too deep inside each other; use fewer levels"


class _UnusableValueError(ValueError):
    """A value that cannot stand in a script; the message is `cause; remedy`."""


@dataclass(frozen=True)
class ScriptTemplate:
    """A checked template: whatever the values hold, rendering it gives a script that does not evaluate them."""

    path: Path
    interpreter: tuple[str, ...]
    _shebang: bool = field(repr=False)
    _tags: Mapping[int, Sequence[str]] = field(repr=False, compare=False)
    _template: jinja2.Template = field(repr=False, compare=False)

    def render(self, values: Mapping[str, Any]) -> str:
        texts: list[str] = []
        try:
            script = self._template.render({**values, _TEXTS: texts})
        except _EXPRESSION_ERRORS as error:
            raise TemplateError(self._explain(error)) from error
        preamble = "".join(f"_kh{number}={_quote(text)}\n" for number, text in enumerate(texts, 1))
        first = script.find("\n") + 1 if self._shebang else 0
        return script[:first] + preamble + script[first:]

    def _explain(self, error: Exception) -> str:
        line = _template_line(error.__traceback__, str(self.path))
        tags = " or ".join(self._tags.get(line, ()))
        where = f"{self.path}:{line}: " + (f"in {tags}: " if tags else "")
        if isinstance(error, _UnusableValueError):
            return f"{where}{error}"
        if isinstance(error, jinja2.UndefinedError):
            return f"{where}{error}; give it a value where it may be missing, as in |default('')"
        if isinstance(error, RecursionError):
            return f"{where}the value is nested too deep to be one text; name the part of it that you need"
        return f"{where}{type(error).__name__}: {error}; mend the expression"


def load(path: Path, known_names: Collection[str]) -> ScriptTemplate:
    """Read and check a template file."""
    try:
        source = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise TemplateError(
            f"{path}: it cannot be read ({error.strerror}); mend the path or its permissions"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TemplateError(f"{path}:{line}: it is not UTF-8; save it as UTF-8") from error
    return check_source(source, path, known_names)


def check_source(source: str, path: Path, known_names: Collection[str]) -> ScriptTemplate:
    """Check a template's text; `path` is what messages call it."""
    where = str(path)
    _check_characters(source, where)
    try:
        return _check(source, path, where, known_names)
    except (RecursionError, MemoryError) as error:
        raise TemplateError(f"{where}:1: {_DEEP}") from error


def _check(source: str, path: Path, where: str, known_names: Collection[str]) -> ScriptTemplate:
    environment = _environment()
    try:
        tags = _read_tags(environment, source, where)
        tree = environment.parse(source, filename=where)
        _check_names(tree, where, known_names)
        template = _compile(environment, source, where)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(_explain_syntax(error, where)) from error
    script = _mark(tree, where, tags)
    if found := _RESERVED_NAME.search(script.text):
        line = script.line(found.start())
        raise TemplateError(f"{where}:{line}: names such as _kh1 are kept for values; use another name")
    shebang, interpreter, bash = shell_shebang.read(script, where)
    shell.check(script, where, bash=bash)
    return ScriptTemplate(path, interpreter, shebang, _by_line(tags), template)


@jinja2.pass_context
def _refer(context: Context, value: object) -> str:
    """Keep the value and leave a reference; being given the context, Jinja folds no constant into the script."""
    texts: list[str] = context[_TEXTS]
    texts.append(_checked(_text(value)))
    return f'"${{_kh{len(texts)}}}"'


def _environment() -> jinja2.Environment:
    return ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=False,
        lstrip_blocks=False,
        autoescape=False,
        finalize=_refer,
    )


def _compile(environment: jinja2.Environment, source: str, where: str) -> jinja2.Template:
    try:
        code = environment.compile(source, filename=where)
    except SyntaxError as error:
        # Python's compiler has its own limits: 20 loops, 100 conditions inside each other.
        raise TemplateError(f"{where}:1: {_DEEP}") from error
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


def _text(value: object) -> str:
    match value:
        case jinja2.Undefined():
            return str(value)
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case Mapping() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if callable(value):
        raise _UnusableValueError("a function has no text; call it with () , or write metadata['NAME'] for a key NAME")
    raise _UnusableValueError(f"a {type(value).__name__} has no text; add a filter such as |list or |join(' ')")


def _checked(text: str) -> str:
    remedy = "read it from stdin or from the file in KIMI_RESULT_FILE"
    if "\0" in text:
        raise _UnusableValueError(f"the value holds a NUL, which no shell variable can; {remedy}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _UnusableValueError(f"the value holds half a character (a lone surrogate); {remedy}") from None
    return text


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _template_line(trace: TracebackType | None, where: str) -> int:
    line = 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == where:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _check_characters(source: str, where: str) -> None:
    for char in (*sorted(PLACEHOLDERS), "\0", "\ufeff"):
        line = source[: source.find(char)].count("\n") + 1
        if char in source:
            raise TemplateError(
                f"{where}:{line}: the character U+{ord(char):04X} may not stand in a template; remove it"
            )


def _read_tags(environment: jinja2.Environment, source: str, where: str) -> list[tuple[int, str]]:
    """Every expression as it is written, with its line, in the order of the file."""
    tags: list[tuple[int, str]] = []
    parts: list[str] = []
    line, before = 1, ""
    for number, kind, text in environment.lex(source, filename=where):
        if kind == "variable_begin":
            parts, line = [], number
        elif kind == "variable_end":
            tags.append((line, "".join(parts).strip()))
        elif kind == "comment_begin" and before.endswith("$"):
            raise TemplateError(f"{where}:{number}: a template comment begins directly after a $; {RAW}")
        parts.append(text if kind != "variable_begin" else "")
        before = text
    return tags


def _by_line(tags: Sequence[tuple[int, str]]) -> dict[int, list[str]]:
    lines: dict[int, list[str]] = {}
    for line, expression in tags:
        lines.setdefault(line, []).append(f"{{{{ {expression} }}}}")
    return lines


def _check_names(tree: nodes.Template, where: str, known_names: Collection[str]) -> None:
    unknown = meta.find_undeclared_variables(tree) - set(known_names)
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name in unknown:
            inner = next((node.attr for node in tree.find_all(nodes.Getattr) if node.node == name), "")
            told = f"the name {name.name} is unknown; {template_names.remedy(name.name, inner, known_names)}"
            raise TemplateError(f"{where}:{name.lineno}: {told}")


def _explain_syntax(error: jinja2.TemplateSyntaxError, where: str) -> str:
    message = (error.message or "it cannot be read").rstrip(".")
    remedy = (
        RAW if "comment" in message else "mend the tag, or put text meant for the shell in {% raw %}...{% endraw %}"
    )
    return f"{where}:{error.lineno}: {message}; {remedy}"


def _mark(tree: nodes.Template, where: str, tags: Sequence[tuple[int, str]]) -> MarkedScript:
    script = MarkedScript()
    _Marker(script, where, (expression for _, expression in tags)).walk(tree.body)
    return script


class _Marker:
    """Walks what Jinja has read, so that the shell scanner sees exactly the text that will be rendered."""

    def __init__(self, script: MarkedScript, where: str, expressions: Iterator[str]) -> None:
        self._script = script
        self._where = where
        self._expressions = expressions
        self._steps: dict[type, Callable[[Any], None]] = {
            nodes.Output: self._output,
            nodes.If: self._if,
            nodes.For: self._for,
            nodes.Assign: lambda _: None,
        }

    def walk(self, body: Sequence[nodes.Node]) -> None:
        for node in body:
            self._steps.get(type(node), self._refuse)(node)

    def _output(self, node: nodes.Output) -> None:
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData):
                self._script.add_text(child.data, child.lineno)
            else:
                self._script.add_tag(next(self._expressions), child.lineno)

    def _if(self, node: nodes.If) -> None:
        self._script.open("if", node.lineno)
        self.walk(node.body)
        for other in node.elif_:
            self._script.middle("elif", other.lineno)
            self.walk(other.body)
        self._else(node.else_)
        self._script.close()

    def _for(self, node: nodes.For) -> None:
        if node.recursive:
            raise TemplateError(f"{self._where}:{node.lineno}: a recursive loop is not possible here; use plain loops")
        self._script.open("for", node.lineno)
        self.walk(node.body)
        self._else(node.else_)
        self._script.close()

    def _else(self, body: Sequence[nodes.Node]) -> None:
        if body:
            self._script.middle("else", body[0].lineno)
            self.walk(body)

    def _refuse(self, node: nodes.Node) -> NoReturn:
        line = node.lineno or next(node.iter_child_nodes()).lineno
        name = _BLOCK_NAMES.get(type(node), type(node).__name__.lower())
        remedy = "use only if, for, an inline set and raw"
        raise TemplateError(f"{self._where}:{line}: the block {name} is not possible in a script template; {remedy}")
