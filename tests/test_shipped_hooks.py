"""The two hooks that `init` lays out: what they send, when they keep quiet, and that no secret is on show."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kimi_hooks.defaults import folder
from tests.house import House

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the shipped hooks call curl")


@dataclass
class Receiver:
    """An HTTP server on loopback that answers as it is told and remembers what came."""

    codes: list[int] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.seen.append({"path": self.path, "headers": dict(self.headers), "body": json.loads(body)})
            self.send_response(told.codes.pop(0) if told.codes else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield told
    server.shutdown()
    server.server_close()


@pytest.fixture
def shipped(house: House) -> House:
    """Give the workspace the shipped config, quick and wide."""
    text = (folder() / "config.yaml").read_text().replace("requests_per_minute: 10 ", "requests_per_minute: 1000 ")
    house.workspace.config_file.write_text(text + "\nretry: {first_pause: 0.01, max_pause: 0.02}\n")
    return house


def outcomes(house: House, hook_id: str) -> list[str]:
    return [run.outcome for run in house.runs() if run.hook_id == hook_id]


def test_without_token_and_url_they_say_so_and_succeed(shipped: House) -> None:
    """Nobody is bothered with errors for what was never set up."""
    shipped.drop("a.md", "a")
    shipped.drain()
    assert {run.outcome for run in shipped.runs()} == {"delivered"}
    said = "".join(run.stdout for run in shipped.runs())
    assert "OPENCLAW_HOOKS_TOKEN is not set" in said
    assert "WEBHOOK_URL is not set" in said


@needs_curl
def test_notify_agi_wakes_the_agent_once(shipped: House, receiver: Receiver) -> None:
    """The request that the gateway takes: path, bearer token, one line that we control."""
    shipped.drop("a.json", {"prompt": "a", "name": "it's $(id) 登入 頁"})
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN="hooks-token")
    (wake,) = receiver.seen
    task_id = shipped.entry().id
    assert wake["path"] == "/hooks/wake"
    assert wake["headers"]["Authorization"] == "Bearer hooks-token"
    assert wake["body"]["mode"] == "now"
    assert wake["body"]["text"].count(task_id) >= 3
    assert "done" in wake["body"]["text"]
    assert "$" not in wake["body"]["text"]
    assert "登入 頁" in wake["body"]["text"]
    assert "imitation" not in wake["body"]["text"]
    assert outcomes(shipped, "notify-agi") == ["delivered"]


@needs_curl
@pytest.mark.parametrize(
    ("codes", "expected"), [([503, 200], ["retry", "delivered"]), ([401], ["gave_up"]), ([404], ["gave_up"])]
)
def test_notify_agi_knows_what_can_pass(
    shipped: House, receiver: Receiver, codes: list[int], expected: list[str]
) -> None:
    """A busy gateway is tried again; a wrong token or path is told and not repeated."""
    receiver.codes = codes
    shipped.drop("a.md", "a")
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN="hooks-token")
    assert outcomes(shipped, "notify-agi") == expected


@needs_curl
def test_a_failure_wakes_the_agent_too(shipped: House, receiver: Receiver) -> None:
    """Who waits for an answer must hear that none will come."""
    shipped.drop("a.md", " ")
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN="hooks-token")
    assert "failed" in receiver.seen[0]["body"]["text"]


@needs_curl
@pytest.mark.parametrize(
    ("codes", "expected"), [([], ["delivered"]), ([500, 200], ["retry", "delivered"]), ([410], ["gave_up"])]
)
def test_webhook_handler_sends_the_result(
    shipped: House, receiver: Receiver, codes: list[int], expected: list[str]
) -> None:
    """The result file as it lies on the disk, with the same id at every try."""
    receiver.codes = codes
    shipped.drop("a.md", "a")
    shipped.drain(WEBHOOK_URL=f"{receiver.url}/in?token=hidden")
    assert outcomes(shipped, "webhook-handler") == expected
    assert receiver.seen[-1]["path"] == "/in?token=hidden"
    assert receiver.seen[-1]["body"] == shipped.result()
    ids = {request["headers"]["webhook-id"] for request in receiver.seen}
    assert ids == {f"{shipped.entry().id}-TaskCompleted"}


@needs_curl
def test_no_secret_stands_in_an_argument_list(shipped: House, receiver: Receiver) -> None:
    """What `ps` shows of the hooks' programs holds neither the token nor the address."""
    tools = shipped.home / "tools"
    tools.mkdir()
    (tools / "curl").write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >> {shipped.home}/arguments\nexec {shutil.which("curl")} "$@"\n'
    )
    (tools / "curl").chmod(0o755)
    shipped.drop("a.md", "a")
    shipped.drain(
        OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN="hooks-token", WEBHOOK_URL=f"{receiver.url}/hidden",
        PATH=f"{tools}:{shipped.environ['PATH']}",
    )  # fmt: skip
    shown = (shipped.home / "arguments").read_text()
    assert "/hooks/wake" in shown
    assert "hooks-token" not in shown
    assert "hidden" not in shown
    assert len(receiver.seen) == 2
