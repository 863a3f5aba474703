"""One whole run with everything on, successes and failures: no secret is anywhere but where it belongs."""

from __future__ import annotations

import base64
import html
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from kimi_hooks.standin.faults import Fault
from kimi_hooks.standin.server import Standin
from tests.house import PROGRAM, House, until
from tests.receiver import Receiver

KEY = 'sk-CANARY"$&<>%{}~!the-key'
WEBHOOK_BYTES = b"CANARY-webhook-secret-of-32-byte"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(WEBHOOK_BYTES).decode()
TOKEN = "CANARY-token-of-the-gateway"
HTTP_TOKEN = "CANARY-token-of-an-http-hook"
OTHER = "CANARY-other's-token-of-nobody"
URL_PASSWORDS = {
    "webhook": "CANARY-password-webhook",
    "gateway": "CANARY-password-gateway",
    "kimi": "CANARY-password-kimi",
    "proxy": "CANARY-password-proxy",
}
SECRETS = (KEY, WEBHOOK_SECRET, WEBHOOK_BYTES.decode(), TOKEN, HTTP_TOKEN, OTHER, *URL_PASSWORDS.values())
CRASHED = "kimi-1700000000-crashcra"
# Writes down all that it was given, and what anybody can see of the processes around it.
DUMP = """#!/bin/sh
{ env; tr '\\0' '\\n' < /proc/self/environ; echo "$0 $*"; cat; echo; cat /proc/[0-9]*/cmdline | tr '\\0' ' '
  tr '\\0' '\\n' < /proc/$PPID/environ; } >> ../seen/$KIMI_EVENT-$KIMI_EVENT_ID 2>/dev/null
exit 0
"""
# Was given secrets because it asked for them, and cannot keep them to itself.
TELLS = """#!/bin/sh
echo "$WEBHOOK_SECRET and $OTHER"
echo "token=$OTHER" >&2
exit 1
"""
OPENCLAW = "#!/bin/sh\nenv >> ../seen/openclaw; cat /proc/[0-9]*/cmdline | tr '\\0' ' ' >> ../seen/openclaw\n"


