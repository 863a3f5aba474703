"""The three hooks that `init` lays out: what they do, when they keep quiet, and that no secret is on show."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from kimi_hooks.defaults import folder, hook_files
from kimi_hooks.events import hook_input, of_result
from kimi_hooks.hooks import template
from kimi_hooks.hooks.command import TEMPLATE_NAMES
from kimi_hooks.standin.faults import Fault
from tests.house import House
from tests.receiver import Receiver

TOKEN = "hooks-token-of-nobody"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GROUP = "-5298003529"
# Writes down how it was called and what all the world can see meanwhile; ends as it is told.
OPENCLAW = """#!/bin/sh
printf '%s\\0' "$@" >> {folder}/called
printf '\\0' >> {folder}/called
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >> {folder}/seen
cat >> {folder}/input
echo "chat not found" >&2
exit {code}
"""


@pytest.fixture
def shipped(house: House) -> House:
    """Give the workspace the shipped config, quick and wide."""
    text = (folder() / "config.yaml").read_text().replace("requests_per_minute: 10 ", "requests_per_minute: 1000 ")
    house.workspace.config_file.write_text(text + "\nretry: {first_pause: 0.01, max_pause: 0.02}\n")
    return house


class Openclaw:
    """An imitation of the program `openclaw`."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "tools"
        self.folder.mkdir()
        self.end_with(0)

    def end_with(self, code: int) -> None:
        (self.folder / "openclaw").write_text(OPENCLAW.format(folder=self.folder, code=code))
        (self.folder / "openclaw").chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call."""
        called = (self.folder / "called").read_text() if (self.folder / "called").exists() else ""
        return [call.split("\0") for call in called.split("\0\0") if call]


@pytest.fixture
def openclaw(shipped: House) -> Openclaw:
    """Put an imitation of `openclaw` on the runner's PATH."""
    made = Openclaw(shipped.home)
    shipped.environ["PATH"] = f"{made.folder}:{shipped.environ['PATH']}"
    return made


def outcomes(house: House, hook_id: str) -> list[str]:
    return [run.outcome for run in house.runs() if run.hook_id == hook_id]


def test_what_was_never_set_up_is_said_and_no_failure(shipped: House) -> None:
    """No token, no address, no openclaw: each says so, and nobody is bothered with errors."""
    shipped.drop("a.json", {"prompt": "a", "group": GROUP})
    shipped.drain(PATH="/usr/bin:/bin")
    assert {run.outcome for run in shipped.runs()} == {"delivered"}
    said = {run.hook_id: run.stdout for run in shipped.runs()}
    task_id = shipped.entry().id
    assert said == {
        "notify-agi": f"OPENCLAW_HOOKS_TOKEN is not set: nobody was woken for {task_id}\n",
        "notify-group": f"openclaw is not on PATH: group {GROUP} was not told of {task_id}\n",
        "webhook-handler": f"WEBHOOK_URL is not set: nothing was sent for {task_id}\n",
    }


# notify-agi


def test_notify_agi_wakes_the_agent_once(shipped: House, receiver: Receiver) -> None:
    """The request that the gateway takes: path, bearer token, one line that we control."""
    shipped.drop("a.json", {"prompt": "a", "name": "it's $(id) 登入 頁", "group": GROUP})
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN=TOKEN)
    (wake,) = receiver.seen
    assert wake.path == "/hooks/wake"
    assert wake.headers["authorization"] == f"Bearer {TOKEN}"
    text = wake.json["text"]
    assert text.startswith(f"[kimi] task {shipped.entry().id} (its id 登入 頁) done, ")
    assert f"report to the user (telegram group {GROUP})" in text
    assert "imitation" not in text
    assert outcomes(shipped, "notify-agi") == ["delivered"]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [([503, 200], ["retry", "delivered"]), ([401], ["gave_up"]), ([404], ["gave_up"])],
)
def test_notify_agi_knows_what_can_pass(
    shipped: House, receiver: Receiver, statuses: list[int], expected: list[str]
) -> None:
    """A busy gateway is tried again; a wrong token or path is told and not repeated."""
    receiver.answer(*statuses)
    shipped.drop("a.md", "a")
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN=TOKEN)
    assert outcomes(shipped, "notify-agi") == expected


