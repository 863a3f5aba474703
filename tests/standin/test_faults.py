from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import requests
import urllib3

from kimi_hooks.standin import words as word_list
from kimi_hooks.standin.faults import CHAT, Fault, UnknownWordError
from kimi_hooks.standin.orders import Occasion, Orders
from kimi_hooks.standin.server import Standin
from kimi_hooks.standin.texts import Numbered
from tests.standin.calling import KEY, call, chat, events, get, post, received, words_of


def test_faults_are_used_up_in_their_order(standin: Standin) -> None:
    """Each fault applies to as many fitting requests as it says."""
    standin.add(
        Fault("http", times=2, status=500),
        Fault("http", when="special", status=503),
        Fault("http", when=lambda prompt: prompt.startswith("x"), status=429),
    )
    seen = [post(standin, chat(prompt)).status_code for prompt in ("a", "b", "c", "xy", "so special", "special")]
    assert seen == [500, 500, 200, 429, 503, 200]


@pytest.mark.parametrize(
    ("line", "status", "error_type"),
    [
        ("status=500", 500, "server_error"),
        ("status=429 type=engine_overloaded_error retry-after=1", 429, "engine_overloaded_error"),
        ("status=401", 401, "invalid_authentication_error"),
        ("foo", 400, "invalid_request_error"),
        ("status=abc", 400, "invalid_request_error"),
        ("status=200", 400, "invalid_request_error"),
        ("retry-after=", 400, "invalid_request_error"),
    ],
)
def test_directives(standin: Standin, line: str, status: int, error_type: str) -> None:
    """A line in the prompt orders a fault; a word that is not known is refused with the known ones."""
    reply = post(standin, chat(f"Do this.\nstandin: {line}\nThanks"))
    assert (reply.status_code, reply.json()["error"]["type"]) == (status, error_type)
    if status == 400:
        assert "retry-after=SECONDS" in reply.json()["error"]["message"]


def test_a_directive_sets_retry_after(standin: Standin) -> None:
    """The header goes out as asked for."""
    assert post(standin, chat("standin: status=429 retry-after=7")).headers["Retry-After"] == "7"


def test_a_directive_for_the_first_requests_only(standin: Standin) -> None:
    """times=N counts the requests with this same prompt."""
    body = chat("standin: status=500 times=2")
    assert [post(standin, body).status_code for _ in range(4)] == [500, 500, 200, 200]
    assert post(standin, chat("standin: status=500 times=2 \nother")).status_code == 500


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("nothing", None),
        ("see standin: cut", None),
        ("standin:", None),
        ("standin: cut", Fault("cut", times=None)),
        ("standin: stall latency-ms=500\r\n", Fault("stall", None, latency=0.5)),
        ("standin: finish=content_filter", Fault(times=None, finish_reason="content_filter")),
        ("standin: empty", Fault(times=None, text="")),
        ("standin: text=Hello  big world=1", Fault(times=None, text="Hello  big world=1")),
        (
            "standin: finish=length text=a\nstandin: latency-ms=1",
            Fault(times=None, text="a", finish_reason="length", latency=0.001),
        ),
        ("standin: status=429 type=text=x", Fault("http", None, status=429, type="text=x")),
    ],
)
def test_words(prompt: str, expected: Fault | None) -> None:
    """Only a line that begins with the word counts; text= takes the rest of its line."""
    changes = word_list.in_prompt(prompt)
    assert (replace(Fault(), **changes) if changes else None) == expected


def test_directives_of_earlier_messages_count(standin: Standin) -> None:
    """In a longer conversation the newest directive holds."""
    messages = [
        {"role": "user", "content": "standin: text=first"},
        {"role": "assistant", "content": "first"},
        {"role": "user", "content": "go on"},
    ]
    body = post(standin, {"model": "kimi-k3", "messages": messages}).json()
    assert body["choices"][0]["message"]["content"] == "first"


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("status=500", 500, "The imitation was told to fail (500)"),
        ("status=503 message=scaling, come back", 503, "scaling, come back"),
        ("status=400 type=content_filter", 400, "considered high risk"),
        ("status=429 type=exceeded_current_quota_error", 429, "insufficient balance"),
        ("status=504 html", 504, "<h1>Gateway Time-out</h1>"),
        ("stream-error type=server_error", 500, "server_error"),
        ("stream-error status=429", 429, "rate_limit_reached_error"),
        ("redirect=http://127.0.0.1:9/v1", 307, "The imitation was told to fail (307)"),
    ],
)
@pytest.mark.parametrize("how", ["prompt", "header", "server"])
def test_orders_from_everywhere(standin: Standin, line: str, status: int, words: str, how: str) -> None:
    """The same words order the same in a line of a prompt, in a header, and for the whole server."""
    if how == "server":
        standin.add(word_list.fault(line))
    prompt = f"hi\nstandin: {line}" if how == "prompt" else "hi"
    headers = KEY | ({"X-Kimi-Standin-Fault": line} if how == "header" else {})
    body = chat(prompt)
    reply = call(standin, "POST", "/chat/completions", json=body, headers=headers, allow_redirects=False)
    assert (reply.status_code, words in reply.text) == (status, True)
    if line.startswith("redirect"):
        assert reply.headers["Location"] == "http://127.0.0.1:9/v1"


