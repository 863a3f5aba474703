"""An `http` hook: what leaves, where it may go, what is told of the answer, and that its time-out is real."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from kimi_hooks import config, events
from kimi_hooks.clock import Clock
from kimi_hooks.config_hooks import Hook, HttpPart
from kimi_hooks.errors import ConfigError
from kimi_hooks.hooks import dialing, engine, posting
from kimi_hooks.process.protocol import Finished
from tests.hooks.test_http import free_port
from tests.kimi.desk import Letter, desk
from tests.receiver import Answer, Receiver, dripping

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = "kimi-1-abcdefgh-TaskCompleted"
STILL = Clock(now=lambda: 1_771_342_200.0)


def hook_of(url: str, *, event: str = "TaskCompleted", **keys: Any) -> Hook:
    """Return the hook that config.yaml would have."""
    handler = {"id": "post", "type": "http", "url": url, **keys}
    parsed = config.parse(json.dumps({"workspace": 1, "hooks": {event: [{"hooks": [handler]}]}}), "config.yaml")
    return parsed.each_hook()[0]


def fields(**more: Any) -> dict[str, Any]:
    known = {"hook_event_name": "TaskCompleted", "event_id": EVENT, "task_name": '密 "a" $HOME', "status": "done"}
    return {**dict.fromkeys(events.FIELDS), **known, "usage": {"total_tokens": 700}, **more}


def post(url: str, variables: Mapping[str, str] | None = None, clock: Clock = STILL, **keys: Any) -> Finished:
    """Run the hook with these variables set; loopback is allowed unless the keys say otherwise."""
    hook = hook_of(url, **{"allow_private": True, **keys})
    assert isinstance(hook.handler, HttpPart)
    known = variables or {}
    return posting.run(
        hook, hook.handler, fields(), lambda names: {name: known[name] for name in names if name in known}, clock
    )


# What leaves


def test_the_body_is_what_a_command_reads(receiver: Receiver) -> None:
    """The same JSON as on standard input, with an id that is the event's at every try."""
    finished = post(f"{receiver.url}/in")
    (seen,) = receiver.seen
    assert seen.path == "/in"
    assert seen.json == fields()
    assert seen.headers["content-type"] == "application/json"
    assert (seen.headers["webhook-id"], seen.headers["webhook-timestamp"]) == (EVENT, "1771342200")
    assert "webhook-signature" not in seen.headers
    assert (finished.http_status, finished.exit_code, finished.timed_out, finished.stderr) == (200, None, False, "")


@pytest.mark.parametrize(("named", "keys"), [("WEBHOOK_SECRET", {}), ("MY_SECRET", {"secret": "MY_SECRET"})])
def test_a_receiver_can_check_who_sent_it(receiver: Receiver, named: str, keys: dict[str, str]) -> None:
    """With a secret, Standard Webhooks' own library accepts the post."""
    post(receiver.url, {named: SECRET}, Clock(), **keys)
    (seen,) = receiver.seen
    assert Webhook(SECRET).verify(seen.body, dict(seen.headers)) == fields()


def test_headers_hold_variables_that_are_allowed(receiver: Receiver) -> None:
    """`$NAME` and `${NAME}` of what is listed; one that is not listed or not set is empty."""
    headers = {
        "Authorization": "Bearer $TOKEN",
        "X-Both": "${TOKEN}-$OTHER-$GONE",
        "X-Text": "5 $ 密",
        "X-None": "$OTHER",
    }
    known = {"TOKEN": "very-secret", "OTHER": "never"}
    post(receiver.url, known, headers=headers, allowedEnvVars=["TOKEN", "GONE"])
    (seen,) = receiver.seen
    assert seen.headers["authorization"] == "Bearer very-secret"
    assert seen.headers["x-both"] == "very-secret--"
    assert seen.headers["x-text"].encode("latin-1").decode() == "5 $ 密"
    assert seen.headers["x-none"] == ""


def test_a_header_of_the_users_own_takes_our_place(receiver: Receiver) -> None:
    """`content-type` in any writing is sent once, as the user wants it."""
    post(receiver.url, headers={"content-type": "application/vnd.api+json"})
    assert receiver.seen[0].headers["content-type"] == "application/vnd.api+json"


