"""`dispatch` checks a task, drops it whole and prints its id; what was given is what Kimi gets."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kimi_hooks.task_id import is_id
from tests.house import House

HOSTILE = "quotes ' \" ` $HOME $(id) \\ \\n\n\n  lines\r\ntabs\t emoji 🐉👩‍👩‍👧 中文 trailing  \n"


def dispatched(house: House) -> dict[str, object]:
    """Return the content of the only file in the outbox."""
    (path,) = house.workspace.outbox.iterdir()
    content: dict[str, object] = json.loads(path.read_text())
    return content


def test_it_prints_the_id_alone(house: House) -> None:
    """Scripts take stdout as it is; words for people go to stderr."""
    finished = house.call("dispatch", "-p", "hello")
    assert finished.returncode == 0
    assert is_id(finished.stdout.removesuffix("\n"))
    assert (house.workspace.outbox / f"{finished.stdout.strip()}.json").exists()


def test_it_works_when_no_runner_is_alive_and_says_so(house: House) -> None:
    """The task waits in the outbox; stderr tells how to start a runner."""
    finished = house.call("dispatch", "-p", "hello")
    assert "run --detach" in finished.stderr
    house.drain()
    assert house.result(finished.stdout.strip())["outcome"] == "done"


@pytest.mark.parametrize("way", ["argument", "file", "stdin"])
def test_what_was_given_is_what_kimi_gets(house: House, tmp_path: Path, way: str) -> None:
    """Byte for byte, from every source."""
    (tmp_path / "prompt.txt").write_bytes(HOSTILE.encode())
    arguments = {"argument": ["-p", HOSTILE], "file": ["-f", str(tmp_path / "prompt.txt")], "stdin": ["-"]}[way]
    finished = house.call("dispatch", *arguments, stdin=HOSTILE.encode())
    assert finished.returncode == 0, finished.stderr
    house.drain()
    assert house.prompts() == [HOSTILE]


def test_two_megabytes_of_prompt(house: House) -> None:
    """A long prompt by stdin arrives whole."""
    prompt = "長い prompt 🐉 " * 110_000
    assert len(prompt.encode()) > 2_000_000
    house.call("dispatch", "-", stdin=prompt.encode())
    house.drain()
    assert house.prompts() == [prompt]


@pytest.mark.parametrize(
    ("stdin", "reason"),
    [
        (b"a\0b", "NUL"),
        (b"\xff\xfe", "not UTF-8"),
        (b"  \n", "empty"),
        (b"x" * 10_485_761, "larger than"),
    ],
    ids=["nul", "not utf-8", "blank", "too large"],
)
def test_a_bad_prompt_is_refused_at_once(house: House, stdin: bytes, reason: str) -> None:
    """Nothing is dropped; one line says why; exit code 1."""
    finished = house.call("dispatch", "-", stdin=stdin)
    assert finished.returncode == 1
    assert reason in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert list(house.workspace.outbox.iterdir()) == []


def test_every_option_reaches_the_task_file(house: House, tmp_path: Path) -> None:
    """Each option is the key of the same name."""
    (tmp_path / "a.txt").write_text("a")
    options = ["-p", "x", "-n", "it's a name", "-g", "-529", "--channel", "slack", "--thread-id", "14", "--account", "acc",
               "--reply-to", "77", "--model", "m", "--system", "s", "--temperature", "0.5", "--max-tokens", "9",
               "--reasoning-effort", "low", "--thinking", "disabled", "--timeout", "60", "--priority", "-2", "--not-before", "2999-01-01T00:00:00Z",
               "--after", "one", "--after", "two", "--dedupe-key", "k", "--metadata", "a==b c", "--metadata", "n=1",
               "--standin"]  # fmt: skip
    finished = house.call("dispatch", *options)
    assert finished.returncode == 0, finished.stderr
    assert dispatched(house) == {
        "prompt": "x", "name": "it's a name", "group": "-529", "channel": "slack", "thread_id": "14", "account": "acc",
        "reply_to": "77", "model": "m", "system": "s", "temperature": 0.5, "max_tokens": 9, "reasoning_effort": "low",
        "thinking": "disabled",
        "timeout": 60.0, "priority": -2, "not_before": "2999-01-01T00:00:00Z", "after": ["one", "two"],
        "dedupe_key": "k", "metadata": {"a": "=b c", "n": "1"}, "standin": True,
    }  # fmt: skip


def test_without_a_name_the_prompt_gives_it(house: House) -> None:
    """The first 40 characters, on one line."""
    house.call("dispatch", "-p", "first line\nand a second one that goes on and on and on")
    assert dispatched(house)["name"] == "first line and a second one that goes on"


def test_context_comes_from_the_folder_one_dispatches_from(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative names, several after one flag or each with its own; the runner reads them later."""
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(f"text of {name}")
    monkeypatch.chdir(tmp_path)
    finished = house.call("dispatch", "-p", "x", "--context", "a.txt", "b.txt", "--context", "c.txt")
    assert finished.returncode == 0, finished.stderr
    monkeypatch.undo()
    house.drain()
    body = house.kimi.requests[0].body
    assert body is not None
    texts = [message["content"] for message in body["messages"][:-1]]
    assert {text.split("\n\n")[1] for text in texts} == {"text of a.txt", "text of b.txt", "text of c.txt"}


