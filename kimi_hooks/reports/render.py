"""Jinja over a text template, the user's own or the shipped one; what comes out is text and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from traceback import walk_tb
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kimi_hooks.config import Language
from kimi_hooks.errors import TemplateError
from kimi_hooks.mistakes import nearest
from kimi_hooks.reports import texts

_SHIPPED = Path(__file__).parent


def template_file(hooks: Path, language: Language) -> Path:
    """Return the template that counts: the user's for this language, the user's for all, the shipped one."""
    named = f"report.{language}.txt.j2"
    own = (hooks / named, hooks / "report.txt.j2")
    # A link that leads nowhere is a mistake to be told, not an absent file.
    return next((path for path in own if os.path.lexists(path)), _SHIPPED / named)


def render(path: Path, values: Mapping[str, Any]) -> str:
    """Return the message: at most 3,500 UTF-16 code units, without control characters.

    Raises TemplateError with file, line and remedy, whatever is wrong with the template.
    """
    template = _load(path, values.keys())
    try:
        return texts.fit(template.render(values))
    except Exception as error:
        # A user's expression may raise anything.
        raise TemplateError(_explain(error, path)) from error


def _load(path: Path, known_names: Collection[str]) -> jinja2.Template:
    environment, where = _environment(), str(path)
    try:
        source = path.read_text("utf-8-sig")
        _check_names(environment.parse(source, filename=where), where, known_names)
        code = environment.compile(source, filename=where)
    except OSError as error:
        raise TemplateError(f"{path}:1: it cannot be read ({error.strerror}); mend or remove it") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TemplateError(f"{path}:{line}: it is not UTF-8; save it as UTF-8") from error
    except jinja2.TemplateSyntaxError as error:
        told = " ".join((error.message or "it cannot be read").split()).rstrip(".")
        raise TemplateError(f"{path}:{error.lineno}: {told}; mend the tag") from error
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


def _environment() -> jinja2.Environment:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        finalize=_text,
    )
    environment.filters["thousands"] = _thousands
    return environment


def _text(value: object) -> object:
    """Write values as the script templates do; a name that is undefined stays so, and is refused."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Mapping() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value


def _thousands(number: float) -> str:
    return f"{number:,}"


def _check_names(tree: nodes.Template, where: str, known_names: Collection[str]) -> None:
    unknown = meta.find_undeclared_variables(tree) - {*known_names}
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name in unknown:
            told = f"the name {name.name} is unknown{nearest(name.name, sorted(known_names))}"
            raise TemplateError(f"{where}:{name.lineno}: {told}; mend the name")


def _explain(error: Exception, path: Path) -> str:
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    told = " ".join(str(error).split()) or type(error).__name__
    remedy = "mend the expression"
    if isinstance(error, jinja2.UndefinedError):
        remedy = "give it a value where it may be missing, as in |default('')"
    return f"{path}:{lines[-1] if lines else 1}: {told}; {remedy}"
