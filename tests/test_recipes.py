"""Every recipe of docs/hooks.md does what it says, as it is written there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml
from standardwebhooks import Webhook, WebhookVerificationError

from kimi_hooks import signing
from kimi_hooks.clock import Clock
from kimi_hooks.defaults import folder
from tests.house import PROGRAM, House
from tests.receiver import Receiver, Seen

GROUP = "-5298003529"
NAME = 'it\'s "$(id)" 登入'
DONE = "Hello."
FAILED = "Hello.\nstandin: status=403"

needs_tools = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("jq") is None, reason="recipes call curl and jq"
)


@dataclass(frozen=True)
class Recipe:
    """A section under Recipes: its script, its config, and the name that the script gives itself."""

    script: str
    config: Mapping[str, Any]
    name: str


@dataclass(frozen=True)
class Expected:
    """What is set for a recipe, what of it must not be seen, and what must arrive.

    `public` is the one thing that a test must change: the address of a service that the recipe names. `of_queue`: it
    is told of a pause, and not of a task.
    """

    check: Callable[[House, Receiver], None]
    environ: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    prompt: str = DONE
    public: str = ""
    of_queue: bool = False


def document() -> str:
    return (folder() / "docs" / "hooks.md").read_text("utf-8")


def recipes() -> dict[str, Recipe]:
    section = document().split("\n## Recipes\n")[1].split("\n## ")[0]
    found = {}
    for part in section.split("\n### ")[1:]:
        (script,) = re.findall(r"^```bash\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
        (config,) = re.findall(r"^```yaml\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
        name = re.match(r"#!.*\n# (hooks/[\w.-]+)", script)
        assert name
        found[part.partition("\n")[0]] = Recipe(script, yaml.safe_load(config), name[1])
    return found


def only(receiver: Receiver) -> Seen:
    (seen,) = receiver.seen
    return seen


def archived(house: House, receiver: Receiver) -> None:
    file = house.home / "archive" / GROUP / f"{house.entry().id}-TaskCompleted.md"
    assert file.read_text().rstrip("\n") == house.result()["output"]
    assert receiver.seen == []


def sent_by_telegram(house: House, receiver: Receiver) -> None:
    seen = only(receiver)
    assert seen.path == "/bothidden-token/sendMessage"
    told = parse_qs(seen.body.decode())
    assert told["chat_id"] == [GROUP]
    assert told["text"][0].startswith(f"{NAME}: done\n{house.result()['output'][:50]}")


def sent_by_slack(house: House, receiver: Receiver) -> None:
    seen = only(receiver)
    assert seen.path == "/hidden-token"
    assert seen.headers["content-type"] == "application/json"
    assert seen.json == {"text": f"{NAME} failed"}


def sent_by_ntfy(house: House, receiver: Receiver) -> None:
    seen = only(receiver)
    assert seen.path == "/hidden-token"
    assert seen.body.decode() == f"{NAME}: done\n"


def queue_sent_by_ntfy(house: House, receiver: Receiver) -> None:
    seen = only(receiver)
    assert seen.path == "/hidden-token"
    assert seen.body.decode().startswith("The queue is paused\nSomebody said kimi-hooks pause. ")


def woken(house: House, receiver: Receiver) -> None:
    seen = only(receiver)
    task_id = house.entry().id
    assert (seen.path, seen.headers["authorization"]) == ("/hooks/wake", "Bearer hidden-token")
    assert seen.headers["content-type"] == "application/json"
    assert seen.json["mode"] == "now"
    call = shlex.join([PROGRAM, "--home", str(house.home)])
    assert seen.json["text"].startswith(f"[kimi] task {task_id} done; see it with: {call} show {task_id}, ")
    command = shlex.split(seen.json["text"].rpartition("then run: ")[2])
    assert command == [PROGRAM, "--home", str(house.home), "ack", task_id]
    assert house.call(*command[3:]).returncode == 0


def posted(house: House, receiver: Receiver) -> None:
    seen = only(receiver)
    assert seen.path == "/hidden-token"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["webhook-id"] == f"{house.entry().id}-TaskCompleted"
    assert seen.body == house.workspace.result_file(house.entry().id).read_bytes()


# URL stands for the receiver's address.
EXPECTED = {
    "Plain bash and jq": Expected(archived),
    "Telegram": Expected(
        sent_by_telegram, {"TELEGRAM_BOT_TOKEN": "hidden-token"}, ("hidden-token",), public="https://api.telegram.org"
    ),
    "Slack": Expected(sent_by_slack, {"SLACK_WEBHOOK_URL": "URL/hidden-token"}, ("hidden-token",), FAILED),
    "ntfy": Expected(sent_by_ntfy, {"NTFY_SERVER": "URL", "NTFY_TOPIC": "hidden-token"}, ("hidden-token",)),
    "When the queue stands still": Expected(
        queue_sent_by_ntfy, {"NTFY_SERVER": "URL", "NTFY_TOPIC": "hidden-token"}, ("hidden-token",), of_queue=True
    ),
    "Wake with curl alone": Expected(
        woken, {"OPENCLAW_GATEWAY_URL": "URL", "OPENCLAW_HOOKS_TOKEN": "hidden-token"}, ("hidden-token",)
    ),
    "Webhook with curl alone": Expected(posted, {"WEBHOOK_URL": "URL/hidden-token"}, ("hidden-token",)),
}


def set_up(house: House, receiver: Receiver, recipe: Recipe, expected: Expected) -> None:
    """Put script and config where the recipe says, and what it asks for into .env.kimi."""
    script = recipe.script
    if expected.public:
        assert expected.public in script
        script = script.replace(expected.public, receiver.url)
    path = house.home / recipe.name
    path.write_text(script)
    path.chmod(0o755)
    house.configure(recipe.config["hooks"])
    lines = [f"{name}={value.replace('URL', receiver.url)}\n" for name, value in expected.environ.items()]
    house.workspace.secrets_file.write_text("".join(lines))


def happen(house: House, expected: Expected) -> None:
    """Let that happen which the recipe is told of."""
    if expected.of_queue:
        house.call("pause")
    else:
        house.drop("a.json", {"prompt": expected.prompt, "name": NAME, "group": GROUP, "standin": True})
    house.drain()


def test_every_recipe_is_played() -> None:
    """A new recipe needs its expectation here."""
    assert set(recipes()) == set(EXPECTED)


@needs_tools
@pytest.mark.parametrize("title", EXPECTED)
def test_the_recipe_works(house: House, receiver: Receiver, title: str) -> None:
    """It runs at once, what arrives is what it promises, and no secret is in an argument list."""
    recipe, expected = recipes()[title], EXPECTED[title]
    set_up(house, receiver, recipe, expected)
    happen(house, expected)
    (run,) = house.runs()
    assert (run.outcome, run.exit_code) == ("delivered", 0), run.stderr
    expected.check(house, receiver)
    for seen in receiver.seen:
        assert "curl " in seen.arguments
        assert [secret for secret in expected.secrets if secret in seen.arguments] == []


@needs_tools
@pytest.mark.parametrize("title", [title for title, expected in EXPECTED.items() if expected.environ])
def test_a_recipe_is_tried_again(house: House, receiver: Receiver, title: str) -> None:
    """What is busy at first is asked again, and nothing secret is in the record."""
    recipe, expected = recipes()[title], EXPECTED[title]
    set_up(house, receiver, recipe, expected)
    receiver.answer(503)
    happen(house, expected)
    assert [run.outcome for run in house.runs()] == ["retry", "delivered"]
    assert "hidden-token" not in "".join(run.stdout + run.stderr for run in house.runs())


@needs_tools
def test_the_wake_by_curl_knows_what_is_for_good(house: House, receiver: Receiver) -> None:
    """A wrong token is told once."""
    title = "Wake with curl alone"
    set_up(house, receiver, recipes()[title], EXPECTED[title])
    receiver.answer(401)
    house.drop("a.md", "a")
    house.drain()
    assert [(run.outcome, run.stderr) for run in house.runs()] == [("gave_up", "the gateway refused the wake (401)\n")]


def test_the_report_of_the_document_is_made(house: House) -> None:
    """The hook under Reports appends the report of its own task."""
    section = document().split("\n## Reports\n")[1]
    script = re.findall(r"^```bash\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)[0]
    house.hook(script, "tell.sh")
    house.drop("a.json", {"prompt": DONE, "name": NAME})
    house.drain()
    assert [run.outcome for run in house.runs()] == ["delivered"]
    assert (house.home / "reports.txt").read_text() == house.call("report", "--lang", "en").stdout


def test_the_receiver_of_the_document_works() -> None:
    """The Python that docs/hooks.md shows accepts what is signed here."""
    (shown,) = re.findall(r"^```python\n(.*?)^```$", document(), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(shown, names)
    body = json.dumps({"task_id": "x"}).encode()
    for secret in ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a-plain-text", "密"):
        headers = signing.headers(secret, "x-TaskCompleted", Clock().now(), body)
        assert names["take"](secret, body, headers) == {"task_id": "x"}
    with pytest.raises(WebhookVerificationError):
        names["take"]("another-text", body, headers)
    assert names["Webhook"] is Webhook
