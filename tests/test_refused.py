"""A file that cannot be accepted is kept with the reason beside it, ends as a failed task, and hurts nobody else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kimi_hooks.states import State
from tests.house import House

BAD: dict[str, tuple[str, bytes, str]] = {
    "broken yaml": ("bad.yaml", b"prompt: [unclosed", "line 1"),
    "broken front matter": ("bad.md", b"---\nname: [x\n---\nhello", "front matter"),
    "open front matter": ("bad.md", b"---\nname: x\nstandin: true\n", "no second line"),
    "broken json": ("bad.json", b'{"prompt": ', "broken JSON"),
    "unknown key": ("bad.yaml", b"prompt: x\nmodle: kimi-k3\n", "did you mean 'model'?"),
    "prompt in front matter": ("bad.md", b"---\nprompt: x\n---\nhello", "below the front matter"),
    "empty prompt": ("bad.md", b" \n\t\n", "prompt: is empty"),
    "no prompt": ("bad.yaml", b"name: x\n", "prompt"),
    "not utf-8": ("bad.md", "中文".encode("big5"), "is not UTF-8"),
    "utf-16": ("bad.txt", "hello".encode("utf-16"), "is not UTF-8"),
    "too large": ("bad.md", b"x" * 1001, "larger than 1000 bytes"),
    "nul": ("bad.md", b"a\0b", "NUL"),
    "half a surrogate pair": ("bad.json", b'{"prompt": "\\ud800"}', "surrogate"),
    "not a mapping": ("bad.json", b"[1, 2]", "keys and values"),
    "key twice": ("bad.json", b'{"prompt": "a", "prompt": "b"}', "stands twice"),
    "yaml bomb": ("bad.yaml", b"a: &a [x]\nprompt: *a\n", "aliases"),
    "python tag": ("bad.yaml", b"prompt: !!python/object/apply:os.system [id]\n", "tag"),
    "not a number": ("bad.json", b'{"prompt": "x", "timeout": NaN}', "NaN"),
    "deep": ("bad.json", b'{"prompt": ' + b"[" * 900 + b"]" * 900 + b"}", "prompt"),
    "context outside": ("bad.yaml", b"prompt: x\ncontext: [/etc/passwd]\n", "outside the allowed folders"),
    "context climbs out": ("bad.yaml", b"prompt: x\ncontext: [../../etc/passwd]\n", "outside the allowed folders"),
    "context is a secret": ("bad.yaml", b"prompt: x\ncontext: [.env.kimi]\n", "is a secret"),
    "context from the spool": ("bad.yaml", b"prompt: x\ncontext: [spool/journal.db]\n", "is a secret"),
    "context is not there": ("bad.yaml", b"prompt: x\ncontext: [nothing.txt]\n", "no such file"),
    "two-line name": ("bad.json", b'{"prompt": "x", "name": "a\\nb"}', "line break"),
    "bad time": ("bad.yaml", b"prompt: x\nnot_before: soon\n", "ISO time"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_kept_with_its_reason(house: House, case: str) -> None:
    """Each kind of bad file: kept whole, the reason next to it, a failed result, a log line; the next one is answered."""
    name, content, reason = BAD[case]
    house.configure(max_task_bytes=1000) if case == "too large" else None
    house.drop(name, content)
    house.drop("good.md", "good")
    house.drain()
    (kept,) = house.rejected()
    assert kept.read_bytes() == content
    assert reason in house.reason()
    failed = next(entry for entry in house.entries() if entry.state is State.FAILED)
    result = house.result(failed.id)
    assert (result["outcome"], result["error"]["kind"]) == ("failed", "invalid_task")
    assert reason in result["error"]["message"]
    assert house.prompts() == ["good"]
    assert list(house.workspace.incoming.iterdir()) == []


def test_a_bad_file_fires_task_failed(house: House) -> None:
    """The owner is told by the same hooks as of any failure, with the kind to match on."""
    house.hook("#!/bin/sh\ncat > told.json\n", event="TaskFailed")
    house.configure(
        {"TaskFailed": [{"matcher": "invalid_task", "hooks": [{"id": "my-hook", "command": "hooks/hook.sh"}]}]}
    )
    house.drop("bad.yaml", "promt: x\n")
    house.drain()
    told = json.loads((house.home / "told.json").read_text())
    assert told["error"]["kind"] == "invalid_task"
    assert told["task_name"] == "bad"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "symbolic link"),
        (os.mkfifo, "not a plain file"),
        (lambda path: path.symlink_to(path.parent / "nowhere"), "symbolic link"),
    ],
    ids=["symlink", "fifo", "dangling symlink"],
)
def test_what_is_no_plain_file_is_refused(house: House, make: Callable[[Path], None], reason: str) -> None:
    """A link or a pipe is not followed and not waited for."""
    make(house.workspace.outbox / "odd.md")
    house.drain()
    assert reason in house.reason()
    assert house.kimi.requests == ()


def test_a_file_without_read_permission_is_refused(open_house: House) -> None:
    """The reason says what to do; root, who may read all, is put aside by a child that is nobody."""
    if os.getuid() == 0:
        _drain_as_nobody(open_house, open_house.drop("secret.md", "x"))
    else:
        open_house.drop("secret.md", "x").chmod(0)
        open_house.drain()
    assert "read permission" in open_house.reason()


def test_a_link_in_the_workspace_does_not_lead_context_out_of_it(house: House) -> None:
    """Where a context file really lies is what counts."""
    (house.home / "inside.txt").symlink_to("/etc/passwd")
    house.drop("a.yaml", "prompt: x\ncontext: [inside.txt]\n")
    house.drain()
    assert "outside the allowed folders" in house.reason()


def test_where_a_task_says_it_was_sent_from_counts_only_for_our_own_files(house: House, tmp_path: Path) -> None:
    """`dispatched_from` opens a folder for context: but not when somebody else wrote the file."""
    (tmp_path / "notes.txt").write_text("the notes")
    task = {"prompt": "x", "context": ["notes.txt"], "dispatched_from": str(tmp_path)}
    house.drop("ours.json", task)
    house.drain()
    body = house.kimi.requests[0].body
    assert body is not None
    assert body["messages"][0]["content"].endswith("the notes")
    if os.getuid() == 0:
        os.chown(house.drop("theirs.json", task), 65534, -1)
        house.drain()
        assert len(house.kimi.requests) == 1


def test_context_roots_replace_the_default(house: House, tmp_path: Path) -> None:
    """With context_roots set, nothing else is open, wherever the task came from."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.txt").write_text("open text")
    (house.home / "b.txt").write_text("closed text")
    house.configure(context_roots=[str(tmp_path / "open")])
    house.drop("a.json", {"prompt": "x", "context": [str(tmp_path / "open" / "a.txt")]})
    house.drop("b.json", {"prompt": "x", "context": ["b.txt"]})
    house.drain()
    assert len(house.kimi.requests) == 1
    assert "outside the allowed folders" in house.reason()


