"""Reads the parts of an upload: a body of `multipart/form-data`."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

_BOUNDARY = re.compile(r'multipart/form-data\s*;.*?boundary="?([^";]+)"?', re.IGNORECASE)
_FIELD = re.compile(r'(?<![\w*])name="([^"]*)"')
_FILENAME = re.compile(r'filename="([^"]*)"')
_FILENAME_ENCODED = re.compile(r"filename\*=utf-8''([^;\s]+)", re.IGNORECASE)
_TYPE = re.compile(r"^content-type:[ \t]*([^;\s]+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """One part of an upload; `filename` None: a plain field."""

    name: str
    filename: str | None
    content_type: str | None
    data: bytes


def read(content_type: str, raw: bytes) -> dict[str, Part] | None:
    """Return the parts by their names; None when the body is no upload."""
    found = _BOUNDARY.match(content_type)
    if not found:
        return None
    return {part.name: part for part in _parts(found[1].encode("latin-1", "replace"), raw)}


def _parts(boundary: bytes, raw: bytes) -> Iterator[Part]:
    between = b"\r\n--" + boundary
    # The first boundary may stand at the very beginning.
    at = 0 if raw.startswith(between[2:]) else raw.find(between) + 2
    at += len(between) - 2
    while (end := raw.find(between, at)) >= 0:
        head_end = raw.find(b"\r\n\r\n", at, end)
        if head_end >= 0:
            yield _part(raw[at:head_end].decode("utf-8", "replace"), raw[head_end + 4 : end])
        at = end + len(between)


def _part(head: str, data: bytes) -> Part:
    field, filename, encoded = _FIELD.search(head), _FILENAME.search(head), _FILENAME_ENCODED.search(head)
    name = urllib.parse.unquote(encoded[1]) if encoded else filename[1].replace("%22", '"') if filename else None
    kind = _TYPE.search(head)
    return Part(field[1] if field else "", name, kind[1] if kind else None, data)
