from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from kimi_hooks.clock import Clock
from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from tests.standin.calling import chat, get, post


def test_latency_goes_through_sleep() -> None:
    """Waiting is for the injected sleep: latency before the reply, chunk_delay after each chunk of text."""
    slept: list[float] = []
    with Standin(latency=2.0, chunk_delay=0.5, sleep=slept.append) as standin:
        post(standin, chat("standin: text=" + "x" * 40, stream=True))
        post(standin, chat("standin: latency-ms=700"))
    assert slept == [2.0, 0.5, 0.5, 0.5, 0.7]


def test_the_journal_holds_no_key(tmp_path: Path) -> None:
    """Requests are kept and written, one line each, without the key."""
    path = tmp_path / "journal.jsonl"
    with Standin(journal=path, clock=Clock(now=lambda: 7.0)) as standin:
        post(standin, chat("hi"))
        get(standin, "/models")
        records = standin.requests
    assert [(record.method, record.path, record.at) for record in records] == [
        ("POST", "/v1/chat/completions", 7.0),
        ("GET", "/v1/models", 7.0),
    ]
    assert records[0].body == json.loads(records[0].raw) == chat("hi")
    assert "sk-1" not in repr(records) + path.read_text()
    assert [json.loads(line)["path"] for line in path.read_text().splitlines()] == [r.path for r in records]


def test_the_journal_can_be_a_function() -> None:
    """A callable gets each request."""
    seen: list[str] = []
    with Standin(journal=lambda record: seen.append(record.method)) as standin:
        post(standin, chat("hi"))
    assert seen == ["POST"]


def test_many_at_once(standin: Standin) -> None:
    """A hundred clients at once are all answered."""
    statuses: list[int] = []

    def one(number: int) -> None:
        statuses.append(post(standin, chat(str(number))).status_code)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert statuses == [200] * 100
    assert standin.wait_for(100)


def test_closing_frees_the_port_and_ends_connections() -> None:
    """After close() the port can be bound again, calls that hung have ended, and a second close() is harmless."""
    standin = Standin(faults=[Fault("stall")]).start()
    failures: list[Exception] = []

    def hang() -> None:
        try:
            post(standin, chat("hi", stream=True))
        except requests.RequestException as error:
            failures.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    assert standin.stalled.wait(10)
    port = int(standin.url.split(":")[2].removesuffix("/v1"))
    standin.close()
    standin.close()
    thread.join(10)
    assert len(failures) == 1
    with Standin(port=port) as again:
        assert again.url == standin.url


def test_one_that_was_never_started_can_be_closed() -> None:
    """close() does not need start()."""
    Standin().close()


_FOREGROUND = """
from kimi_hooks.standin.server import Standin
standin = Standin()
print(standin.url, flush=True)
standin.serve()
print("ended", flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts wake-ups in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_in_the_foreground_it_sleeps_until_a_signal(number: signal.Signals) -> None:
    """serve() does not wake up on its own, and ends well at SIGTERM and at Ctrl-C."""
    command = [sys.executable, "-c", _FOREGROUND]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        _until_asleep(process.pid)
        before = _wake_ups(process.pid)
        time.sleep(0.7)
        assert _wake_ups(process.pid) == before
        os.kill(process.pid, number)
        assert process.communicate(timeout=10)[0] == "ended\n"
    assert process.returncode == 0


def _until_asleep(pid: int) -> None:
    before = -1
    while before != (now := _wake_ups(pid)):
        before = now
        time.sleep(0.1)


def _wake_ups(pid: int) -> int:
    return int(_status(pid).split("\nvoluntary_ctxt_switches:")[1].split()[0])


def _status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()