def test_an_address_may_hold_a_token(receiver: Receiver) -> None:
    """A variable in the address is filled in, and nobody sees its value."""
    receiver.answers = [Answer(404, b"no such bot: 123:abcdef-secret")]
    finished = post(f"{receiver.url}/bot${{BOT}}/send?chat=1", {"BOT": "123:abcdef-secret"}, allowedEnvVars=["BOT"])
    assert receiver.seen[0].path == "/bot123:abcdef-secret/send?chat=1"
    assert "abcdef-secret" not in repr(finished)
    assert finished.stdout == "no such bot: ***"
    assert hook_of("https://x.example/bot$BOT/s", allowedEnvVars=["BOT"]).handler.told == "https://x.example"


def test_a_whole_address_may_be_a_secret(receiver: Receiver) -> None:
    """As Slack's are: the config shows the variable's name only."""
    known = {"SLACK": f"{receiver.url}/services/T00000000/very-secret"}
    finished = post("$SLACK", known, allowedEnvVars=["SLACK"])
    assert finished.http_status == 200
    assert receiver.seen[0].path == "/services/T00000000/very-secret"
    assert hook_of("${SLACK}/x", allowedEnvVars=["SLACK"]).handler.told == "${SLACK}"


def test_a_host_from_a_variable_is_not_told() -> None:
    """Where the host comes from a variable, messages have the variable's name in its place."""
    finished = post(f"http://$HOST_NAME:{free_port()}/x", {"HOST_NAME": "127.0.0.1"}, allowedEnvVars=["HOST_NAME"])
    assert finished.stderr.startswith("http://$HOST_NAME:")
    assert "127.0.0.1" not in finished.stderr


@pytest.mark.parametrize(
    ("url", "known", "said"),
    [
        ("https://h.example/$TOKEN", {}, "TOKEN, which stands in the url of post, is not set; put it into .env.kimi"),
        ("$TOKEN", {"TOKEN": "no-address-at-all"}, "no address once TOKEN is filled in"),
        ("https://h.example/$TOKEN", {"TOKEN": "abcdef\r\nHost: evil"}, "no address once TOKEN is filled in"),
    ],
)
def test_an_address_that_is_none(url: str, known: dict[str, str], said: str) -> None:
    """Nothing is sent, trying again cannot help, and the value is not shown."""
    finished = post(url, known, allowedEnvVars=["TOKEN"])
    assert said in finished.stderr
    assert not any(value in finished.stderr for value in known.values())
    assert (finished.is_final, finished.http_status, engine.judge(finished)) == (True, None, "gave_up")


def test_a_variable_cannot_write_a_header(receiver: Receiver) -> None:
    """A value with a line end is not sent."""
    keys: dict[str, Any] = {"headers": {"X-A": "$TOKEN"}, "allowedEnvVars": ["TOKEN"]}
    finished = post(receiver.url, {"TOKEN": "secret-part\r\nX-B: 1"}, **keys)
    assert "the header X-A of post gets a control character" in finished.stderr
    assert "secret-part" not in finished.stderr
    assert receiver.seen == []


def test_a_secret_that_is_no_key_is_told_by_its_name(receiver: Receiver) -> None:
    """The variable is named, its value is not."""
    finished = post(receiver.url, {"MINE": "whsec_@@@@@@@@"}, secret="MINE")
    assert finished.stderr.startswith("MINE begins with whsec_ but is not base64")
    assert receiver.seen == []


# A body of one's own


def test_a_body_of_ones_own(receiver: Receiver) -> None:
    """Texts are templates; one that is a tag alone keeps its type; what a value holds never becomes JSON or a tag."""
    text = {
        "text": "{{ task_name }}: {{ status }}", "tokens": "{{ usage.total_tokens }}", "group": "{{ group }}", "n": 5,
        "list": ["{{ usage }}", {"{{ key }}": "{{ status|upper }}"}], "empty": "-{{ group }}-", "more": "{{- status -}}",
    }  # fmt: skip
    post(receiver.url, body=text, secret="S")
    assert receiver.seen[0].json == {
        "text": '密 "a" $HOME: done', "tokens": 700, "group": None, "n": 5,
        "list": [{"total_tokens": 700}, {"{{ key }}": "DONE"}], "empty": "--", "more": "done",
    }  # fmt: skip


