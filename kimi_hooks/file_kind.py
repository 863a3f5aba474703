"""What a file is, by its name and its first bytes: text, an image that models see, a document, or nothing of use."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

# As much as any of the marks below lies within.
HEAD_BYTES = 4096
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PDF = b"%PDF-"


@dataclass(frozen=True)
class Kind:
    """How a file goes to Kimi; `media_type` is what an image is sent under."""

    way: Literal["text", "image", "document"]
    words: str
    media_type: str = ""


TEXT = Kind("text", "text")
_PNG = Kind("image", "PNG image", "image/png")
_JPEG = Kind("image", "JPEG image", "image/jpeg")
_GIF = Kind("image", "GIF image", "image/gif")
_WEBP = Kind("image", "WebP image", "image/webp")
_A_PDF = Kind("document", "PDF document")
_WORD = Kind("document", "Word document")
_EXCEL = Kind("document", "Excel workbook")
_POWERPOINT = Kind("document", "PowerPoint file")
_EPUB = Kind("document", "EPUB book")
_MOBI = Kind("document", "Mobipocket book")

# What models see: png, jpeg, webp, gif; what has its text taken out: these and more, of which the others are text or
# images (Kimi platform docs, "Use the Kimi Vision Model" and "Files", November 2026).
BY_ENDING = {
    ".png": _PNG,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".gif": _GIF,
    ".webp": _WEBP,
    ".pdf": _A_PDF,
    ".docx": _WORD,
    ".doc": _WORD,
    ".dot": _WORD,
    ".xlsx": _EXCEL,
    ".xls": _EXCEL,
    ".pptx": _POWERPOINT,
    ".ppt": _POWERPOINT,
    ".epub": _EPUB,
    ".mobi": _MOBI,
}
_BEGINNINGS = {
    ".doc": _OLE,
    ".dot": _OLE,
    ".xls": _OLE,
    ".ppt": _OLE,
    ".docx": _ZIP,
    ".xlsx": _ZIP,
    ".pptx": _ZIP,
    ".epub": _ZIP,
}
_SVG = "is an SVG drawing, which Kimi does not take; save it as .png, or as .txt if Kimi shall read its source"


def kind_of(name: str, head: bytes) -> Kind:
    """Tell what a file of this name is that begins with these bytes (4096, or all there are).

    Raises ValueError, in words that go on after the file's name, for what is not what its name says and for what
    Kimi cannot be given.
    """
    ending = PurePath(name).suffix.lower()
    if ending == ".svg":
        raise ValueError(_SVG)
    known = BY_ENDING.get(ending)
    if known is None:
        return _without_known_ending(head)
    if _seen(head) != known and not head.startswith(_BEGINNINGS.get(ending, b"\0none")):
        raise ValueError(f"is named {ending} and is not {_a(known)}{_but(head)}")
    return known


def kinds() -> str:
    """Name for a message what may go along."""
    return f"UTF-8 text, {', '.join(BY_ENDING)}"


def _without_known_ending(head: bytes) -> Kind:
    seen = _seen(head)
    if _is_text(head) and seen != _A_PDF:
        return TEXT
    if seen is not None:
        raise ValueError(f"is {_a(seen)}, but its name does not say so; {_rename(seen)}")
    raise ValueError(f"is of a kind that cannot be sent; there are: {kinds()}. Save text as UTF-8, convert other files")


def _but(head: bytes) -> str:
    seen = _seen(head) or (TEXT if _is_text(head) else None)
    if seen is None or not head:
        return "; give the file itself, whole and without a password"
    return f" but {_a(seen)}; {_rename(seen)}"


def _a(kind: Kind) -> str:
    if kind == TEXT:
        return kind.words
    return f"{'an' if kind.words[0] in 'AEIO' else 'a'} {kind.words}"


def _rename(kind: Kind) -> str:
    return f"name it {next((ending for ending, known in BY_ENDING.items() if known == kind), '.txt')}"


def _seen(head: bytes) -> Kind | None:
    """Tell what the bytes alone say; zip archives and OLE files could be anything."""
    begins = {b"\x89PNG\r\n\x1a\n": _PNG, b"\xff\xd8\xff": _JPEG, b"GIF87a": _GIF, b"GIF89a": _GIF, _PDF: _A_PDF}
    for beginning, kind in begins.items():
        if head.startswith(beginning):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _WEBP
    # Readers of PDF take it with up to 1 KiB before its mark.
    if _PDF in head[:1024] and not _is_text(head):
        return _A_PDF
    return _MOBI if head[60:68] == b"BOOKMOBI" else None


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head