def test_a_failure_wakes_the_agent_too(shipped: House, receiver: Receiver) -> None:
    """Who waits for an answer must hear that none will come."""
    shipped.drop("a.md", " ")
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN=TOKEN)
    assert "(a) failed, 0 tokens" in receiver.seen[0].json["text"]


def test_notify_agi_tells_that_the_queue_stands_still(shipped: House, receiver: Receiver) -> None:
    """An agent that waits for an answer hears of the pause, the same at every try, and that the queue goes on."""
    shipped.kimi.add(Fault("http", status=429, type="exceeded_current_quota_error", message="IGNORE ALL"))
    receiver.answer(503)
    shipped.drop("a.json", {"prompt": "a", "group": GROUP})
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN=TOKEN)
    first, second = (seen.json["text"] for seen in receiver.seen)
    assert first == second
    assert first.startswith("[kimi] the queue is paused since ")
    assert "(billing_error): tasks wait, and none is lost. See why with: " in first
    assert "IGNORE" not in first
    assert outcomes(shipped, "notify-agi") == ["retry", "delivered"]
    assert shipped.call("resume").returncode == 0
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN=TOKEN)
    told = sorted(seen.json["text"] for seen in receiver.seen[2:])
    assert len(told) == 2
    assert told[0].startswith(f"[kimi] task {shipped.entry().id} (a) done, ")
    assert told[1].startswith("[kimi] the queue goes on since ")


def test_the_commands_in_the_line_about_the_queue_work(shipped: House, receiver: Receiver) -> None:
    """What the agent is told to run tells why, and lets the queue go on."""
    shipped.kimi.add(Fault("http", status=401, type="invalid_authentication_error"))
    shipped.drop("a.md", "a")
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN=TOKEN)
    text = receiver.seen[0].json["text"]
    look, resume = text.partition("See why with: ")[2].partition(",")[0], text.rpartition(" run: ")[2]
    assert "authentication_failed" in shipped.call(*look.split()[3:]).stdout
    assert shipped.call(*resume.split()[3:]).stdout == "resumed\n"


def test_the_shipped_hooks_keep_quiet_of_the_queue_where_nothing_is_set_up(shipped: House) -> None:
    """No token: said on standard output, and no failure."""
    shipped.call("pause")
    shipped.drain()
    (run,) = shipped.runs()
    assert run.stdout == f"OPENCLAW_HOOKS_TOKEN is not set: nobody was woken for {run.event_id}\n"


@pytest.mark.parametrize("hook", ["notify-agi", "webhook-handler"])
def test_a_hook_of_an_older_workspace_can_be_told_of_the_queue(shipped: House, receiver: Receiver, hook: str) -> None:
    """It hands on an empty task id: then the verb looks at the event that the hook is told of."""
    verb = {"notify-agi": "wake", "webhook-handler": "webhook send"}[hook]
    shipped.hook(f'#!/bin/sh\nexec kimi-hooks {verb} "$KIMI_TASK_ID"\n', "old.sh", event="Notification",
                 env=["OPENCLAW_GATEWAY_URL", "OPENCLAW_HOOKS_TOKEN", "WEBHOOK_URL"])  # fmt: skip
    shipped.call("pause")
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN=TOKEN, WEBHOOK_URL=receiver.url)
    (seen,) = receiver.seen
    assert b"paused" in seen.body


# notify-group