def test_a_body_is_signed_as_it_leaves(receiver: Receiver) -> None:
    """The signature is of the body that was made."""
    post(receiver.url, {"WEBHOOK_SECRET": SECRET}, Clock(), body={"text": "{{ task_name }}"})
    (seen,) = receiver.seen
    assert Webhook(SECRET).verify(seen.body, dict(seen.headers)) == {"text": fields()["task_name"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ metadata.ticket }}", "body.text: "),
        ("it is {{ usage.nothing }}", "body.text: 'dict object' has no attribute 'nothing'; give it a value"),
        ("{{ 1 // 0 }}", "body.text: ZeroDivisionError"),
        ("{{ ''.__class__.mro() }}", "body.text: "),
        ("{{ usage.items() }}", "body: it holds what JSON has no form for"),
    ],
)
def test_a_body_that_cannot_be_filled_in(receiver: Receiver, text: str, said: str) -> None:
    """The place and the remedy are told, and nothing is sent."""
    finished = post(receiver.url, body={"text": text})
    assert finished.stderr.startswith(said)
    assert receiver.seen == []


# Where it may go


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "LOCALHOST", "[::1]",
     "[::ffff:127.0.0.1]", "0.0.0.0"],
)  # fmt: skip
def test_this_machine_is_not_asked(receiver: Receiver, host: str) -> None:
    """However it is written, nothing is sent to it unless the handler allows that; the remedy is told."""
    port = receiver.url.rpartition(":")[2]
    finished = post(f"http://{host}:{port}/x", allow_private=False)
    assert "is on this machine or in a private network; if that is meant, write allow_private: true" in finished.stderr
    assert (finished.is_final, engine.judge(finished)) == (True, "gave_up")
    assert receiver.seen == []


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "0.1.2.3", "127.255.0.1",
     "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1",
     "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "::ffff:10.0.0.1", "::10.0.0.1",
     "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "100::1"],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    """Loopback, private, link-local, shared, multicast, reserved; also wrapped in IPv6."""
    assert not dialing.is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_that_are_public(address: str) -> None:
    """The internet, also where IPv4 is reached through NAT64."""
    assert dialing.is_public(address)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Give a function that makes a name have these addresses, and returns the names that are looked up from then on."""

    def known(name: str, *addresses: str) -> list[str]:
        asked: list[str] = []

        def look_up(host: str, port: Any, *_: Any) -> list[Any]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses if host == name]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return known


def test_a_name_that_leads_home_is_refused(receiver: Receiver, names: Callable[..., list[str]]) -> None:
    """One private address among public ones is enough, and none of them is connected to."""
    names("hooks.example", "8.8.8.8", "127.0.0.1")
    finished = post(f"http://hooks.example:{receiver.url.rpartition(':')[2]}/x", allow_private=False)
    assert "http://hooks.example" in finished.stderr
    assert "leads to 127.0.0.1" in finished.stderr
    assert receiver.seen == []


def test_a_name_is_looked_up_once(receiver: Receiver, names: Callable[..., list[str]]) -> None:
    """What was checked is what is connected to: no second look-up could tell another address."""
    asked = names("hooks.example", "127.0.0.1")
    finished = post(f"http://hooks.example:{receiver.url.rpartition(':')[2]}/x")
    assert finished.http_status == 200
    assert asked == ["hooks.example"]
    assert receiver.seen[0].headers["host"].startswith("hooks.example:")


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Make a certificate for hooks.example that the environment trusts."""
    made = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=hooks.example", "-addext", "subjectAltName=DNS:hooks.example", "-out", made[0], "-keyout",
         made[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made[0]))
    monkeypatch.setenv("NO_PROXY", "*")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made)
    return context


@pytest.mark.parametrize(("name", "status"), [("hooks.example", 200), ("other.example", None)])
def test_certificates_are_checked_against_the_name(
    certificate: ssl.SSLContext, names: Callable[..., list[str]], name: str, status: int | None
) -> None:
    """Though an address is connected to, the certificate must be the name's."""
    names(name, "127.0.0.1")
    with desk(Letter(body=b"{}"), tls=certificate) as server:
        port = server.url.removesuffix("/v1").rpartition(":")[2]
        finished = post(f"https://{name}:{port}/x")
    assert finished.http_status == status
    assert len(server.came) == (status is not None)
    if status is None:
        assert "its certificate is not trusted" in finished.stderr
        assert engine.judge(finished) == "retry"


