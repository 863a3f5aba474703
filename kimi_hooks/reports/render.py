"""Jinja over a text template, the user's own or the shipped one; what comes out is text and nothing else."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kimi_hooks.config import LANGUAGES, Language
from kimi_hooks.errors import TemplateError
from kimi_hooks.mistakes import near
from kimi_hooks.reports import texts
from kimi_hooks.text import written

_SHIPPED = Path(__file__).parent
_OTHER_FILES: Mapping[type[nodes.Node], str] = {
    nodes.Extends: "extends",
    nodes.FromImport: "from",
    nodes.Import: "import",
    nodes.Include: "include",
}
# What a hook's input calls otherwise than a result file does.
_CALLED_HERE: Mapping[str, str] = {"usage": "tokens"}
_ENVIRONMENT = ("env", "environ")


@dataclass(frozen=True)
class Loaded:
    """A checked template, and the values that it uses."""

    template: jinja2.Template
    names: Collection[str]


def template_file(hooks: Path, language: Language) -> Path:
    """Return the template that counts: the user's for this language, the user's for all, the shipped one."""
    named = f"report.{language}.txt.j2"
    own = (hooks / named, hooks / "report.txt.j2")
    # A link that leads nowhere is a mistake to be told, not an absent file.
    return next((path for path in own if os.path.lexists(path)), _SHIPPED / named)


def own_templates() -> Mapping[str, tuple[Language, ...]]:
    """Return the name of each template of the user's own that may be there, with the languages it is for."""
    return {"report.txt.j2": LANGUAGES, **{f"report.{language}.txt.j2": (language,) for language in LANGUAGES}}


def render(path: Path, values: Mapping[str, Any]) -> str:
    """Return the message: at most 3,500 UTF-16 code units, without control characters, never empty.

    Raises TemplateError with file, line and remedy, whatever is wrong with the template.
    """
    template = load(path, values.keys()).template
    try:
        text = texts.fit(template.render(values))
    except Exception as error:
        # A user's expression may raise anything.
        raise TemplateError(_explain(error, path)) from error
    if not text:
        # A chat refuses an empty message, and nobody would know why.
        raise TemplateError(f"{path}: it leaves the report of this task empty; let it print something for every task")
    return text


def load(path: Path, known_names: Collection[str]) -> Loaded:
    """Read and check a template. Raises TemplateError for one that cannot be read, or that uses an unknown name."""
    environment, where = _environment(), str(path)
    try:
        source = path.read_text("utf-8-sig")
        tree = environment.parse(source, filename=where)
        _check_blocks(tree, where)
        _check_names(tree, where, known_names)
        code = environment.compile(source, filename=where)
    except OSError as error:
        raise TemplateError(f"{path}: it cannot be read ({error.strerror}); mend or remove it") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TemplateError(f"{path}:{line}: it is not UTF-8; save it as UTF-8") from error
    except jinja2.TemplateSyntaxError as error:
        told = " ".join((error.message or "it cannot be read").split()).rstrip(".")
        raise TemplateError(f"{path}:{error.lineno}: {told}; mend the tag") from error
    template = environment.template_class.from_code(environment, code, environment.make_globals(None))
    return Loaded(template, meta.find_undeclared_variables(tree))


def _environment() -> jinja2.Environment:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        finalize=written,
    )
    environment.filters["thousands"] = _thousands
    return environment


def _thousands(number: float) -> str:
    return f"{number:,}"


def _check_blocks(tree: nodes.Template, where: str) -> None:
    for node in tree.find_all(tuple(_OTHER_FILES)):
        told = f"{_OTHER_FILES[type(node)]} is not possible here; write the text into this file"
        raise TemplateError(f"{where}:{node.lineno}: {told}")


def _check_names(tree: nodes.Template, where: str, known_names: Collection[str]) -> None:
    unknown = meta.find_undeclared_variables(tree) - {*known_names}
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name in unknown:
            told = f"the name {name.name} is unknown; {_remedy(name.name, known_names)}"
            raise TemplateError(f"{where}:{name.lineno}: {told}")


def _remedy(name: str, known_names: Collection[str]) -> str:
    if name in _CALLED_HERE:
        return f"write {_CALLED_HERE[name]}"
    if name in _ENVIRONMENT or name.isupper():
        return "a report is given no environment and no secrets"
    found = near(name, known_names)
    return f"did you mean {found!r}?" if found else "known names: docs/hooks.md#a-report-of-your-own"


def _explain(error: Exception, path: Path) -> str:
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    told = " ".join(str(error).split()) or type(error).__name__
    remedy = "mend the expression"
    if isinstance(error, jinja2.UndefinedError):
        remedy = "give it a value where it may be missing, as in |default('')"
    return f"{path}:{lines[-1] if lines else 1}: {told}; {remedy}"
