"""Whatever the bytes: a value or an expected error, and nothing else. `KIMI_HOOKS_EXAMPLES` says how many are tried."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kimi_hooks import config, lock, results, strict_yaml, turns
from kimi_hooks import settings as settings_module
from kimi_hooks.errors import ConfigError, TaskError
from kimi_hooks.journal import facts
from kimi_hooks.kimi import sse
from kimi_hooks.kimi.answer import Draft, conclude, take, take_whole
from kimi_hooks.kimi.failure import CallFailedError, classify
from kimi_hooks.outbox.folder import ENDINGS
from kimi_hooks.outbox.reading import parse
from kimi_hooks.strict_yaml import YamlMistakeError
from kimi_hooks.taken import Taken
from kimi_hooks.task import Task
from kimi_hooks.workspace import Workspace

EXAMPLES = int(os.environ.get("KIMI_HOOKS_EXAMPLES", "150"))
settings.register_profile("hostile", max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
hostile = settings(settings.get_profile("hostile"))

CORPUS = sorted(path for path in (Path(__file__).parent / "corpus").iterdir() if path.stat().st_size < 4000)
ID = "kimi-1700000000-aaaaaaaa"
KINDS = {"rate_limit", "overloaded", "authentication_failed", "billing_error", "invalid_request", "model_not_found",
         "server_error", "max_output_tokens", "content_filter", "unknown"}  # fmt: skip
TASK = b"---\nname: a\ngroup: -529\npriority: 5\ncontext: [a.txt]\nmetadata: {k: [1, x]}\nnot_before: 90\n---\nhello\n"
STREAM = (
    b'data: {"id":"c","model":"kimi-k3","choices":[{"index":0,"delta":{"role":"assistant","content":"H\xc3\xa9 \xe4\xb8'
    b'\x96"}}]}\n\n: ping\n\ndata: {"choices":[{"delta":{"reasoning_content":"hm","content":null}}]}\r\n\r\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":2,"completion_tokens":3}}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}\n\ndata: [DONE]\n\n'
)
RESULT = json.dumps({"task_id": ID, "status": "done", "outcome": "done", "output": "x", "warnings": []}).encode()
TURN = json.dumps(
    {"text": "a", "reasoning": None, "finish_reason": "stop", "model": "m", "warnings": [], "took": asdict(Taken())}
).encode()
CONFIG = b"workspace: 1\nkimi: {model: kimi-k3}\nlimits: {requests_per_minute: 5}\nhooks:\n  TaskCompleted:\n    - hooks: [{command: x}]\n"
SECRETS_FILE = b"# keys\nexport KIMI_API_KEY='sk-1 2'\nWEBHOOK_SECRET=\"a\\nb\"\nOTHER=x # y\n"
BITS = [b"\0", b"\xff", b"\xed\xa0\x80", b'"', b"'", b"{", b"}", b"[", b"]", b":", b",", b"\n", b"\r", b"---\n", b"data:",
        b"&a ", b"*a", b"!!", b"<<", b"1e999", b"9" * 5000, b"NaN", b"null", b"true", b"[]", b"{}", b'"\\ud800"', b"\\",
        b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"$", b"%", b"#", b"-1", b"[" * 2000, b'{"a":' * 2000]  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """Take sound bytes, and cut, double, turn and fill them in a few places."""
    data = whole
    for _ in range(draw(st.integers(0, 5))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        piece = draw(st.sampled_from(BITS) | st.binary(max_size=4) | st.just(data[start:end] * 2))
        data = data[:start] + piece + data[draw(st.sampled_from([start, end])) :]
    return data


def any_of(*wholes: bytes) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=200) | st.sampled_from(wholes).flatmap(spoilt)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spoilt")


@hostile
@given(data=any_of(TASK, *(path.read_bytes() for path in CORPUS)), ending=st.sampled_from(sorted(ENDINGS)))
def test_a_task_or_a_reason(data: bytes, ending: str) -> None:
    """What is accepted can be written down and read again; a reason names the file first."""
    try:
        task, warnings = parse(data, f"a{ending}")
    except TaskError as error:
        assert str(error).startswith(f"a{ending}")
        assert str(error).encode()
    else:
        assert Task.model_validate_json(task.model_dump_json()) == task
        assert all(isinstance(warning, str) for warning in warnings)
        assert task.starts_at(1.7e9) >= 1.7e9


@hostile
@given(data=any_of(TASK, CONFIG))
def test_yaml_or_a_mistake(data: bytes) -> None:
    """Values of JSON's kinds, or a mistake."""
    try:
        strict_yaml.load(data.decode("utf-8", "replace"))
    except YamlMistakeError as error:
        assert str(error)


@hostile
@given(data=any_of(CONFIG, *(path.read_bytes() for path in CORPUS if path.suffix == ".yaml")))
def test_a_config_or_a_mistake(data: bytes) -> None:
    """One error names all that is wrong, and the file first."""
    try:
        config.parse(data.decode("utf-8", "replace"), "config.yaml")
    except ConfigError as error:
        assert str(error).startswith("config.yaml")


