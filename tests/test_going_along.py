"""What Kimi is given with a task: texts, images, documents, and all of it within the model's window."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kimi_hooks.extracts import STANDIN, whose_kimi
from kimi_hooks.recovery import KEEP_EXTRACTS_SECONDS
from tests.files import JPEG, OLE, PDF, PNG
from tests.house import KEY, House
from tests.kimi.desk import Desk, Letter, desk, parts_of

JSON = {"Content-Type": "application/json"}
CHAT = "POST /v1/chat/completions"
UPLOAD = ["POST /v1/files", "GET /v1/files/f1/content", "DELETE /v1/files/f1"]
COUNT = "POST /v1/tokenizers/estimate-token-count"


def letter(said: object, status: int = 200) -> Letter:
    return Letter(status, json.dumps(said).encode(), JSON)


def answer(text: str = "the answer") -> Letter:
    message = {"role": "assistant", "content": text}
    return letter({"model": "kimi-k3", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


def extraction(text: str) -> list[Letter]:
    uploaded = {"id": "f1", "object": "file", "status": "ok"}
    return [letter(uploaded), letter({"content": text, "filename": "a.pdf"}), letter({"deleted": True, "id": "f1"})]


def refused(status: int) -> Letter:
    return letter({"error": {"message": "no", "type": "server_error"}}, status)


@pytest.fixture
def kimis_desk(house: House) -> Iterator[Desk]:
    """Put a server that says what it is told in Kimi's place."""
    with desk() as opened:
        house.environ["KIMI_API_URL"] = opened.url
        yield opened


@pytest.fixture
def window(house: House) -> Callable[[int], None]:
    """Return what makes the default model's window that large."""
    return lambda tokens: house.configure(kimi={"models": {"kimi-k3": {"context": tokens}}})


def asked(house: House) -> list[dict[str, Any]]:
    """Return the messages of the only chat request."""
    (request,) = house.kimi.requests
    assert request.body is not None
    messages: list[dict[str, Any]] = request.body["messages"]
    return messages


def failure(house: House) -> dict[str, Any]:
    """Return the error of the only task."""
    error: dict[str, Any] = house.result()["error"]
    return error


def test_images_stand_before_the_prompt_in_one_message(house: House) -> None:
    """Each as base64 under its own media type, in the order of the task; a list of their names tells which is which."""
    (house.home / "a.png").write_bytes(PNG)
    (house.home / "b.jpg").write_bytes(JPEG)
    house.drop("a.json", {"prompt": "compare", "system": "be brief", "context": ["b.jpg", "a.png"]})
    house.drain()
    system, names, user = asked(house)
    assert system["content"] == "be brief"
    assert names == {"role": "system", "content": "The images, in this order: b.jpg, a.png"}
    urls = [part["image_url"]["url"] for part in user["content"][:-1]]
    assert urls == [
        f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}",
        f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
    ]
    assert user["content"][-1] == {"type": "text", "text": "compare"}
    assert house.result()["outcome"] == "done"


def test_one_image_needs_no_list(house: House) -> None:
    """There is nothing to be told apart."""
    (house.home / "a.png").write_bytes(PNG)
    house.drop("a.json", {"prompt": "what is it?", "context": "a.png"})
    house.drain()
    assert [message["role"] for message in asked(house)] == ["user"]


def test_a_model_without_eyes_is_not_sent_images(house: House) -> None:
    """The refusal names the file, and models that take images; a model that is not known is asked."""
    house.configure(kimi={"models": {"blind": {"images": False}}})
    (house.home / "a.png").write_bytes(PNG)
    house.drop("a.json", {"prompt": "x", "context": "a.png", "model": "blind"})
    house.drain()
    assert house.kimi.requests == ()
    assert failure(house)["kind"] == "invalid_task"
    assert "a.png: blind takes no images" in failure(house)["message"]
    assert "kimi-k3" in failure(house)["message"]
    house.drop("b.json", {"prompt": "x", "context": "a.png", "model": "nobody-knows-it"})
    house.drain()
    assert len(house.kimi.requests) == 1


