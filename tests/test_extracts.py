"""The texts of documents are kept, and none is asked for twice."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kimi_hooks.context import DOCUMENT_BYTES, Found
from kimi_hooks.errors import TaskError
from kimi_hooks.extracts import STANDIN, Extracts, tidy, whose_kimi
from kimi_hooks.file_kind import BY_ENDING
from tests.files import PDF


@pytest.fixture
def file(tmp_path: Path) -> Found:
    path = tmp_path / "a.pdf"
    path.write_bytes(PDF)
    return Found(path, BY_ENDING[".pdf"], len(PDF), DOCUMENT_BYTES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "extracts"


def saying(text: str) -> Callable[[bytes], str]:
    return lambda _: text


def never(_: bytes) -> str:
    raise AssertionError("this must not be asked for")


def test_a_text_is_kept_whole_and_private(folder: Path, file: Found) -> None:
    """It lies under the document's sum, readable by its owner alone, and is used from then on."""
    text = "Überschrift 標題\r\n" * 1000
    assert Extracts(folder).text(file, STANDIN, lambda _: text, None) == text
    kept = folder / STANDIN / f"{hashlib.sha256(PDF).hexdigest()}.txt"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert Extracts(folder).text(file, STANDIN, never, None) == text


def test_other_bytes_are_another_document(folder: Path, file: Found) -> None:
    """A document that was changed under its name is extracted anew."""
    Extracts(folder).text(file, STANDIN, lambda _: "first", None)
    file.path.write_bytes(PDF + b"more")
    assert Extracts(folder).text(file, STANDIN, lambda data: f"{len(data)} bytes", None) == f"{len(PDF) + 4} bytes"


def test_what_changes_while_it_is_uploaded_is_kept_under_what_was_uploaded(folder: Path, file: Found) -> None:
    """The sum is that of the bytes that went out, so no text is ever kept for other bytes."""
    before, extracts = Extracts(folder), Extracts(folder)
    before.text(file, STANDIN, lambda _: "old", None)

    def swap(data: bytes) -> str:
        file.path.write_bytes(PDF)
        return data.decode("latin-1")

    file.path.write_bytes(PDF + b"new")
    assert extracts.text(file, STANDIN, swap, None).endswith("new")
    assert extracts.text(file, STANDIN, never, None) == "old"


def test_texts_of_different_makers_are_never_mixed(folder: Path, file: Found) -> None:
    """Each host and the imitation have their own."""
    makers = [STANDIN, whose_kimi("api.moonshot.cn"), whose_kimi("api.moonshot.ai"), whose_kimi(STANDIN)]
    for maker in makers:
        Extracts(folder).text(file, maker, saying(f"by {maker}"), None)
    assert [Extracts(folder).text(file, maker, never, None) for maker in makers] == [f"by {maker}" for maker in makers]


@pytest.mark.parametrize("host", ["..", "../../etc", "a/b", "x" * 300, "[::1]", "API.example"])
def test_no_host_leads_out_of_the_folder(folder: Path, host: str) -> None:
    """A host's name comes from a setting; it never is a path, and always a name that a file system takes."""
    made = folder / whose_kimi(host)
    made.mkdir(parents=True)
    assert made.resolve().parent == folder.resolve()


def test_a_document_without_text_is_refused_and_not_kept(folder: Path, file: Found) -> None:
    """Asking about nothing would be paid for; the remedy is told."""
    with pytest.raises(TaskError, match=r"a\.pdf: no text was found in it; give its pages as images"):
        Extracts(folder).text(file, STANDIN, lambda _: " \n", None)
    assert Extracts(folder).text(file, STANDIN, lambda _: "text", None) == "text"


def test_many_who_need_the_same_document_upload_it_once(folder: Path, file: Found) -> None:
    """Tasks that start together share one upload."""
    extracts, go, calls = Extracts(folder), threading.Barrier(8), []

    def extract(_: bytes) -> str:
        calls.append(1)
        return "text"

    def work() -> str:
        go.wait()
        return extracts.text(file, STANDIN, extract, 30.0)

    with ThreadPoolExecutor(8) as pool:
        assert {future.result() for future in [pool.submit(work) for _ in range(8)]} == {"text"}
    assert len(calls) == 1


def test_who_waits_too_long_asks_for_itself(folder: Path, file: Found) -> None:
    """Its own time is what counts: the call then tells that it is over."""
    extracts, begun, release = Extracts(folder), threading.Event(), threading.Event()

    def slow(_: bytes) -> str:
        begun.set()
        release.wait(30)
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(extracts.text, file, STANDIN, slow, None)
        assert begun.wait(30)
        assert extracts.text(file, STANDIN, lambda _: "own", -1.0) == "own"
        release.set()
        assert first.result() == "slow"


def test_a_failed_upload_leaves_the_way_free(folder: Path, file: Found) -> None:
    """What fails for one is tried by the next."""
    extracts = Extracts(folder)
    with pytest.raises(ConnectionError):
        extracts.text(file, STANDIN, lambda _: (_ for _ in ()).throw(ConnectionError()), None)
    assert extracts.text(file, STANDIN, lambda _: "text", 0.0) == "text"


def test_a_spoilt_text_is_made_anew(folder: Path, file: Found) -> None:
    """What is no text of ours is not sent."""
    Extracts(folder).text(file, STANDIN, lambda _: "text", None)
    (kept,) = folder.glob("*/*.txt")
    kept.write_bytes(b"\xff")
    assert Extracts(folder).text(file, STANDIN, lambda _: "anew", None) == "anew"


def test_what_nobody_has_used_for_long_is_tidied(folder: Path, file: Found) -> None:
    """Use keeps a text; a writer's leftovers go at once."""
    Extracts(folder).text(file, STANDIN, lambda _: "text", None)
    (kept,) = folder.glob("*/*.txt")
    os.utime(kept, (1000, 1000))
    Extracts(folder).text(file, STANDIN, never, None)
    (kept.parent / ".tmp-left").touch()
    tidy(folder, 2000)
    assert list(kept.parent.iterdir()) == [kept]
    os.utime(kept, (1000, 1000))
    tidy(folder, 2000)
    assert list(kept.parent.iterdir()) == []
