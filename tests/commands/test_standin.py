"""`kimi-hooks standin`: what its options do, told from the outside."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.house import PROGRAM, House


@contextmanager
def _imitation(house: House, *options: str) -> Iterator[str]:
    command = [PROGRAM, "standin", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=house.environ, text=True) as child:
        assert child.stdout is not None
        yield child.stdout.readline().split()[-1]
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0


def _ask(url: str, prompt: str = "hi", *, model: str = "kimi-k3", key: str = "sk-1") -> requests.Response:
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {key}"}
        return session.post(f"{url}/chat/completions", json=body, headers=headers, timeout=20)


def test_only_the_keys_of_a_file(house: House) -> None:
    """With --keys the keys in the file are taken, and no others."""
    keys = house.home / "keys"
    keys.write_text("sk-1\nsk-2\n")
    with _imitation(house, "--keys", str(keys)) as url:
        assert [_ask(url, key=key).status_code for key in ("sk-1", "sk-2", "sk-3")] == [200, 200, 401]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_file_without_keys(house: House, content: bytes) -> None:
    """A file that holds no key is wrong usage, and the file is named."""
    keys = house.home / "keys"
    keys.write_bytes(content)
    finished = house.call("standin", "--port", "0", "--keys", str(keys))
    assert finished.returncode == 2
    assert f"{keys} holds no keys; write one on each line" in finished.stderr


def test_an_account_of_the_lowest_tier(house: House) -> None:
    """--tier 0 lets three requests through; --no-retry-after does not say when to come back."""
    with _imitation(house, "--tier", "0", "--no-retry-after") as url:
        replies = [_ask(url) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert "Retry-After" not in replies[3].headers


def test_an_account_without_credit(house: House) -> None:
    """--balance 0 refuses every question for want of credit."""
    with _imitation(house, "--balance", "0") as url:
        assert _ask(url).json()["error"]["type"] == "exceeded_current_quota_error"


def test_old_models(house: House) -> None:
    """--old-models lets the retired models answer."""
    with _imitation(house, "--old-models") as url:
        assert _ask(url, model="moonshot-v1-8k").status_code == 200


def test_faults_with_a_chance_can_be_repeated(house: House) -> None:
    """Two runs with the same seed fail for the same prompts; another seed fails for others."""
    seen = []
    for seed in ("1", "1", "2"):
        with _imitation(house, "--fault", "status=503 chance=0.4", "--seed", seed) as url:
            seen.append([_ask(url, f"prompt {number}").status_code for number in range(24)])
    assert seen[0] == seen[1] != seen[2]
    assert set(seen[0]) == {200, 503}


@pytest.mark.parametrize(
    "option", [("--fault", "foo"), ("--fault", "chance=2"), ("--tier", "6"), ("--keys", "/nowhere")]
)
def test_wrong_usage(house: House, option: tuple[str, str]) -> None:
    """An order that is not understood, or a tier that there is not, is told at once."""
    assert house.call("standin", "--port", "0", *option).returncode == 2


def test_a_port_that_is_taken(house: House) -> None:
    """The port is named, and what to do; so is a journal that cannot be written."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        finished = house.call("standin", "--port", port)
    assert finished.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in finished.stderr
    nowhere = str(house.home / "no" / "folder" / "journal")
    finished = house.call("standin", "--port", "0", "--journal", nowhere)
    assert finished.returncode == 1
    assert nowhere in finished.stderr


def test_the_journal_is_for_programs(house: House, tmp_path: Path) -> None:
    """Each request is one line of JSON, and no line holds the key."""
    journal = tmp_path / "journal.jsonl"
    with _imitation(house, "--journal", str(journal)) as url:
        _ask(url, "one", key="sk-secret")
        _ask(url, "two", key="sk-secret")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["body"]["messages"][0]["content"] for line in lines] == ["one", "two"]
    assert "sk-secret" not in journal.read_text()
