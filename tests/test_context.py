"""The files that go along: found, looked at, read, and bounded in all of it."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kimi_hooks import context
from kimi_hooks.context import DOCUMENT_BYTES, IMAGE_BYTES, IMAGES_BYTES, Found, Limits, look
from kimi_hooks.errors import TaskError
from tests.files import PDF, PNG

WIDE = Limits(10_000_000, 1_000_000_000)


def made(path: Path, content: bytes, size: int | None = None) -> Path:
    """Write a file; `size` makes it look that large without taking the room."""
    path.write_bytes(content)
    if size is not None:
        os.truncate(path, size)
    return path


def refusal(limits: Limits, *paths: Path) -> str:
    with pytest.raises(TaskError) as refused:
        look(paths, limits)
    return str(refused.value)


def the(path: Path, limits: Limits = WIDE) -> Found:
    (found,) = look([path], limits)
    return found


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: None, "there is no such file"),
        (lambda path: path.mkdir(), "is a folder; name the files in it"),
        (os.mkfifo, "is not a plain file"),
        (lambda path: path.symlink_to("/dev/zero"), "is not a plain file"),
        (lambda path: path.symlink_to(path.with_name("other.txt")), "is not a plain file"),
    ],
    ids=["missing", "folder", "pipe", "link to a device", "link that took its place"],
)
def test_only_plain_files_go_along(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    """All else is told by its place and its fault; a pipe without a writer is not waited for."""
    (tmp_path / "other.txt").write_text("x")
    path = tmp_path / "a.txt"
    make(path)
    told = refusal(WIDE, path)
    assert str(path) in told
    assert words in told


def test_a_writer_who_waits_at_a_pipe_is_left_alone(tmp_path: Path) -> None:
    """The pipe is not even opened: its writer, who waits for a reader, still waits."""
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"x",), daemon=True)
    writer.start()
    refusal(WIDE, pipe)
    with pipe.open("rb") as reader:
        assert reader.read() == b"x"
    writer.join()


def test_looking_does_not_read_the_file(tmp_path: Path) -> None:
    """A document of 100 MB is told by its beginning and its size."""
    path = made(tmp_path / "a.pdf", PDF, DOCUMENT_BYTES)
    begun = _bytes_read()
    assert the(path) == Found(path, the(path).kind, DOCUMENT_BYTES, DOCUMENT_BYTES)
    assert _bytes_read() - begun < 100_000


@pytest.mark.parametrize(
    ("name", "content", "most"), [("a.pdf", PDF, DOCUMENT_BYTES), ("a.png", PNG, IMAGE_BYTES)], ids=["pdf", "png"]
)
def test_one_file_has_a_limit_of_its_own(tmp_path: Path, name: str, content: bytes, most: int) -> None:
    """What Kimi or a model does not take is refused here, with both sizes, however high max_context_bytes is."""
    path = made(tmp_path / name, content, most)
    assert the(path).size == most
    told = refusal(WIDE, made(path, content, most + 1))
    assert str(path) in told
    assert str(most) in told
    assert str(most + 1) in told


def test_texts_count_together(tmp_path: Path) -> None:
    """Texts are bounded by max_task_bytes, and nothing else counts there."""
    paths = [made(tmp_path / "a.txt", b"x" * 60), made(tmp_path / "b.txt", b"y" * 40), made(tmp_path / "c.png", PNG)]
    assert len(look(paths, Limits(100, 1000))) == 3
    told = refusal(Limits(99, 1000), *paths)
    assert "max_task_bytes" in told
    assert "a.txt" in told


def test_images_and_documents_count_together(tmp_path: Path) -> None:
    """They are bounded by max_context_bytes, and texts do not count there."""
    paths = [
        made(tmp_path / "a.pdf", PDF, 600),
        made(tmp_path / "b.png", PNG, 400),
        made(tmp_path / "c.txt", b"x" * 900),
    ]
    assert len(look(paths, Limits(1000, 1000))) == 3
    told = refusal(Limits(1000, 999), *paths)
    assert "max_context_bytes" in told
    assert "a.pdf" in told


def test_images_together_must_fit_into_a_request(tmp_path: Path) -> None:
    """They travel in the request itself, which Kimi takes up to a size."""
    paths = [made(tmp_path / f"{at}.png", PNG, IMAGE_BYTES) for at in range(IMAGES_BYTES // IMAGE_BYTES + 1)]
    assert len(look(paths[:-1], WIDE)) == len(paths) - 1
    assert "images of the task" in refusal(WIDE, *paths)


def test_a_file_that_grows_without_end_is_left_at_its_limit(tmp_path: Path) -> None:
    """What was small when somebody looked is not read for ever."""
    path = made(tmp_path / "a.txt", b"x")
    found = the(path, Limits(1000, 1000))
    path.write_bytes(b"x" * 1000)
    assert context.read(found) == b"x" * 1000
    path.write_bytes(b"x" * 1001)
    for reader in (context.read, context.digest, context.read_text):
        with pytest.raises(TaskError, match="has grown beyond 1000 bytes"):
            reader(found)


def test_what_has_grown_within_the_limit_is_read_whole(tmp_path: Path) -> None:
    """The size that was seen is no promise: no file is cut."""
    path = made(tmp_path / "a.txt", b"x")
    found = the(path)
    path.write_bytes(b"y" * 3_000_000)
    assert context.read(found) == b"y" * 3_000_000
    assert context.digest(found) == hashlib.sha256(b"y" * 3_000_000).hexdigest()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["without", "with"])
def test_text_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, mark: bytes) -> None:
    """The mark is no part of the text."""
    assert context.read_text(the(made(tmp_path / "a.txt", mark + "中文\r\n".encode()))) == "中文\r\n"


@pytest.mark.parametrize(
    ("end", "words"), [(b"\xff", r"not UTF-8 text \(byte 5001\)"), (b"\0", "NUL")], ids=["no utf-8", "nul"]
)
def test_what_stops_being_text_further_on_is_refused(tmp_path: Path, end: bytes, words: str) -> None:
    """The beginning is no promise either."""
    with pytest.raises(TaskError, match=words):
        context.read_text(the(made(tmp_path / "a.txt", b"x" * 5000 + end)))


def test_a_name_of_any_bytes_can_be_sent(tmp_path: Path) -> None:
    """A file's name need not be UTF-8; what is sent of it is."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt"))
    path.write_text("x")
    assert the(path).name == "\ufffd.txt"


def _bytes_read() -> int:
    """Return how much this process has read; where the system does not tell, nothing is proved."""
    told = Path("/proc/self/io")
    return int(told.read_text().split()[1]) if told.exists() else 0


def test_all_files_that_are_of_no_use_are_named(tmp_path: Path) -> None:
    """Whoever mends one need not come back for the next; what is wrong with their sum waits until each is sound."""
    good, folder = made(tmp_path / "a.txt", b"text"), tmp_path / "folder"
    folder.mkdir()
    told = refusal(WIDE, tmp_path / "missing.txt", good, folder, made(tmp_path / "b.png", b"text"))
    places = [told.index(str(path)) for path in (tmp_path / "missing.txt", folder, tmp_path / "b.png")]
    assert places == sorted(places)
    assert str(good) not in told
    assert "\n" not in told


def test_of_very_many_bad_files_some_are_named(tmp_path: Path) -> None:
    """A message is no list of a folder."""
    told = refusal(WIDE, *(tmp_path / f"{number}.txt" for number in range(30)))
    assert told.count("there is no such file") == 10
    assert told.endswith("; and 20 more")
