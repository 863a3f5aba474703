"""What a file is, by its name and its first bytes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kimi_hooks.file_kind import BY_ENDING, kind_of, kinds
from tests.files import GIF, JPEG, MOBI, OLE, PDF, PNG, WEBP, ZIP

BEGINNINGS = {
    ".png": PNG,
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".gif": GIF,
    ".webp": WEBP,
    ".pdf": PDF,
    ".docx": ZIP,
    ".xlsx": ZIP,
    ".pptx": ZIP,
    ".epub": ZIP,
    ".doc": OLE,
    ".dot": OLE,
    ".xls": OLE,
    ".ppt": OLE,
    ".mobi": MOBI,
}


@pytest.mark.parametrize("ending", BY_ENDING)
def test_each_ending_goes_with_its_beginning(ending: str) -> None:
    """A file whose name and bytes agree is what both say, however the ending is written."""
    assert kind_of(f"a{ending}", BEGINNINGS[ending]) == BY_ENDING[ending]
    assert kind_of(f"A{ending.upper()}", BEGINNINGS[ending]) == BY_ENDING[ending]


@pytest.mark.parametrize("ending", BY_ENDING)
@pytest.mark.parametrize("head", [b"", b"just text", b"\0\1\2\3", b"\x7fELF"], ids=["empty", "text", "nul", "program"])
def test_what_is_not_what_its_name_says_is_refused(ending: str, head: bytes) -> None:
    """An ending promises something; the message says that it is not so."""
    with pytest.raises(ValueError, match=rf"is named \{ending} and is not an? .*; (name it|give the file)"):
        kind_of(f"a{ending}", head)


@pytest.mark.parametrize(
    ("name", "head", "words"),
    [
        ("a.png", JPEG, "is not a PNG image but a JPEG image; name it .jpg"),
        ("a.jpg", PNG, "is not a JPEG image but a PNG image; name it .png"),
        ("a.docx", PDF, "is not a Word document but a PDF document; name it .pdf"),
        ("a.pdf", b"text", "but text; name it .txt"),
        ("a.docx", OLE, "without a password"),
        ("a.xlsx", PDF, "is not an Excel workbook but a PDF document; name it .pdf"),
        ("a.epub", b"text", "is not an EPUB book but text; name it .txt"),
        ("a.txt", PNG, "is a PNG image, but its name does not say so; name it .png"),
        ("report", PDF, "is a PDF document, but its name does not say so; name it .pdf"),
        ("report", b"%PDF-1.4\nall of it ASCII", "name it .pdf"),
        ("book", MOBI, "name it .mobi"),
        ("a.svg", b"<svg/>", "save it as .png"),
        ("a.SVG", PNG, "save it as .png"),
    ],
)
def test_a_refusal_names_the_right_ending(name: str, head: bytes, words: str) -> None:
    """Where the bytes tell what the file is, the message says how to name it; where not, what to do."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the words are looked at below
        kind_of(name, head)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "head",
    [b"\0", ZIP, OLE, b"BM\x36\0", b"II*\0", "a".encode("utf-16"), "中文".encode("big5")],
    ids=["nul", "zip", "ole", "bmp", "tiff", "utf-16", "big5"],
)
@pytest.mark.parametrize("name", ["a", "a.txt", "a.zip", "a.bmp"])
def test_an_unknown_kind_is_refused_with_the_kinds_there_are(name: str, head: bytes) -> None:
    """What is neither text nor known is not sent, and the message lists what is."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - as above
        kind_of(name, head)
    assert kinds() in str(refused.value)
    assert "UTF-8" in str(refused.value)


@pytest.mark.parametrize(
    "head",
    [b"", b"plain", "\ufeff中文".encode(), b"GIF89a is how a GIF begins", "é".encode()[:1], b"notes on %PDF-1.7"],
    ids=["empty", "ascii", "byte order mark", "like a gif", "half a character", "on pdf"],
)
@pytest.mark.parametrize("name", ["a", "a.md", "a.py", ".hidden", "a.b.c"])
def test_all_else_that_is_utf_8_is_text(name: str, head: bytes) -> None:
    """No ending is needed for text, and a character may be cut by the end of what was looked at."""
    assert kind_of(name, head).way == "text"


def test_the_documents_name_every_kind() -> None:
    """docs/kimi.md has each ending in the row of the way that such a file goes."""
    text = (Path(__file__).parent.parent / "docs" / "kimi.md").read_text("utf-8")
    for way in ("image", "document"):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {way} |")]
        assert set(re.findall(r"`(\.\w+)`", row)) == {ending for ending, kind in BY_ENDING.items() if kind.way == way}