def test_notify_group_tells_the_group(shipped: House, openclaw: Openclaw) -> None:
    """Channel, group and the report as single words, whatever they hold; nothing on its input."""
    shipped.drop("a.json", {"prompt": "a", "name": "it's $(id) `x`", "group": GROUP})
    shipped.drain()
    ((message, send, *rest),) = openclaw.calls
    assert (message, send) == ("message", "send")
    assert rest[:3] == ["--channel", "telegram", f"--target={GROUP}"]
    assert rest[3] == "--message"
    assert rest[4] == shipped.call("report", shipped.entry().id).stdout.rstrip("\n")
    assert "it's $(id) `x`" in rest[4]
    assert len(rest) == 5
    assert (openclaw.folder / "input").read_text() == ""
    assert outcomes(shipped, "notify-group") == ["delivered"]


def test_notify_group_takes_the_way_that_the_task_names(shipped: House, openclaw: Openclaw) -> None:
    """Another channel, a thread, an account, a message to answer."""
    task = {"prompt": "a", "group": "C 1", "channel": "slack", "thread_id": "14", "account": "my bot", "reply_to": "-7"}
    shipped.drop("a.json", task)
    shipped.drain()
    (call,) = openclaw.calls
    assert call[2:5] == ["--channel", "slack", "--target=C 1"]
    assert call[7:] == ["--thread-id", "14", "--account", "my bot", "--reply-to", "-7"]


def test_notify_group_has_nobody_to_tell(shipped: House, openclaw: Openclaw) -> None:
    """A task without a group is no failure, and no call."""
    shipped.drop("a.md", "a")
    shipped.drain()
    assert openclaw.calls == []
    assert [run.stdout for run in shipped.runs() if run.hook_id == "notify-group"] == [
        f"no group was named: nobody was told of {shipped.entry().id}\n"
    ]


@pytest.mark.parametrize("code", [1, 2, 7])
def test_a_failing_openclaw_is_called_again(shipped: House, openclaw: Openclaw, code: int) -> None:
    """Whatever its exit code says; its words are in the record."""
    openclaw.end_with(code)
    shipped.drop("a.json", {"prompt": "a", "group": GROUP})
    shipped.drain()
    runs = [run for run in shipped.runs() if run.hook_id == "notify-group"]
    assert [run.exit_code for run in runs] == [1] * 6
    assert {run.stderr for run in runs} == {"chat not found\n"}
    assert len(openclaw.calls) == 6


def test_the_group_is_told_once(shipped: House, openclaw: Openclaw, receiver: Receiver) -> None:
    """Where notify-group tells it, the agent is asked not to; for a task without a group nothing changes."""
    shipped.drop("a.json", {"prompt": "a", "group": GROUP})
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN=TOKEN)
    assert f"do not report to the telegram group {GROUP}" in receiver.seen[0].json["text"]
    shipped.drop("b.md", "b")
    shipped.drain(OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN=TOKEN)
    assert "report to the user, then run" in receiver.seen[1].json["text"]


# webhook-handler


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [([], ["delivered"]), ([500, 200], ["retry", "delivered"]), ([410], ["gave_up"]), ([307], ["gave_up"])],
)
def test_webhook_handler_sends_the_result(
    shipped: House, receiver: Receiver, statuses: list[int], expected: list[str]
) -> None:
    """The result file as it lies on the disk, signed, with the same id at every try."""
    receiver.answer(*statuses)
    shipped.drop("a.md", "a")
    shipped.drain(WEBHOOK_URL=f"{receiver.url}/in?token=hidden-token", WEBHOOK_SECRET=SECRET)
    assert outcomes(shipped, "webhook-handler") == expected
    assert receiver.seen[-1].path == "/in?token=hidden-token"
    assert receiver.seen[-1].body == shipped.workspace.result_file(shipped.entry().id).read_bytes()
    assert Webhook(SECRET).verify(receiver.seen[-1].body, dict(receiver.seen[-1].headers)) == shipped.result()
    assert {seen.headers["webhook-id"] for seen in receiver.seen} == {f"{shipped.entry().id}-TaskCompleted"}
    assert "hidden-token" not in "".join(run.stdout + run.stderr for run in shipped.runs())


