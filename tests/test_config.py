"""config.yaml: every mistake is told with its place; matchers follow Claude Code's rules."""

from __future__ import annotations

import pytest
import yaml

from kimi_hooks.config import parse
from kimi_hooks.config_hooks import MatcherPart
from kimi_hooks.defaults import folder
from kimi_hooks.errors import ConfigError
from kimi_hooks.kimi import model_file

HOOK = {"command": "true"}


def config_with(hooks: object, **keys: object) -> str:
    return yaml.safe_dump({"workspace": 1, "hooks": hooks, **keys})


def test_the_shipped_config_is_sound() -> None:
    """What `init` lays out parses, with all hooks under the events of tasks, and one of them for the queue."""
    config = parse((folder() / "config.yaml").read_text(), "config.yaml")
    assert [hook.hook_id for hook in config.each_hook()] == [
        *["webhook-handler", "notify-group", "notify-agi"] * 2,
        "notify-agi",
    ]


def test_the_smallest_config_has_the_documented_defaults() -> None:
    """One line is enough."""
    config = parse("workspace: 1\n", "config.yaml")
    assert (config.limits.requests_per_minute, config.limits.concurrency) == (10, 32)
    assert (config.retry.max_attempts, config.retry.max_crashes) == (8, 20)
    assert (config.max_task_bytes, config.settle_seconds) == (10 * 1024 * 1024, 0.5)
    assert config.each_hook() == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("workspace: 2\n", "workspace"),
        ("workspace: 1\nlimts: {}\n", "did you mean 'limits'?"),
        ("workspace: 1\nlimits: {requests_per_minut: 3}\n", "did you mean 'requests_per_minute'?"),
        ("workspace: 1\nlimits: {concurrency: 0}\n", "limits.concurrency"),
        ("workspace: 1\nkimi: {idle_timeout: soon}\n", "kimi.idle_timeout"),
        ("workspace: 1\nkimi: {modles: {}}\n", "did you mean 'models'?"),
        ("workspace: 1\nkimi: {models: {mine: {contxt: 1}}}\n", "'kimi.models.mine.contxt' (did you mean 'context'?)"),
        ("workspace: 1\nkimi: {models: {mine: {context: 0}}}\n", "kimi.models.mine.context"),
        ("workspace: 1\nkimi: {models: {mine: {fixed: {temprature: 1}}}}\n", "must be 'temperature'"),
        ("workspace: 1\nkimi: {models: {mine: {thinking: on}}}\n", "kimi.models.mine.thinking"),
        ("workspace: 1\nkimi: {models: {mine: {retired: soon}}}\n", "'soon' is no day; write it like 2026-11-22"),
        ("workspace: 1\nkimi: {models: {mine: {prices: {EUR: {}}}}}\n", "must be 'CNY' or 'USD'"),
        ("workspace: 1\nkimi: {models: {mine: {prices: {USD: {hit: 1, mis: 1}}}}}\n", "did you mean 'miss'?"),
        ("workspace: 1\nkimi: {models: {mine: {prices: {USD: {hit: -1, miss: 1, output: 1}}}}}\n", "prices.USD.hit"),
        ("workspace: 1\nkimi: {models: {mine: {prices: {USD: {hit: 1, miss: 1}}}}}\n", "prices.USD.output: is missing"),
        ('workspace: 1\nkimi: {models: {"a\\tb": {}}}\n', "a control character"),
        ("workspace: 1\nkimi: {retired_models: ignore}\n", "'substitute', 'send' or 'fail'"),
        ("workspace: 1\nkimi: {currency: EUR}\n", "must be 'CNY' or 'USD'"),
        (config_with({"TaskComplete": []}), "did you mean 'TaskCompleted'?"),
        (config_with({"TaskCompleted": [{"hooks": [{"comand": "true"}]}]}), "did you mean 'command'?"),
        (config_with({"TaskCompleted": [{"matcher": "(", "hooks": [HOOK]}]}), "not a regular expression"),
        (config_with({"TaskCompleted": [{"matcher": ["a"], "hooks": [HOOK]}]}), "matcher"),
        (config_with({"TaskCompleted": [{"hooks": [{**HOOK, "id": "a b"}]}]}), "id"),
        (config_with({"TaskCompleted": [{"hooks": [{"command": "bash hooks/x.sh.j2"}]}]}), "must be the first word"),
        (
            config_with({"TaskFailed": [{"hooks": [{**HOOK, "id": "x"}]}], "StopFailure": [
                {"hooks": [{"command": "false", "id": "x"}]}]}),
            "stands twice",
        ),
        ("workspace: 1\nworkspace: 1\n", "line 2"),
        ("workspace: 1\nworkspace: 1\n", "stands twice; keep one"),
        ("hooks:\n  Stop: []\n  Stop: []\n", "the key 'Stop' stands twice; put both lists under one"),
        ("kimi: {}\nkimi: {}\n", "the key 'kimi' stands twice; put what stands under both under one"),
        ("- a\n", "keys and values"),
        ("workspace: [\n", "line 2"),
        ("workspace: 1\nkimi: {api_key: sk-x}\n", ".env.kimi as KIMI_API_KEY"),
        (config_with({"TaskComplete": []}, retry={"max_attempts": 0}), "did you mean 'TaskCompleted'?"),
        (config_with({"TaskCompleted": [{"hooks": [{**HOOK, "env": ["TOKEN=x"]}]}]}), "no name of an environment"),
        (config_with({"PreToolUse": []}), "hooks.PreToolUse: there are no tool calls here; "),
        (config_with({"SubagentStop": []}), "the nearest event is 'Stop'"),
        (config_with({"task_completed": []}), "did you mean 'TaskCompleted'?"),
        (config_with([{"event": "Stop", "command": "true"}]), "hooks: is a list; write the names of events"),
        (config_with({"Stop": [HOOK]}), "hooks.Stop.0.command: belongs to a handler"),
        (config_with({"Stop": [{"onFailure": "block", "hooks": [HOOK]}]}), "hooks.Stop.0.onFailure: belongs to a handler"),
        (config_with({"Stop": [{"matcher": ["a", "b"], "hooks": [HOOK]}]}), "hooks.Stop.0.matcher: is a list; write one text: a|b"),
        (config_with({"Stop": [{"matcher": "(?<n>a)", "hooks": [HOOK]}]}), "(?P<name>...)"),
        ("workspace: 1\nhooks: {Stop: [{matcher: no, hooks: []}]}\n", "not False; put the text in quotes"),
        ("workspace: 1\nhooks: {Stop: [{hooks: [{command: x, if: yes}]}]}\n", "not True; put the text in quotes"),
        (config_with({"Stop": [{"hooks": [{**HOOK, "once": True}]}]}), "hooks.Stop.0.hooks.0.once: counts only in Claude Code's skills"),
        (config_with({"Stop": [{"hooks": [{**HOOK, "asyncRewake": True}]}]}), "no session here that could be woken"),
        (config_with({"Stop": [{"hooks": [{**HOOK, "matcher": "a"}]}]}), "belongs to the matcher group"),
        (config_with({"Stop": [{"hooks": [{**HOOK, "url": "https://a.example"}]}]}), "only for handlers with `type: http`"),
        (config_with({"Stop": [{"hooks": [{"url": "https://a.example"}]}]}), "hooks.Stop.0.hooks.0: has a `url`; add `type: http`"),
        (config_with({"Stop": [{"hooks": [{"type": "http", "url": "https://a.example", "command": "x"}]}]}), "hooks.0.command: is only"),
        (config_with({"Stop": [{"hooks": [{"type": "prompt", "prompt": "x"}]}]}), "`type: prompt`: nobody judges here"),
        (config_with({"Stop": [{"hooks": [{"type": "agent", "prompt": "x"}]}]}), "`type: agent`: there are no agents here"),
        (config_with({"Stop": [{"hooks": [{"type": "mcp_tool", "server": "x"}]}]}), "`type: mcp_tool`: there are no MCP"),
        (config_with({"Stop": [{"hooks": [{"type": "comand", **HOOK}]}]}), "did you mean 'command'?"),
        (config_with({"Stop": [{"hooks": [{"type": 3, **HOOK}]}]}), "known: command, http"),
        (config_with({"Stop": [{"hooks": ["hooks/x.sh"]}]}), "a handler is keys and values; write {command: ...}"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(text: str, told: str) -> None:
    """The file, the key and the nearest known word."""
    with pytest.raises(ConfigError, match=r"config\.yaml") as caught:
        parse(text, "config.yaml")
    assert told in str(caught.value)


def test_every_fact_of_a_model_may_be_said() -> None:
    """What stands in the program's own list may stand under kimi.models, days without quotes."""
    said = yaml.safe_load(model_file.text())["models"]
    for name, model in said.items():
        text = yaml.safe_dump({"workspace": 1, "kimi": {"models": {name: model}}})
        assert parse(text, "c").kimi.models[name].model_fields_set == set(model)
    one = "workspace: 1\nkimi: {models: {kimi-k2.6: {retired: 2026-12-31, as_of: 2026-11-22}}}\n"
    assert parse(one, "c").kimi.models["kimi-k2.6"].retired == "2026-12-31"


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody mends a file one error at a time."""
    with pytest.raises(ConfigError) as caught:
        parse("workspace: 1\nlimts: {}\nretry: {max_attempts: -1}\n", "config.yaml")
    assert "limts" in str(caught.value)
    assert "max_attempts" in str(caught.value)
    wrong = {"PreToolUse": [], "Stop": [{"hooks": [{**HOOK, "once": True}, {"type": "agent"}, {**HOOK, "env": 1}]}]}
    with pytest.raises(ConfigError) as caught:
        parse(config_with(wrong), "config.yaml")
    told = str(caught.value)
    places = ("hooks.PreToolUse:", "hooks.Stop.0.hooks.0.once:", "hooks.Stop.0.hooks.1:", "hooks.Stop.0.hooks.2.env:")
    assert [place for place in places if place not in told] == []


@pytest.mark.parametrize(
    ("matcher", "text", "accepted"),
    [
        (None, "anything", True),
        ("", "anything", True),
        ("*", "anything", True),
        ("auth", "auth", True),
        ("auth", "auth-api", False),
        ("auth", "Auth", False),
        ("auth|web", "web", True),
        ("auth, web", "web", True),
        ("auth-api,web-1", "auth-api", True),
        ("auth.*", "my-auth-api", True),
        ("^auth", "my-auth", False),
        ("^auth$", "auth", True),
        ("登入", "修登入頁", True),
    ],
)
def test_matchers(matcher: str | None, text: str, accepted: bool) -> None:
    """All; a list of exact names; else an unanchored, case-sensitive regular expression."""
    assert MatcherPart(matcher=matcher, hooks=()).accepts(text) is accepted


def test_a_hook_without_an_id_has_a_stable_one() -> None:
    """The event and a hash of the handler: the same after a reload, another for another command."""
    text = config_with({"TaskCompleted": [{"hooks": [HOOK, {"command": "false"}]}]})
    one, two = (hook.hook_id for hook in parse(text, "c").each_hook())
    assert [one, two] == [hook.hook_id for hook in parse(text, "c").each_hook()]
    assert one.startswith("TaskCompleted-")
    assert one != two


def test_a_price_that_nobody_asks_is_refused() -> None:
    """A slip of the keyboard must not make a budget useless."""
    text = "workspace: 1\nkimi:\n  models:\n    a:\n      prices:\n        USD: {{hit: 0, miss: {}, output: 0}}\n"
    assert parse(text.format("1000000"), "c").kimi.models["a"].prices["USD"].miss == 1_000_000
    with pytest.raises(ConfigError, match=r"prices\.USD\.miss: must be less than or equal to 1000000"):
        parse(text.format("1000000.01"), "c")


@pytest.mark.parametrize("handler", ['{command: "a\\0b"}', '{command: a, args: ["\\0"]}', '{command: a, cwd: "\\0"}'])
def test_a_command_without_a_nul(handler: str) -> None:
    """No command line can hold one: it is a mistake in the file and not one of each run."""
    with pytest.raises(ConfigError, match="holds a NUL"):
        parse(f"workspace: 1\nhooks: {{Stop: [{{hooks: [{handler}]}}]}}\n", "config.yaml")