@dataclass
class Run:
    """What a whole run has left: `said` is what the program printed, by the command line."""

    house: House
    receiver: Receiver
    gateway: Receiver
    posted: Receiver
    said: dict[str, str] = field(default_factory=dict)

    def call(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        called = self.house.call(*arguments, stdin=b"", **environ)
        self.said[f"{len(self.said)} {' '.join(arguments)}"] = called.stdout + called.stderr
        assert "Traceback" not in called.stdout + called.stderr
        return called

    @property
    def seen(self) -> Path:
        return self.house.home.parent / "seen"


def forms(secret: str) -> set[bytes]:
    """Return the ways in which a secret may be written down."""
    raw = secret.encode()
    whole = {raw, json.dumps(secret)[1:-1].encode(), quote(secret, safe="").encode(), html.escape(secret).encode()}
    # In base64, as in an Authorization header: the inner part, which is the same whatever stands before it.
    inside = {base64.b64encode(b"x" * shift + raw)[4 * (shift > 0) : -4] for shift in range(3)}
    return whole | {base64.b64encode(raw).rstrip(b"="), *inside}


def holding(texts: Mapping[str, bytes], secrets: tuple[str, ...] = SECRETS) -> list[str]:
    """Return where which secret stands."""
    return [
        f"{secret[:24]} in {place}"
        for secret in secrets
        for form in forms(secret)
        for place, text in texts.items()
        if form in text
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("secrets")
    for name in ("home", "tools", "seen"):
        (folder / name).mkdir()
    (folder / "tools" / "openclaw").write_text(OPENCLAW)
    (folder / "tools" / "openclaw").chmod(0o755)
    with Standin(keys=frozenset({KEY})) as kimi, Receiver() as receiver, Receiver() as gateway, Receiver() as posted:
        house = House(folder / "ws", kimi)
        path = f"{folder / 'tools'}:{os.environ['PATH']}"
        house.environ = {"PATH": path, "HOME": str(folder / "home"), "KIMI_API_URL": kimi.url}
        run = Run(house, receiver, gateway, posted)
        _set_up(run)
        try:
            _work(run)
            _ask_all_verbs(run)
            yield run
        finally:
            house.close()


def _set_up(run: Run) -> None:
    home = run.house.home
    values = {
        "KIMI_API_KEY": KEY,
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "OPENCLAW_HOOKS_TOKEN": TOKEN,
        "HTTP_TOKEN": HTTP_TOKEN,
        "OTHER": OTHER,
        "WEBHOOK_URL": run.receiver.url.replace("//", f"//user:{URL_PASSWORDS['webhook']}@"),
        "OPENCLAW_GATEWAY_URL": run.gateway.url.replace("//", f"//user:{URL_PASSWORDS['gateway']}@"),
    }
    lines = (f"{name}='{value.replace(chr(39), chr(92) + chr(39))}'\n" for name, value in values.items())
    run.house.workspace.secrets_file.write_text("".join(lines))
    for name, script in {"dump.sh": DUMP, "tells.sh": TELLS}.items():
        (home / "hooks" / name).write_text(script)
        (home / "hooks" / name).chmod(0o755)
    dump: dict[str, Any] = {"id": "dump", "command": "hooks/dump.sh", "env": ["PATH"]}
    events = (
        "TaskCreated",
        "UserPromptSubmit",
        "Stop",
        "TaskCompleted",
        "TaskFailed",
        "Notification",
        "SessionStart",
        "SessionEnd",
    )
    hooks: dict[str, Any] = {event: [{"hooks": [{**dump}]}] for event in events}
    for event in ("TaskCompleted", "TaskFailed", "Notification"):
        hooks[event][0]["hooks"] += [
            {"id": "webhook", "command": "hooks/webhook-handler.sh.j2", "env": ["WEBHOOK_URL", "WEBHOOK_SECRET"]},
            {"id": "agi", "command": "hooks/notify-agi.sh.j2", "env": ["OPENCLAW_GATEWAY_URL", "OPENCLAW_HOOKS_TOKEN"]},
            {"id": "post", "type": "http", "url": f"{run.posted.url}/$HTTP_TOKEN", "allow_private": True, "secret": "WEBHOOK_SECRET",
             "headers": {"Authorization": "Bearer $HTTP_TOKEN"}, "allowedEnvVars": ["HTTP_TOKEN"]},
        ]  # fmt: skip
    for event in ("TaskCompleted", "Stop"):
        hooks[event][0]["hooks"] += [
            {"id": f"tells-{event}", "command": "hooks/tells.sh", "env": ["WEBHOOK_SECRET", "OTHER"], "retries": 1}
        ]
    hooks["TaskCompleted"][0]["hooks"] += [{"id": "group", "command": "hooks/notify-group.sh.j2"}]
    # Through JSON, so that no two are the same object, which YAML would write as an alias.
    run.house.configure(
        json.loads(json.dumps(hooks)), retry={"max_attempts": 2, "first_pause": 0.01, "max_pause": 0.02}
    )


def _work(run: Run) -> None:
    """Let tasks end in all ways; what Kimi, the receivers and the hooks say repeats secrets."""
    house, kimi = run.house, run.house.kimi
    echo = f"you said Bearer {KEY}, is that right?"
    run.receiver.answer(500, 200, 400)
    kimi.add(
        Fault("http", status=400, message=echo, when="bad", headers={"x-request-id": KEY}),
        Fault("http", status=500, body=echo, when="worse", times=2),
        Fault("stream-error", message=echo, when="late", times=2),
        Fault("malformed", when="junk", times=2),
        Fault(finish_reason=KEY, when="odd"),
        Fault("http", status=401, message=echo, when="key"),
    )
    for word in ("good", "bad", "worse", "late", "junk", "odd"):
        house.drop(f"{word}.json", {"prompt": word, "name": word, "group": "-1", "metadata": {"k": word}})
    house.drop("refused.yaml", f"promt: x\n{OTHER[-6:]}: 1\n")
    run.call("run", "--drain")
    _crash(run)
    for environ in (
        {"KIMI_API_URL": f"http://u:{URL_PASSWORDS['kimi']}@127.0.0.1:1/v1"},
        {
            "KIMI_API_URL": "http://api.example.invalid/v1",
            "http_proxy": f"http://u:{URL_PASSWORDS['proxy']}@127.0.0.1:1",
        },
        {"KIMI_API_URL": f"http://u:{URL_PASSWORDS['kimi']}@[bad/v1"},
    ):
        house.drop("refused.json", {"prompt": "nobody answers", "standin": False})
        run.call("run", "--drain", **environ)
        run.call("resume")
    house.drop("key.json", {"prompt": "key", "name": "key"})
    run.call("run", "--drain")


def _crash(run: Run) -> None:
    """Kill the runner while a call is under way, and hooks too; let another one finish."""
    run.house.kimi.add(Fault("hang", when="crash"))
    run.house.drop(f"{CRASHED}.json", {"prompt": "crash"})
    child = run.house.start()
    until(lambda: any("crash" in prompt for prompt in run.house.prompts()))
    run.seen.joinpath("runner").write_bytes(
        Path(f"/proc/{child.pid}/environ").read_bytes() if Path("/proc/self").exists() else b""
    )
    child.send_signal(signal.SIGKILL)
    child.wait()
    run.call("run", "--drain")


def _ask_all_verbs(run: Run) -> None:
    done = next(entry.id for entry in run.house.entries() if entry.name == "good")
    bad = next(entry.id for entry in run.house.entries() if entry.name == "bad")
    late = next(entry.id for entry in run.house.entries() if entry.name == "late")
    for verb in (
        "--help", "status", "status --json", f"show {done}", f"show {bad} --json", "models --remote",
        f"report {done}", "cost --json", "hooks list --json", "hooks check",  "hooks runs --json",
        "hooks runs --failed", f"hooks explain TaskCompleted --task {done}",
        f"hooks test TaskCompleted --task {done} --dry-run", f"hooks test TaskCompleted --task {done} --json", f"webhook send {done}",
        f"wake {done}", "service unit", f"wait {done} {bad} --json", "ack --all", "init --diff",
        "dispatch -p again --json", "clean --older-than 30d --dry-run --json", "fsck --dry-run --json",
        f"retry {late} --json", f"hold {late} --json", f"release {late}", f"cancel {late} {done}",
        f"cancel {late}", "pause", "resume", "fsck", "fsck --rebuild --force", "hooks replay --failed",
    ):  # fmt: skip
        run.call(*verb.split())
    run.call("models", "--remote", KIMI_API_URL=f"http://u:{URL_PASSWORDS['kimi']}@127.0.0.1:1/v1")


def test_all_of_it_happened(whole: Run) -> None:
    """Otherwise nothing is shown by what is not found: each way to end, each hook, each receiver."""
    kinds = {entry.error_kind for entry in whole.house.entries()}
    assert {None, "invalid_request", "server_error", "invalid_task"} <= kinds
    ran = {run.hook_id for run in whole.house.runs()}
    assert {"dump", "webhook", "agi", "post", "tells-TaskCompleted", "tells-Stop", "group"} <= ran
    assert min(len(receiver.seen) for receiver in (whole.receiver, whole.gateway, whole.posted)) > 3
    assert len(list(whole.seen.iterdir())) > 10
    assert any("***" in text for text in whole.said.values())


def test_no_file_of_the_workspace_holds_a_secret(whole: Run) -> None:
    """Results, journal and its log, spool, hook runs, logs: only the file of secrets does."""
    files = {
        str(path): path.read_bytes() for path in whole.house.home.rglob("*") if path.is_file() and not path.is_symlink()
    }
    assert files.pop(str(whole.house.workspace.secrets_file))
    assert holding(files) == []


def test_nothing_that_is_printed_holds_a_secret(whole: Run) -> None:
    """Neither stdout nor stderr of any verb, the runner's own included."""
    assert holding({place: text.encode() for place, text in whole.said.items()}) == []


def test_no_hook_sees_a_secret_that_it_did_not_ask_for(whole: Run) -> None:
    """Its environment, that of the process that starts it, its input, and the argument lists of all processes."""
    assert holding({path.name: path.read_bytes() for path in whole.seen.iterdir()}) == []


def test_no_receiver_is_sent_what_is_not_for_it(whole: Run) -> None:
    """Kimi, the webhook, the gateway and the posts each get what belongs to them, and nobody the signing secret."""
    asked = json.dumps([request.body for request in whole.house.kimi.requests], ensure_ascii=False)
    assert holding({"Kimi": asked.encode()}) == []
    for name, receiver, own in (
        ("webhook", whole.receiver, {URL_PASSWORDS["webhook"]}),
        ("gateway", whole.gateway, {URL_PASSWORDS["gateway"], TOKEN}),
        ("posts", whole.posted, {HTTP_TOKEN}),
    ):
        came = {
            f"{name} {n}": repr((seen.path, seen.headers)).encode() + seen.body for n, seen in enumerate(receiver.seen)
        }
        assert holding(came, tuple(secret for secret in SECRETS if secret not in own)) == []
        assert holding({f"processes {n}": seen.arguments.encode() for n, seen in enumerate(receiver.seen)}) == []


def test_a_bug_tells_no_secret(whole: Run) -> None:
    """A verb that ends as a bug writes a traceback into the log; what it quotes of a secret is masked."""
    log = whole.house.workspace.log_file
    before = log.stat().st_size
    script = f"""
import sys
from kimi_hooks import cli
from kimi_hooks.commands import status
def broken(*_): raise RuntimeError({KEY!r} + {OTHER!r} + " \\x1b[31m \\ud800")
status._status = broken
sys.argv = [{PROGRAM!r}, "--home", {str(whole.house.home)!r}, "status"]
cli.main()
"""
    python = Path(PROGRAM).parent / "python"
    ended = subprocess.run([python, "-c", script], env=whole.house.environ, capture_output=True, check=False)
    assert ended.returncode == 3
    told = log.read_bytes()[before:]
    assert b"RuntimeError" in told
    assert holding({"log": told, "stderr": ended.stderr, "stdout": ended.stdout}) == []
    assert b"\x1b" not in told + ended.stderr