@pytest.mark.parametrize("how", ["prompt", "header", "server"])
def test_no_times_is_never(standin: Standin, how: str) -> None:
    """times=0 switches an order off, wherever it stands."""
    line = "status=500 times=0"
    if how == "server":
        standin.add(word_list.fault(line))
    headers = KEY | ({"X-Kimi-Standin-Fault": line} if how == "header" else {})
    body = chat(f"standin: {line}" if how == "prompt" else "hi")
    assert [post(standin, body, headers).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "line", ["foo", "chance=2", "times=x", "status=99", "size=5GB", "cut=3", "after=-1", "redirect=http://例"]
)
def test_an_order_that_is_not_understood(standin: Standin, line: str) -> None:
    """Wrong words are refused with the known ones, wherever they stand, on every path."""
    headers = KEY | {"X-Kimi-Standin-Fault": line.encode().decode("latin-1")}
    for reply in (
        post(standin, chat(f"standin: {line}")),
        post(standin, chat("hi"), headers),
        get(standin, "/models", headers),
    ):
        assert reply.status_code == 400
        assert "known are: status=N" in reply.json()["error"]["message"]
    with pytest.raises(UnknownWordError):
        word_list.fault(line)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("line", ["reset", "cut", "stall", "hang"])
def test_connections_that_break(standin: Standin, line: str, stream: bool) -> None:
    """The call fails in the middle, with and without a stream, and the next one is answered."""
    with pytest.raises(requests.RequestException) as caught:
        call(
            standin,
            "POST",
            "/chat/completions",
            json=chat(f"standin: {line}", stream=stream),
            timeout=0.2 if line in ("stall", "hang") else 10,
        )
    silent = isinstance(caught.value, requests.exceptions.ReadTimeout) or "timed out" in str(caught.value)
    assert silent == (line in ("stall", "hang"))
    assert post(standin, chat("hi")).status_code == 200


def test_what_had_come_before_the_break(standin: Standin) -> None:
    """after=N lets so many chunks of the text out first."""
    chunks = received(standin.url, chat(f"standin: cut after=3 text={'x' * 160}", stream=True))
    arrived: list[bytes] = []
    with pytest.raises(urllib3.exceptions.ProtocolError):
        arrived.extend(chunks)
    assert b"".join(arrived).count(b'"content": "x') == 3


@pytest.mark.parametrize("kind", ["no-done", "malformed", "stream-error"])
def test_streams_that_end_oddly(standin: Standin, kind: str) -> None:
    """A stream without [DONE], with a line that is no JSON, and with an error in it."""
    text = post(standin, chat(f"standin: {kind} type=server_error text={'x' * 64}", stream=True)).content.decode()
    assert text.count('"content": "xxx') == (1 if kind == "stream-error" else 4)
    assert ("data: [DONE]" in text) == (kind == "malformed")
    assert ('{"error": {"message": "The imitation was told to fail (500)", "type": "server_error"}}' in text) == (
        kind == "stream-error"
    )
    assert ('"choices": [{\n\n' in text) == (kind == "malformed")


def test_a_whole_reply_that_is_no_json(standin: Standin) -> None:
    """Without a stream the body breaks off, though its length is right."""
    with pytest.raises(requests.exceptions.JSONDecodeError):
        post(standin, chat("standin: malformed")).json()