def test_the_text_of_a_document_goes_along_like_a_text_file(
    house: House, kimis_desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes up, its text comes back, it is deleted; then Kimi is asked with the text and never with the bytes."""
    caplog.set_level("INFO")
    (house.home / "report.pdf").write_bytes(PDF)
    kimis_desk.letters += [*extraction("what it says: 標題"), answer()]
    house.drop("a.json", {"prompt": "sum it up", "context": "report.pdf"})
    house.drain()
    assert kimis_desk.lines == [*UPLOAD, CHAT]
    form = dict(parts_of(kimis_desk.came[0].body, kimis_desk.came[0].headers["content-type"]))
    assert any('filename="report.pdf"' in head and content == PDF for head, content in form.items())
    body = json.loads(kimis_desk.came[-1].body)
    assert body["messages"] == [
        {"role": "system", "content": "File report.pdf:\n\nwhat it says: 標題"},
        {"role": "user", "content": "sum it up"},
    ]
    assert house.result()["output"] == "the answer"
    assert {came.headers["authorization"] for came in kimis_desk.came} == {f"Bearer {KEY}"}
    assert "report.pdf goes to 127.0.0.1" in caplog.text
    assert KEY not in caplog.text


def test_a_document_is_uploaded_once(house: House, kimis_desk: Desk) -> None:
    """Neither a retry nor a later task nor another runner uploads it again."""
    (house.home / "a.pdf").write_bytes(PDF)
    kimis_desk.letters += [*extraction("text"), refused(500), answer(), answer()]
    house.drop("a.json", {"prompt": "first", "context": "a.pdf"})
    house.drain()
    (house.home / "copy.pdf").write_bytes(PDF)
    house.drop("b.json", {"prompt": "second", "context": "copy.pdf"})
    house.drain()
    assert kimis_desk.lines == [*UPLOAD, CHAT, CHAT, CHAT]
    assert json.loads(kimis_desk.came[-1].body)["messages"][0]["content"] == "File copy.pdf:\n\ntext"


def test_an_upload_that_fails_for_now_is_tried_again(house: House, kimis_desk: Desk) -> None:
    """It is a failed call as any other."""
    (house.home / "a.pdf").write_bytes(PDF)
    kimis_desk.letters += [refused(503), *extraction("text"), answer()]
    house.drop("a.json", {"prompt": "x", "context": "a.pdf"})
    house.drain()
    assert (house.result()["outcome"], house.result()["attempts"]) == ("done", 2)


def test_a_document_without_text_fails_the_task_before_it_is_asked(house: House, kimis_desk: Desk) -> None:
    """Nothing is asked about nothing."""
    (house.home / "a.pdf").write_bytes(PDF)
    kimis_desk.letters += extraction("")
    house.drop("a.json", {"prompt": "x", "context": "a.pdf"})
    house.drain()
    assert kimis_desk.lines == UPLOAD
    assert failure(house)["kind"] == "invalid_task"
    assert "no text was found" in failure(house)["message"]


def test_a_document_of_an_imitated_task_never_goes_to_kimi(house: House, kimis_desk: Desk) -> None:
    """Not even the text that Kimi took out of it is used for the other."""
    (house.home / "a.pdf").write_bytes(PDF)
    kept = house.workspace.extracts / whose_kimi("127.0.0.1")
    house.drop("a.json", {"prompt": "x", "context": "a.pdf", "standin": True})
    house.drain()
    assert kimis_desk.came == []
    assert not kept.exists()
    kimis_desk.letters += [*extraction("by Kimi"), answer()]
    house.drop("b.json", {"prompt": "x", "context": "a.pdf"})
    house.drain()
    assert kimis_desk.lines == [*UPLOAD, CHAT]
    assert [file.read_text() for file in kept.iterdir()] == ["by Kimi"]
    imitated = house.workspace.extracts / STANDIN
    assert all("by Kimi" not in file.read_text() for file in imitated.glob("*.txt"))


def test_kept_texts_are_tidied_at_the_start(house: House) -> None:
    """What nobody has used for thirty days goes when a runner starts."""
    house.drain()
    folder = house.workspace.extracts / STANDIN
    folder.mkdir()
    for name, age in (("old.txt", KEEP_EXTRACTS_SECONDS + 60), ("young.txt", KEEP_EXTRACTS_SECONDS - 600)):
        (folder / name).write_text("x")
        since = (folder / name).stat().st_mtime - age
        os.utime(folder / name, (since, since))
    house.drain()
    assert [file.name for file in folder.iterdir()] == ["young.txt"]


def test_a_request_that_fits_by_the_guess_costs_no_question(
    house: House, kimis_desk: Desk, window: Callable[[int], None]
) -> None:
    """One call for a short task."""
    window(1000)
    kimis_desk.letters += [answer()]
    house.drop("a.json", {"prompt": "hello", "max_tokens": 500})
    house.drain()
    assert kimis_desk.lines == [CHAT]


def test_a_request_that_may_be_too_long_is_counted_by_kimi(
    house: House, kimis_desk: Desk, window: Callable[[int], None]
) -> None:
    """What fits by Kimi's count is sent; what was counted is what would be sent."""
    window(1000)
    kimis_desk.letters += [letter({"data": {"total_tokens": 1000}}), answer()]
    house.drop("a.json", {"prompt": "x" * 4000, "system": "be brief"})
    house.drain()
    assert kimis_desk.lines == [COUNT, CHAT]
    counted, sent = (json.loads(came.body) for came in kimis_desk.came)
    assert counted == {"model": "kimi-k3", "messages": sent["messages"]}


def test_a_request_that_is_too_long_is_not_sent(house: House, kimis_desk: Desk, window: Callable[[int], None]) -> None:
    """The task fails at once with the numbers, the window, and a model that would take it."""
    window(1000)
    kimis_desk.letters += [letter({"data": {"total_tokens": 901}})]
    (house.home / "long.txt").write_text("strength " * 400)
    house.drop("a.json", {"prompt": "x", "context": "long.txt", "max_tokens": 100})
    house.drain()
    assert kimis_desk.lines == [COUNT]
    told = failure(house)
    assert told["kind"] == "invalid_request"
    for words in ("901 tokens", "100 of max_tokens", "holds 1000", "fewer or shorter files", "kimi-k2.6 (262144)"):
        assert words in told["message"]
    assert house.result()["attempts"] == 1


def test_where_nobody_counts_kimi_decides(house: House, kimis_desk: Desk, window: Callable[[int], None]) -> None:
    """A host without that call is asked, but for what can fit by no count."""
    window(1000)
    kimis_desk.letters += [refused(404), answer(), refused(404)]
    house.drop("a.json", {"prompt": "x " * 2000})
    house.drain()
    assert kimis_desk.lines == [COUNT, CHAT]
    house.drop("b.json", {"prompt": "strength " * 1000})
    house.drain()
    assert kimis_desk.lines == [COUNT, CHAT, COUNT]
    assert sorted(entry.outcome or "" for entry in house.entries()) == ["done", "failed"]


def test_a_cap_as_large_as_the_window_is_refused(house: House) -> None:
    """No prompt would fit beside it."""
    house.drop("a.json", {"prompt": "x", "max_tokens": 2_000_000})
    house.drain()
    assert house.kimi.requests == ()
    assert failure(house)["kind"] == "invalid_request"
    assert "max_tokens 2000000" in failure(house)["message"]


EARLY: dict[str, tuple[Callable[[Path], object], str]] = {
    "a.png": (lambda path: path.write_bytes(b"no image"), "is named .png and is not a PNG image"),
    "a.svg": (lambda path: path.write_text("<svg/>"), "SVG"),
    "a.zip": (lambda path: path.write_bytes(b"PK\3\4\0"), "there are: UTF-8 text"),
    "a.docx": (lambda path: path.write_bytes(OLE), "without a password"),
    "large.pdf": (lambda path: path.write_bytes(PDF.ljust(2001)), "max_context_bytes"),
    "long.txt": (lambda path: path.write_bytes(b"x" * 2001), "max_task_bytes"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "pipe.txt": (os.mkfifo, "is not a plain file"),
    "missing.txt": (lambda _: None, "there is no such file"),
}


@pytest.mark.parametrize("name", EARLY)
def test_what_cannot_go_along_is_refused_at_once(house: House, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """By `dispatch` before a task is dropped, and by the runner before it is accepted; the file and the fault are told."""
    make, words = EARLY[name]
    house.configure(max_task_bytes=2000, max_context_bytes=2000)
    make(house.home / name)
    monkeypatch.chdir(house.home)
    finished = house.call("dispatch", "-p", "x", "--context", name)
    assert finished.returncode == 1
    assert words in finished.stderr
    assert "Traceback" not in finished.stderr
    assert list(house.workspace.outbox.iterdir()) == []
    house.drop("a.json", {"prompt": "x", "context": name})
    house.drain()
    assert words in house.reason()
    assert name in house.reason()
    assert house.kimi.requests == ()


def test_what_another_task_makes_is_looked_at_when_its_turn_comes(house: House) -> None:
    """A task that waits for another one is accepted with files that are not there yet, or are no good yet."""
    (house.home / "made.png").write_bytes(b"not yet")
    house.drop("1.json", {"prompt": "first", "name": "first"})
    house.drop("2.json", {"prompt": "second", "after": "first", "context": "made.png"})
    house.drain()
    assert house.prompts() == ["first"]
    second = house.result(house.entries()[1].id)
    assert second["error"]["kind"] == "invalid_task"
    assert "is not a PNG image" in second["error"]["message"]