def taken(chunks: list[bytes]) -> tuple[object, ...]:
    """Return what the decoder makes of a stream: the answer or the failure."""
    draft = Draft("https://api.moonshot.ai/v1", "kimi-k3")
    try:
        for data in sse.events(chunks):
            take(draft, data)
        answer = conclude(draft, ())
    except CallFailedError as error:
        failure = error.failure
        assert failure.kind in KINDS
        assert f"{failure.message}{error.partial}".encode()
        assert failure.message.isprintable()
        return (failure.kind, failure.action, failure.message, error.partial)
    assert f"{answer.text}{answer.reasoning}{answer.model}{answer.finish_reason}{answer.warnings}".encode()
    return (answer,)


@hostile
@given(data=any_of(STREAM), cuts=st.lists(st.integers(0, 3000), max_size=8))
@example(data=STREAM, cuts=list(range(len(STREAM))))
def test_a_stream_is_an_answer_or_a_failure_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    """Of a kind that is known, in words that can be written down; the cuts between its bytes change nothing."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert taken([data[a:b] for a, b in pairwise(edges)]) == taken([data])


@hostile
@given(data=any_of(STREAM.split(b"\n")[0][6:], b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}'))
def test_an_answer_in_one_piece_or_a_failure(data: bytes) -> None:
    """As of a stream."""
    draft = Draft("https://api.moonshot.ai/v1", "kimi-k3")
    try:
        take_whole(draft, data)
        assert conclude(draft, ()).text.encode()
    except CallFailedError as error:
        assert error.failure.kind in KINDS


@hostile
@given(
    status=st.none() | st.integers(300, 599),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "x-request-id", "Msh-Cooldown-Seconds"]), st.text()),
    body=any_of(
        b'{"error": {"type": "rate_limit_reached_error", "message": "max RPM: 3, retry after 1 seconds", "code": 1}}'
    ),
)
def test_a_refusal_is_understood_or_not(status: int | None, headers: dict[str, str], body: bytes) -> None:
    """It has a known kind, and a pause that a clock can take."""
    failure = classify(status, headers, body, "https://user:pass@api.moonshot.ai/v1")
    assert failure.kind in KINDS
    assert failure.retry_after is None or 0 <= failure.retry_after < float("inf")
    assert "pass@" not in failure.message


@hostile
@given(data=any_of(RESULT))
def test_a_result_or_none(folder: Path, data: bytes) -> None:
    """A result that was spoilt on the disk is as good as none, unless it is still one of this task's."""
    (folder / f"{ID}.json").write_bytes(data)
    found = results.read(folder, ID)
    assert found is None or found["task_id"] == ID


@hostile
@given(first=any_of(TURN), kept=any_of(RESULT))
def test_turns_or_none(folder: Path, first: bytes, kept: bytes) -> None:
    """Answers that were kept can be joined, or are as good as gone; so is a result that was."""
    (folder / ID).mkdir(exist_ok=True)
    (folder / ID / "1.json").write_bytes(first)
    (folder / ID / "result.json").write_bytes(kept)
    found = turns.earlier(folder, ID, 1)
    if found:
        assert isinstance(turns.joined([*found, *found])["text"], str)
        assert Taken(**found[0]["took"]) + Taken(**found[0]["took"])
    result = turns.kept(folder, ID)
    assert result is None or result["task_id"] == ID


@hostile
@given(data=any_of(SECRETS_FILE))
def test_a_secrets_file_is_read_as_far_as_it_can(folder: Path, data: bytes) -> None:
    """Every value is text that a program's environment can hold; what cannot be is as good as not there."""
    workspace = Workspace(folder)
    workspace.secrets_file.write_bytes(data)
    found = settings_module.read(workspace, {}, {}, folder)
    for value in [*found.values.values(), *found.others.values()]:
        assert "\0" not in value
        assert os.fsencode(value) is not None
    assert len(found.mark) == 12


@hostile
@given(data=any_of(b'{"pid": 5, "is_runner": true, "ready": true, "mark": "a", "kimi": "b"}'))
def test_a_lock_file_tells_of_a_holder(folder: Path, data: bytes) -> None:
    """Whatever stands in it, a process id is a number."""
    (folder / "lock").write_bytes(data)
    held = lock.Lock(folder / "lock")
    held.take()
    (folder / "lock").write_bytes(data)
    holder = lock.holder(folder / "lock")
    held.release()
    assert holder is not None
    assert isinstance(holder.pid, int)


@hostile
@pytest.mark.parametrize("read", [facts.parse_pause, facts.parse_slowed], ids=["pause", "slowed"])
@given(
    data=any_of(
        b'{"reason": "person", "why": "", "mark": "", "until": null}',
        b'{"until": 1.5, "since": 1.0, "times": 1, "room": 1}',
    )
)
def test_a_fact_or_none(read: Callable[[str], object], data: bytes) -> None:
    """A fact that cannot be read is as good as none."""
    read(data.decode("utf-8", "replace"))


def test_a_stream_without_line_ends_is_bounded() -> None:
    """Thirty megabytes of one line that is no event cost no more than the line itself, and end in a failure."""
    chunk = random.Random(1).randbytes(1_000_000).replace(b"\n", b"x").replace(b"\r", b"x")
    assert taken([b"data: ", *[chunk] * 30])[0] == "server_error"