def test_webhook_handler_can_be_told_of_the_queue(shipped: House, receiver: Receiver) -> None:
    """A small body that `notification_type` tells from a result, signed, with the event's id at every try."""
    shipped.configure({"Notification": [{"hooks": [{"id": "webhook-handler", "command": "hooks/webhook-handler.sh.j2",
                                                    "env": ["WEBHOOK_URL", "WEBHOOK_SECRET"]}]}]})  # fmt: skip
    shipped.call("pause")
    receiver.answer(500)
    shipped.drain(WEBHOOK_URL=receiver.url, WEBHOOK_SECRET=SECRET)
    assert outcomes(shipped, "webhook-handler") == ["retry", "delivered"]
    seen = receiver.seen[-1]
    event_id = shipped.runs()[0].event_id
    assert {each.headers["webhook-id"] for each in receiver.seen} == {event_id}
    told = Webhook(SECRET).verify(seen.body, dict(seen.headers))
    assert list(told) == ["event_id", "timestamp", "notification_type", "title", "message", "detail", "task_id"]
    assert (told["event_id"], told["notification_type"], told["task_id"]) == (event_id, "queue_paused", None)
    assert told["detail"] == {"reason": "person"}


def test_the_secret_that_init_made_signs(shipped: House, receiver: Receiver) -> None:
    """A workspace as it was laid out sends signed results once it has an address."""
    file = shipped.workspace.secrets_file
    secret = next(line for line in file.read_text().splitlines() if line.startswith("WEBHOOK_SECRET="))
    file.write_text(f"{file.read_text()}\nWEBHOOK_URL={receiver.url}\n")
    shipped.drop("a.md", "a")
    shipped.drain()
    (seen,) = receiver.seen
    assert Webhook(secret.partition("=")[2]).verify(seen.body, dict(seen.headers)) == shipped.result()


# All three


def test_no_secret_stands_in_an_argument_list(shipped: House, openclaw: Openclaw, receiver: Receiver) -> None:
    """What `ps` shows of every process while the three hooks are at work holds no token, address or secret."""
    shipped.drop("a.json", {"prompt": "a", "group": GROUP})
    shipped.drain(
        OPENCLAW_GATEWAY_URL=receiver.url, OPENCLAW_HOOKS_TOKEN=TOKEN, WEBHOOK_URL=f"{receiver.url}/hidden-token",
        WEBHOOK_SECRET=SECRET,
    )  # fmt: skip
    assert {seen.path for seen in receiver.seen} == {"/hooks/wake", "/hidden-token"}
    shown = {seen.path: seen.arguments for seen in receiver.seen}
    assert "kimi-hooks wake kimi-" in shown["/hooks/wake"]
    assert "kimi-hooks webhook send kimi-" in shown["/hidden-token"]
    beside = (openclaw.folder / "seen").read_text()
    assert "message send" in beside or not Path("/proc/self/cmdline").exists()
    for text in (*shown.values(), beside):
        assert [secret for secret in (TOKEN, "hidden-token", SECRET) if secret in text] == []


@pytest.mark.parametrize("file", hook_files(), ids=lambda path: path.name)
def test_they_are_short_and_clean(file: Path, shipped: House) -> None:
    """20 lines at most, and nothing that shellcheck would say of what bash is given."""
    assert len(file.read_text().splitlines()) <= 20
    shipped.drop("a.json", {"prompt": "a", "name": "it's $(id)", "group": GROUP, "thread_id": "14"})
    shipped.drain()
    event = of_result(shipped.result())
    values = hook_input(event, name="TaskCompleted", attempt=1, prompt="a", home="/ws", result_file="/ws/r")
    rendered = template.load(file, TEMPLATE_NAMES).render({**values, "config": {}})
    assert f"='{GROUP}'\n" in rendered or "group" not in file.read_text()
    shellcheck = Path(sysconfig.get_path("scripts")) / "shellcheck"
    said = subprocess.run([shellcheck, "-"], input=rendered, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "")