def test_answers_that_end_oddly(standin: Standin) -> None:
    """An empty answer that says that it stopped, and one that the filter has struck."""
    for line, text, ending in (("empty", "", "stop"), ("finish=content_filter text=a", "a", "content_filter")):
        choice = post(standin, chat(f"standin: {line}")).json()["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (text, ending)


def test_reasoning_that_eats_the_cap(standin: Standin) -> None:
    """With more reasoning than the cap has room for the answer is empty, and cut."""
    body = post(standin, chat("standin: reasoning=5000", max_completion_tokens=4000)).json()
    assert (words_of(body), body["choices"][0]["finish_reason"]) == ("", "length")
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 4000


def test_every_byte_on_its_own(standin: Standin) -> None:
    """With bytewise no two bytes of a stream leave together."""
    pieces = list(received(standin.url, chat("standin: bytewise text=世", stream=True)))
    assert {len(piece) for piece in pieces} == {1}
    assert "世" in b"".join(pieces).decode()


def test_slow_replies() -> None:
    """latency-ms passes before the headers, first-ms before the first chunk, chunk-ms after each one of the text."""
    slept: list[float] = []
    with Standin(sleep=slept.append) as standin:
        line = f"latency-ms=1000 first-ms=2000 chunk-ms=3000 text={'x' * 20}"
        post(standin, chat(f"standin: {line}", stream=True))
        assert slept == [1.0, 2.0, 3.0, 3.0]
        slept.clear()
        post(standin, chat(f"standin: {line}"))
        assert slept == [1.0, 2.0]


def test_a_long_answer_comes_in_order(standin: Standin) -> None:
    """Beyond every cap, if it is told so, an answer of numbered lines arrives without a gap."""
    size = 2_000_000
    streamed = events(post(standin, chat("standin: size=2MB no-cap", stream=True)))
    said = "".join(event["choices"][0]["delta"].get("content", "") for event in streamed)
    assert said == Numbered(size).part(0, size)
    assert [int(line[:12]) for line in said.splitlines()] == list(range(1, size // 64 + 1))
    assert streamed[-1]["choices"][0]["usage"]["completion_tokens"] > size // 4


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process in /proc")
def test_a_very_long_answer_is_not_kept_in_memory() -> None:
    """20 MB of an answer leave, and the imitation holds a small part of it at a time."""
    command = [sys.executable, "-m", "kimi_hooks", "standin", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert sum(map(len, received(url, chat("hi", stream=True)))) > 0
        before = _peak_memory(process.pid)
        assert sum(map(len, received(url, chat("standin: size=20MB no-cap", stream=True)))) > 20_000_000
        assert _peak_memory(process.pid) - before < 8_000_000
        process.terminate()


def _peak_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_faults_of_other_paths(standin: Standin) -> None:
    """A fault applies to chats unless it names a path, and to one method if it says so."""
    standin.add(
        word_list.fault("status=503 path=/models"),
        word_list.fault("status=500 path=/files/*/content times=1"),
        word_list.fault("status=502 path=/files method=POST"),
    )
    assert post(standin, chat("hi")).status_code == 200
    assert [get(standin, "/models").status_code, get(standin, "/models/kimi-k3").status_code] == [503, 503]
    assert [get(standin, "/files/x/content").status_code for _ in range(2)] == [500, 404]
    assert [call(standin, method, "/files").status_code for method in ("POST", "GET")] == [502, 200]


@pytest.mark.parametrize("line", ["cut", "stall", "reset", "hang"])
def test_other_paths_can_break_as_well(standin: Standin, line: str) -> None:
    """A list that breaks off in the middle fails, and comes whole the next time."""
    with pytest.raises(requests.RequestException):
        call(standin, "GET", "/models", headers=KEY | {"X-Kimi-Standin-Fault": line}, timeout=0.3)
    assert len(get(standin, "/models").json()["data"]) == 6


def test_a_fault_for_some_prompts(standin: Standin) -> None:
    """when= takes the prompts that hold the word; what only slows the answer goes with what the prompt orders."""
    standin.sleep = lambda _: None
    standin.add(word_list.fault("status=503 when=report"), word_list.fault("latency-ms=5"))
    assert post(standin, chat("the report")).status_code == 503
    assert words_of(post(standin, chat("standin: text=abc")).json()) == "abc"


def _struck(seed: int, prompts: list[str], line: str = "status=503 chance=0.3") -> list[bool]:
    orders = Orders([word_list.fault(line)], seed)
    return [orders.take(Occasion("POST", CHAT, [prompt], raw=prompt.encode())).kind == "http" for prompt in prompts]


def test_chance_can_be_repeated() -> None:
    """The same seed strikes the same requests, about as many as said; another seed strikes others."""
    prompts = [f"prompt {number}" for number in range(1000)]
    first = _struck(7, prompts)
    assert first == _struck(7, prompts) != _struck(8, prompts)
    assert 240 < sum(first) < 360


def test_chance_does_not_depend_on_the_order_of_requests() -> None:
    """Whatever else comes meanwhile, a request meets the same fate; its second try draws anew."""
    prompts = [f"prompt {number}" for number in range(200)]
    assert _struck(7, prompts[::-1]) == _struck(7, prompts)[::-1]
    again = _struck(7, ["the same"] * 200)
    assert 30 < sum(again) < 90


def test_chance_of_uploads_can_be_repeated() -> None:
    """The boundary that a client draws for each upload is no part of it."""
    runs = []
    for _ in range(2):
        with Standin(faults=[word_list.fault("status=500 chance=0.5 path=/files")], seed=7) as standin:
            runs.append([
                call(standin, "POST", "/files", files={"file": ("a.txt", b"%d" % number)}, data={"purpose": "batch"}).ok
                for number in range(20)
            ])  # fmt: skip
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 2


@pytest.mark.parametrize(("chance", "struck"), [("0", 0), ("1", 200), ("0.0001", 0)])
def test_chance_at_its_ends(chance: str, struck: int) -> None:
    """0 is never, 1 is always."""
    assert sum(_struck(1, ["x"] * 200, f"status=503 chance={chance}")) == struck


def test_what_is_remembered_of_prompts_is_bounded(standin: Standin) -> None:
    """Counting how often a prompt came keeps the newest ones only."""
    orders = Orders()
    for number in range(10_100):
        orders.take(Occasion("POST", CHAT, [f"standin: status=500 times=1\n{number}"]))
    assert len(orders._seen) == 10_000
