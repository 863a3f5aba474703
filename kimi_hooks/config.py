"""config.yaml as one frozen value: every key with its default and its check next to it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from kimi_hooks.config_hooks import Hook, MatcherPart
from kimi_hooks.config_models import Currency, ModelId, ModelPart, RetiredModels
from kimi_hooks.config_note import Basics
from kimi_hooks.errors import ConfigError
from kimi_hooks.events import KINDS
from kimi_hooks.foreign_events import refusal
from kimi_hooks.mistakes import describe, nearest
from kimi_hooks.strict_yaml import YamlMistakeError, load

Language = Literal["en", "zh-TW"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    # Built as parts of the whole when that is first read; each on its own would double the start of every verb.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class KimiPart(_Part):
    """Where Kimi is, how long to wait for it, in seconds, and what the program's list of models does not say."""

    api_url: str | None = None
    model: str | None = None
    connect_timeout: Seconds = 10.0
    idle_timeout: Seconds = 120.0
    stream: bool = True
    max_continuations: Annotated[int, Field(ge=0, le=100)] = 3
    models: dict[ModelId, ModelPart] = {}
    retired_models: RetiredModels = "substitute"
    currency: Currency | None = None

    @model_validator(mode="before")
    @classmethod
    def _key_stands_elsewhere(cls, data: Any) -> Any:
        if isinstance(data, dict) and "api_key" in data:
            raise ValueError("the key does not belong here: put it into .env.kimi as KIMI_API_KEY=...")
        return data


class LimitsPart(_Part):
    """How much leaves at once. `concurrency` counts calls to Kimi, `hooks` counts running hook commands.

    None is no limit. `cost_per_day` is in the currency of the account. `stop_blocks` is how often `Stop` hooks may
    refuse the answers of one task.
    """

    requests_per_minute: Count = 10
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 32
    tokens_per_minute: Count | None = None
    tokens_per_day: Count | None = None
    cost_per_day: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    hooks: Annotated[int, Field(ge=1, le=1000)] = 32
    stop_blocks: Annotated[int, Field(ge=1, le=100)] = 8


class RetryPart(_Part):
    """When to try again; pauses are in seconds.

    `on_unknown` is what becomes of a task whose call was cut by the runner's own death: it is sent again, or held.
    """

    max_attempts: Count = 8
    on_unknown: Literal["retry", "hold"] = "retry"
    max_crashes: Count = 20
    first_pause: Seconds = 2.0
    max_pause: Seconds = 60.0


class LogPart(_Part):
    """How large `runner.log` may grow, and how many full ones are kept beside it."""

    max_bytes: Annotated[int, Field(ge=100_000)] = 10_000_000
    keep: Annotated[int, Field(ge=0, le=100)] = 5


class WebhookPart(_Part):
    """Where results are sent by the shipped webhook-handler."""

    url: str | None = None


class OpenclawPart(_Part):
    """The OpenClaw gateway that the shipped notify-agi wakes."""

    gateway_url: str | None = None
    wake_path: str = "/hooks/wake"


class ReportPart(_Part):
    """How `kimi-hooks report` speaks; None: as the environment says."""

    lang: Language | None = None


def _event_name(text: str) -> str:
    if text not in KINDS:
        raise ValueError(refusal(text) or f"unknown event {text!r}{nearest(text, KINDS)}")
    return text


class Config(_Part):
    """All of config.yaml."""

    workspace: Literal[1] = 1
    kimi: KimiPart = KimiPart()
    limits: LimitsPart = LimitsPart()
    retry: RetryPart = RetryPart()
    webhook: WebhookPart = WebhookPart()
    openclaw: OpenclawPart = OpenclawPart()
    report: ReportPart = ReportPart()
    log: LogPart = LogPart()
    watch: Literal["auto", "polling"] = "auto"
    poll_seconds: Annotated[float, Field(ge=0.1, allow_inf_nan=False)] = 2.0
    max_task_bytes: Count = 10 * 1024 * 1024
    max_context_bytes: Count = 100_000_000
    settle_seconds: Seconds = 0.5
    grace_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0
    context_roots: tuple[str, ...] | None = None
    disable_all_hooks: Annotated[bool, Field(alias="disableAllHooks")] = False
    hooks: dict[Annotated[str, AfterValidator(_event_name)], tuple[MatcherPart, ...]] = {}

    @field_validator("hooks", mode="before")
    @classmethod
    def _hooks_stand_under_events(cls, data: Any) -> Any:
        if isinstance(data, list):
            raise ValueError("is a list; write the names of events under it, each with its list of matcher groups")  # noqa: TRY004 - pydantic wants this one
        return data

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Config:
        handlers: dict[tuple[str, str], object] = {}
        for hook in self._all_hooks():
            if handlers.setdefault((hook.kind.name, hook.hook_id), hook.handler) != hook.handler:
                raise ValueError(f"hooks: the id {hook.hook_id!r} stands twice under {hook.event_name}; ids are unique")
        return self

    @property
    def basics(self) -> Basics:
        """Return the plain values that dispatching takes."""
        settings = {
            "KIMI_API_URL": self.kimi.api_url,
            "KIMI_MODEL": self.kimi.model,
            "WEBHOOK_URL": self.webhook.url,
            "OPENCLAW_GATEWAY_URL": self.openclaw.gateway_url,
        }
        numbers = self.max_task_bytes, self.max_context_bytes, self.limits.requests_per_minute
        return Basics(settings, *numbers, self.context_roots)

    def each_hook(self) -> tuple[Hook, ...]:
        """Return every hook that is enabled in the order of the file, none when `disableAllHooks` is on."""
        return self._enabled

    def named_hooks(self) -> tuple[Hook, ...]:
        """Return every hook in the order of the file, also those that do not run."""
        return tuple(self._all_hooks())

    # Asked for several times in the life of each task.
    @cached_property
    def _enabled(self) -> tuple[Hook, ...]:
        return () if self.disable_all_hooks else tuple(hook for hook in self._all_hooks() if hook.handler.enabled)

    def _all_hooks(self) -> Iterator[Hook]:
        for name, groups in self.hooks.items():
            for number, group in enumerate(groups):
                for handler in group.hooks:
                    yield Hook(name, KINDS[name], group, handler, number)


def parse(text: str, where: str) -> Config:
    """Return the config in the YAML text. Raises ConfigError that names every mistake and its place."""
    try:
        data: Any = load(text)
    except YamlMistakeError as error:
        raise ConfigError(f"{where}: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected keys and values, such as `workspace: 1`")
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {'; '.join(describe(error, Config))}") from error