def test_context_that_vanished_fails_the_task_before_anything_is_sent(house: House) -> None:
    """A file named for later and missing then is an invalid task, not a call without it."""
    house.drop("1.json", {"prompt": "first", "name": "first"})
    house.drop("2.json", {"prompt": "second", "after": "first", "context": "made-by-first.txt"})
    house.drain()
    assert house.prompts() == ["first"]
    assert house.entries()[1].error_kind == "invalid_task"


def test_a_long_name_is_cut_with_a_warning(house: House) -> None:
    """Two hundred characters are kept, and the result says that there were more."""
    house.drop("a.json", {"prompt": "x", "name": "長" * 300})
    house.drain()
    assert house.result()["task_name"] == "長" * 200
    assert any("200" in warning for warning in house.result()["warnings"])


@pytest.mark.parametrize("name", ["長" * 80 + ".md", "x" * 252 + ".md", "-rf.md", "a b'\"$(id).md", "..md"])
def test_strange_file_names_are_taken(house: House, name: str) -> None:
    """No name of a file is ever used as a path or a word of a command; `..md` is a dotfile and stays."""
    house.drop(name, "hello")
    house.drain()
    assert len(house.entries()) == (0 if name.startswith(".") else 1)


def test_a_name_that_is_not_utf_8_is_taken(house: House) -> None:
    """The bytes of a file name may be anything; what is shown of them is text."""
    path = house.drop("plain.md", "hello")
    os.rename(path, os.fsencode(house.workspace.outbox) + b"/\xff\xfe.md")
    house.drain()
    assert house.prompts() == ["hello"]


def _drain_as_nobody(house: House, path: Path) -> None:
    """Drain as a user who may not read everything. What is imported late has been imported by then."""
    warm = House(house.home.with_name("warm"), house.kimi)
    warm.drop("bad.md", " ")
    warm.drain()
    for each in [house.home, *house.home.rglob("*")]:
        os.chown(each, 65534, 65534)
    path.chmod(0)
    os.seteuid(65534)
    try:
        house.drain()
    finally:
        os.seteuid(0)


def test_a_second_name_of_the_secrets_is_no_way_round(house: House) -> None:
    """A hard link to `.env.kimi` is the same secret."""
    os.link(house.workspace.secrets_file, house.home / "notes.txt")
    house.drop("a.json", {"prompt": "a", "context": "notes.txt"})
    house.drain()
    assert "secret" in house.reason()
    assert house.kimi.requests == ()
