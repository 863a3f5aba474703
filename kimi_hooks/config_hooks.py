"""The part of config.yaml under `hooks`: matcher groups and handlers, shaped as in Claude Code."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    WithJsonSchema,
    model_validator,
)

from kimi_hooks import config_http, foreign_keys
from kimi_hooks.events import EventKind
from kimi_hooks.foreign_keys import type_refusal

# Claude Code's rule: a matcher of only these characters is a list of exact names, anything else a regular expression.
_EXACT = re.compile(r"[A-Za-z0-9_\- ,|]*")
_TEMPLATE_WORD = re.compile(r"\S*\.sh\.j2(?=\s|$)")
_ID = r"[A-Za-z0-9_-]{1,64}"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_LONGEST_TIMEOUT = 7 * 24 * 3600
# A gate holds a task up; news hold up nobody.
GATE_TIMEOUT_SECONDS = 60.0
NEWS_TIMEOUT_SECONDS = 600.0


class _Part(BaseModel):
    # As in `config`: built as a part of the whole.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _matcher(text: str) -> str:
    if _EXACT.fullmatch(text) is None and text != "*":
        try:
            re.compile(text)
        except re.error as error:
            hint = "; Python writes it (?P<name>...)" if "(?<" in text else ""
            raise ValueError(f"{text!r} is not a regular expression: {error}{hint}") from None
    return text


def _one_matcher(value: Any) -> Any:
    if isinstance(value, list):
        raise ValueError(f"is a list; write one text: {'|'.join(map(str, value))}")  # noqa: TRY004 - pydantic's way
    return value


def _handler(value: Any) -> Any:
    if not isinstance(value, Mapping):
        if not isinstance(value, HandlerPart):
            raise ValueError("a handler is keys and values; write {command: ...}")  # noqa: TRY004 - as above
        return value
    if "type" not in value and "url" in value and "command" not in value:
        raise ValueError("has a `url`; add `type: http`")
    if why := type_refusal(value.get("type", "command")):
        raise ValueError(why)
    return value


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL, which no command line can; take it out")
    return text


def _hook_id(text: str) -> str:
    if re.fullmatch(_ID, text) is None:
        raise ValueError(f"{text!r} is no id: letters, digits, - and _, 64 at most")
    return text


def _variable(text: str) -> str:
    if re.fullmatch(_NAME, text) is None:
        raise ValueError(f"{text!r} is no name of an environment variable; name it, its value stands in .env.kimi")
    return text


Word = Annotated[str, AfterValidator(_without_nul)]
HookId = Annotated[str, AfterValidator(_hook_id), WithJsonSchema({"type": "string", "pattern": f"^{_ID}$"})]
Variable = Annotated[str, AfterValidator(_variable), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})]
Address = Annotated[
    str, AfterValidator(config_http.checked_address), WithJsonSchema({"type": "string", "pattern": r"^(https?://.|\$)"})
]


class HandlerPart(_Part):
    """What a handler of any type may say. `timeout` in seconds; None: 60 for gates, 600 for news."""

    foreign_keys: ClassVar[Mapping[str, str]] = {}

    id: HookId | None = None
    description: str | None = None
    enabled: bool = True
    condition: Annotated[str, Field(min_length=1)] | None = Field(default=None, alias="if")
    timeout: Annotated[float, Field(gt=0, le=_LONGEST_TIMEOUT, allow_inf_nan=False)] | None = None
    retries: Annotated[int, Field(ge=0, le=100)] = 5
    is_async: Annotated[bool, Field(alias="async")] = False
    on_failure: Annotated[Literal["block", "continue"], Field(alias="onFailure")] = "continue"
    status_message: Annotated[str | None, Field(alias="statusMessage")] = None

    @property
    def key(self) -> str:
        """The id, or a hash of the handler where none is given."""
        if self.id is not None:
            return self.id
        # Without what is not said, so that a key that is new to the program changes no hash.
        said = self.model_dump(
            exclude={"id", "description", "enabled", "status_message"}, exclude_defaults=True, by_alias=True
        )
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def told(self) -> str:
        """What people are shown of it: what is run, or where it goes."""
        raise NotImplementedError


class CommandPart(HandlerPart):
    """One command to run. `env` names the secrets and variables that it may see."""

    foreign_keys = foreign_keys.COMMAND

    type: Literal["command"] = "command"
    command: Annotated[Word, Field(min_length=1)]
    args: tuple[Word, ...] | None = None
    shell: Literal["sh", "bash"] = "sh"
    cwd: Annotated[Word, Field(min_length=1)] | None = None
    env: tuple[Variable, ...] = ()

    @model_validator(mode="after")
    def _template_comes_first(self) -> CommandPart:
        found = _TEMPLATE_WORD.search(self.command)
        if found and self.args is None and self.command[: found.start()].strip():
            raise ValueError(f"the template {found[0]!r} must be the first word of the command, or it is not rendered")
        return self

    @property
    def told(self) -> str:
        return self.command if self.args is None else " ".join([self.command, *self.args])


class HttpPart(HandlerPart):
    """One address that the event is posted to.

    `url` and `headers` may hold `$NAME` and `${NAME}` of what `allowedEnvVars` names. `secret` names the variable that
    holds what the post is signed with. `body` is posted instead of the event; its texts are templates over the fields.
    """

    foreign_keys = foreign_keys.HTTP

    type: Literal["http"]
    url: Address
    headers: Annotated[dict[str, str], AfterValidator(config_http.checked_headers)] = {}
    allowed_env_vars: Annotated[tuple[Variable, ...], Field(alias="allowedEnvVars")] = ()
    secret: Variable = "WEBHOOK_SECRET"  # noqa: S105 - a name
    allow_private: bool = False
    body: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _address_is_known(self) -> HttpPart:
        config_http.check_allowed(self.url, self.allowed_env_vars)
        return self

    @property
    def told(self) -> str:
        # The rest of an address may be a token.
        return config_http.shown(self.url)


# The tags stand in the places of mistakes; `mistakes` takes them out again.
def _tag(data: Any) -> str | None:
    kind = data.get("type", "command") if isinstance(data, Mapping) else getattr(data, "type", "command")
    return {"command": "type: command", "http": "type: http"}.get(kind if isinstance(kind, str) else "")


Handler = Annotated[
    Annotated[CommandPart, Tag("type: command")] | Annotated[HttpPart, Tag("type: http")],
    Discriminator(_tag),
    BeforeValidator(_handler),
]


class MatcherPart(_Part):
    """Handlers for the tasks (or error kinds) that the matcher names; `sequential`: one after the other."""

    foreign_keys: ClassVar[Mapping[str, str]] = foreign_keys.GROUP

    matcher: Annotated[Annotated[str, AfterValidator(_matcher)] | None, BeforeValidator(_one_matcher)] = None
    sequential: bool = False
    hooks: tuple[Handler, ...]

    @property
    def lists_names(self) -> bool:
        """Whether the matcher is a list of exact names."""
        return bool(self.matcher) and _EXACT.fullmatch(self.matcher or "") is not None

    def accepts(self, text: str) -> bool:
        """Apply Claude Code's matcher rules: all, a list of exact names, or an unanchored regular expression."""
        if not self.matcher or self.matcher == "*":
            return True
        names = self.names
        return text in names if names is not None else re.search(self.matcher, text) is not None

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names in a matcher that is a list of exact ones; None for all and for a regular expression."""
        if not self.matcher or _EXACT.fullmatch(self.matcher) is None:
            return None
        return tuple(name.strip() for name in re.split(r"[|,]", self.matcher))


@dataclass(frozen=True)
class Hook:
    """One handler under one event, as configured. `hook_id` is unique within the workspace's event.

    `number` is the place of its group under the event.
    """

    event_name: str
    kind: EventKind
    group: MatcherPart
    handler: CommandPart | HttpPart
    number: int = 0

    @property
    def hook_id(self) -> str:
        return self.handler.id or f"{self.event_name}-{self.handler.key}"

    @property
    def is_gate(self) -> bool:
        """Whether somebody waits for what it says."""
        return self.kind.is_gate and not self.handler.is_async

    @property
    def place(self) -> int | None:
        """Return the number of its group if its handlers run one after the other, and it is one of them."""
        return self.number if self.group.sequential and not self.handler.is_async else None

    @property
    def timeout(self) -> float:
        """Return the seconds after which it is ended."""
        return self.handler.timeout or (GATE_TIMEOUT_SECONDS if self.is_gate else NEWS_TIMEOUT_SECONDS)