@pytest.mark.parametrize("name", ["/etc/passwd", "nothing.txt"])
def test_bad_context_is_refused_before_anything_is_dropped(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Outside the allowed folders, or not there."""
    monkeypatch.chdir(tmp_path)
    finished = house.call("dispatch", "-p", "x", "--context", name)
    assert finished.returncode == 1
    assert "context" in finished.stderr
    assert list(house.workspace.outbox.iterdir()) == []


def test_without_a_key_it_refuses_and_says_what_to_do(house: House) -> None:
    """One message: where the key goes, and how to try without one."""
    finished = house.call("dispatch", "-p", "x", KIMI_API_KEY="")
    assert finished.returncode == 1
    assert "KIMI_API_KEY" in finished.stderr
    assert "--standin" in finished.stderr
    assert list(house.workspace.outbox.iterdir()) == []
    assert house.call("dispatch", "-p", "x", "--standin", KIMI_API_KEY="").returncode == 0


def test_a_dedupe_key_returns_the_old_id(house: House) -> None:
    """Waiting in the outbox or long ended: within a day the old id is printed and nothing is dropped."""
    first = house.call("dispatch", "-p", "x", "--dedupe-key", "k").stdout
    assert house.call("dispatch", "-p", "x", "--dedupe-key", "k").stdout == first
    assert len(list(house.workspace.outbox.iterdir())) == 1
    house.drain()
    again = house.call("dispatch", "-p", "x", "--dedupe-key", "k", "--json")
    assert json.loads(again.stdout) == {"task_id": first.strip(), "deduplicated": True}
    house.drain()
    assert len(house.kimi.requests) == 1


def test_of_many_at_once_with_one_key_one_is_dropped(house: House) -> None:
    """Eight processes with the same key agree on one id."""
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: house.call("dispatch", "-p", "x", "--dedupe-key", "k").stdout, range(8)))
    assert len(set(ids)) == 1
    assert len(list(house.workspace.outbox.iterdir())) == 1


def test_wait_shows_the_answer_and_where_it_lies(house: House) -> None:
    """The id first, then the answer; the imitation is named as such."""
    house.start()
    finished = house.call("dispatch", "-p", "hello", "--standin", "--wait")
    assert finished.returncode == 0
    task_id, answer = finished.stdout.split("\n", 1)
    assert answer.strip() == house.result(task_id)["output"]
    assert "not by Kimi" in finished.stderr
    assert str(house.workspace.result_file(task_id)) in finished.stderr


def test_wait_with_json_prints_the_result(house: House) -> None:
    """One JSON object on stdout, and exit code 1 when the task failed."""
    house.start()
    finished = house.call("dispatch", "-p", "standin: status=400", "--wait", "--json")
    assert finished.returncode == 1
    assert json.loads(finished.stdout)["error"]["kind"] == "invalid_request"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-p", "x", "-"],
        ["-p", "x", "-f", "y"],
        ["two", "words"],
        ["-p", "x", "more"],
        ["-p", "x", "--metadata", "k"],
    ],
)
def test_wrong_usage(house: House, arguments: list[str]) -> None:
    """Exit code 2, and nothing is dropped."""
    finished = house.call("dispatch", *arguments)
    assert finished.returncode == 2
    assert list(house.workspace.outbox.iterdir()) == []


def test_an_empty_option_is_told_in_plain_words(house: House) -> None:
    """Which one, and what to do; nothing is dropped."""
    refused = house.call("dispatch", "-p", "x", "--channel", "")
    assert refused.returncode == 1
    assert refused.stderr == "kimi-hooks: dispatch: channel: is empty; write something there or take it out\n"
    assert not any(house.workspace.outbox.iterdir())


def test_start_starts_a_runner_once(house: House) -> None:
    """--start brings up a runner in the background when none is at work, and leaves one that is there alone."""
    try:
        first = house.call("dispatch", "--start", "-p", "x", "--wait")
        assert first.returncode == 0, first.stderr
        assert "background" in first.stderr
        second = house.call("dispatch", "--start", "-p", "y", "--wait")
        assert "background" not in second.stderr
    finally:
        house.call("stop")


def test_start_replaces_a_runner_that_waits_for_a_key(house: House) -> None:
    """A runner without a key cannot see the one that was exported later."""
    try:
        house.call("dispatch", "--start", "-p", "x", "--standin", "--wait", KIMI_API_KEY="")
        finished = house.call("dispatch", "--start", "-p", "real", "--wait")
        assert finished.returncode == 0
        assert house.prompts() == ["real"]
    finally:
        house.call("stop")


def test_outside_a_workspace_it_says_how_to_make_one(house: House, tmp_path: Path) -> None:
    """One line that names the place and the remedy."""
    finished = house.call("--home", str(tmp_path / "nowhere"), "dispatch", "-p", "x")
    assert finished.returncode == 1
    assert "kimi-hooks init" in finished.stderr


def test_many_who_start_a_runner_at_once_get_one(house: House) -> None:
    """Whoever comes second is content with the runner of the first."""
    try:
        with ThreadPoolExecutor(6) as pool:
            finished = list(pool.map(lambda n: house.call("dispatch", "--start", "-p", f"{n}", "--wait"), range(6)))
        assert [call.returncode for call in finished] == [0] * 6, [call.stderr for call in finished]
        assert sum("background" in call.stderr for call in finished) == 1
    finally:
        house.call("stop")