def test_a_proxy_is_asked_for_no_private_address(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy may be anywhere; it looks up what nobody here knows, and gets no private address."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, receiver.url)
    assert post("http://hooks.invalid/x", allow_private=False).http_status == 200
    assert [seen.path for seen in receiver.seen] == ["http://hooks.invalid/x"]
    finished = post("http://10.11.12.13/x", allow_private=False)
    assert "leads to 10.11.12.13" in finished.stderr
    assert post("http://10.11.12.13/x").http_status == 200
    assert len(receiver.seen) == 2


@pytest.mark.parametrize("host", ["printer.", "[fe80::1%25lo]"])
def test_a_proxy_is_asked_for_no_private_address_in_another_writing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """A name with the root's dot, and an address with its zone, are looked up without them: not every resolver can."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, receiver.url)
    real = socket.getaddrinfo
    known = {"printer": "10.11.12.13"}
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, *rest: real(known.get(name, name), *rest))
    finished = post(f"http://{host}/x", allow_private=False)
    assert "in a private network" in finished.stderr
    assert receiver.seen == []


# What is told of the answer


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "delivered"), (204, "delivered"), (301, "gave_up"), (307, "gave_up"), (400, "gave_up"), (401, "gave_up"),
     (404, "gave_up"), (408, "retry"), (409, "retry"), (410, "gave_up"), (425, "retry"), (429, "retry"),
     (500, "retry"), (503, "retry")],
)  # fmt: skip
def test_what_an_answer_means_for_news(receiver: Receiver, status: int, outcome: str) -> None:
    """2xx is delivered, what may pass is tried again, all else is not; a redirect is not followed."""
    receiver.answers = [Answer(status, b"", {"Location": f"{receiver.url}/elsewhere"})]
    finished = post(receiver.url)
    assert (finished.http_status, engine.judge(finished)) == (status, outcome)
    assert (finished.stderr == "") == (outcome == "delivered")
    assert len(receiver.seen) == 1


def test_nobody_there_is_tried_again() -> None:
    """No answer is no refusal; neither path nor query is told."""
    finished = post(f"http://127.0.0.1:{free_port()}/hidden/path?key=abcdefgh")
    assert "gave no answer (Connection refused)" in finished.stderr
    assert "hidden" not in finished.stderr
    assert (finished.http_status, finished.timed_out, engine.judge(finished)) == (None, False, "retry")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("999999999", 86_400.0), ("nan", None), ("soon", None)],
)
def test_a_receiver_says_when_to_come_back(receiver: Receiver, value: str, seconds: float | None) -> None:
    """In seconds, a day at most; what is no number counts for nothing."""
    receiver.answers = [Answer(503, b"", {"Retry-After": value})]
    assert post(receiver.url).retry_after == seconds


def test_a_receiver_says_until_when_to_wait(receiver: Receiver) -> None:
    """A date is compared with the receiver's own clock."""
    receiver.answers = [Answer(503, b"", {"Retry-After": formatdate(time.time() + 600, usegmt=True)})]
    assert post(receiver.url).retry_after == pytest.approx(600, abs=30)


@pytest.mark.parametrize(("event", "size"), [("TaskCompleted", 8 * 1024), ("Stop", 1024 * 1024)])
def test_how_much_of_an_answer_is_told(receiver: Receiver, event: str, size: int) -> None:
    """8 KiB of an answer to news, a MiB of a gate's, which may be a decision; the beginning of it."""
    receiver.answers = [Answer(200, b"<" + b"x" * 3 * 1024 * 1024)]
    finished = post(receiver.url, event=event)
    assert (len(finished.stdout), finished.stdout[:2]) == (size, "<x")


def test_no_half_of_a_secret_is_told(receiver: Receiver) -> None:
    """A secret that the receiver repeats is left out where the told part ends, too."""
    receiver.answers = [Answer(200, b"x" * (8 * 1024 - 8) + b"a-very-long-secret-token and more")]
    keys: dict[str, Any] = {"headers": {"Authorization": "$TOKEN"}, "allowedEnvVars": ["TOKEN"]}
    finished = post(receiver.url, {"TOKEN": "a-very-long-secret-token"}, **keys)
    assert finished.stdout.endswith("xxx***" + " and ")


@pytest.mark.parametrize("before", [b"a-very-long-secret-token\n" * 400, "密".encode() * 2732], ids=["masked", "wide"])
def test_no_half_of_a_secret_is_told_of_less(receiver: Receiver, before: bytes) -> None:
    """Nor where what was read makes fewer characters than are told."""
    receiver.answers = [Answer(200, before + b"a-very-long-secret-token" * 100)]
    keys: dict[str, Any] = {"headers": {"Authorization": "$TOKEN"}, "allowedEnvVars": ["TOKEN"]}
    finished = post(receiver.url, {"TOKEN": "a-very-long-secret-token"}, **keys)
    assert finished.stdout
    assert "a-very" not in finished.stdout


@pytest.mark.parametrize("event", ["TaskCompleted", "Stop"])
def test_credentials_are_not_told_in_the_form_that_is_sent(receiver: Receiver, event: str) -> None:
    """A receiver that repeats the headers repeats user and password in base64."""
    sent = base64.b64encode(b"me:a-password").decode()
    receiver.answers = [Answer(400, f"Authorization: Basic {sent}".encode())]
    finished = post(
        receiver.url.replace("://", "://me:$WORD@"), {"WORD": "a-password"}, allowedEnvVars=["WORD"], event=event
    )
    assert receiver.seen[0].headers["authorization"] == f"Basic {sent}"
    assert finished.stdout == "Authorization: Basic ***"
    assert sent not in finished.stderr


def test_a_gates_answer_is_left_as_it_is(receiver: Receiver) -> None:
    """Words of the address may be words that decide; only what came from variables is left out."""
    said = b'{"decision": "block", "reason": "not with very-secret"}'
    receiver.answers = [Answer(200, said)]
    keys: dict[str, Any] = {"headers": {"X": "$TOKEN"}, "allowedEnvVars": ["TOKEN"], "event": "Stop"}
    finished = post(f"{receiver.url}/decision", {"TOKEN": "very-secret"}, **keys)
    assert json.loads(finished.stdout) == {"decision": "block", "reason": "not with ***"}


# Its time


def test_silence_ends() -> None:
    """A receiver that takes the post and says nothing is given up after the time-out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        finished = post(f"http://127.0.0.1:{server.getsockname()[1]}/x", timeout=0.1)
    assert (finished.timed_out, finished.http_status, engine.judge(finished)) == (True, None, "retry")
    assert finished.stderr.endswith("did not answer within 0.1 s")
    assert 100 <= finished.duration_ms < 5000


def test_headers_that_drip_end() -> None:
    """Each byte comes in time, and still the whole is bounded."""
    with dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x") as url:
        finished = post(url, timeout=0.2)
    assert (finished.timed_out, finished.http_status) == (True, None)
    assert finished.duration_ms < 5000


@pytest.mark.parametrize(("event", "told"), [("TaskCompleted", (False, 200)), ("Stop", (True, None))])
def test_a_body_that_drips_ends(event: str, told: tuple[bool, int | None]) -> None:
    """For news the status is enough; half of a gate's answer is none."""
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x") as url:
        finished = post(url, timeout=0.2, event=event)
    assert (finished.timed_out, finished.http_status) == told
    assert finished.duration_ms < 5000


def test_a_name_server_that_is_silent(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up counts as well, and nothing is posted once the time is up."""
    answered = threading.Event()

    def look_up(*_: Any) -> list[Any]:
        answered.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(receiver.url.rpartition(":")[2])))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(posting, "_LAST_SECONDS", 0.01)
    finished = post("http://hooks.example/x", timeout=0.1)
    assert (finished.timed_out, finished.http_status) == (True, None)
    left_behind = [thread for thread in threading.enumerate() if thread.name == "post"]
    answered.set()
    for thread in left_behind:
        thread.join(20)
    assert len(left_behind) == 1
    assert receiver.seen == []


# What config.yaml may say


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"url": "https://h.example/$TOKEN"}, "url: $TOKEN stands there, but not under allowedEnvVars"),
        ({"url": "ftp://h.example/"}, "is not an address that can be posted to"),
        ({"url": "https://h.example/a b"}, "is not an address that can be posted to"),
        ({"url": "https://h.example/\n"}, "is not an address that can be posted to"),
        ({"headers": {"Webhook-Id": "x"}}, "Webhook-Id cannot be set, for it is made anew for every post"),
        ({"headers": {"content-length": "5"}}, "content-length cannot be set, for it comes from the body"),
        ({"headers": {"Host": "x"}}, "Host cannot be set, for it comes from `url`"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "it belongs to the connection"),
        ({"headers": {"a b": "x"}}, "'a b' is no name of a header"),
        ({"headers": {"A": "x", "a": "y"}}, "a stands there twice"),
        ({"headers": {"A": "x\r\nB: y"}}, "A holds a line end"),
        ({"allowedEnvVars": ["$TOKEN"]}, "'$TOKEN' is no name of an environment variable"),
        ({"body": ["x"]}, "body"),
    ],
)
def test_what_is_refused_when_config_yaml_is_read(keys: dict[str, Any], said: str) -> None:
    """Each mistake is named with its place and what to write."""
    with pytest.raises(ConfigError) as refused:
        hook_of(**{"url": "https://h.example/", **keys})
    assert said in str(refused.value)
    assert "hooks.TaskCompleted.0.hooks.0" in str(refused.value)
