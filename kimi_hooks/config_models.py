"""What may be said of a model, in config.yaml under `kimi.models` and in the program's own list alike."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kimi_hooks.text import all_seen, one_line

Currency = Literal["CNY", "USD"]
RetiredModels = Literal["substitute", "send", "fail"]
Thinking = Literal["never", "always", "enabled", "switchable"]
Sampling = Literal["temperature", "top_p", "n", "presence_penalty", "frequency_penalty"]
Tokens = Annotated[int, Field(ge=1)]
# A price above it is a slip of the keyboard: no token costs as much as 1.
Money = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is no day; write it like 2026-11-22") from None


Name = Annotated[str, Field(min_length=1), AfterValidator(one_line)]
ModelId = Annotated[Name, AfterValidator(all_seen)]
Day = Annotated[str, AfterValidator(_day)]


class _Part(BaseModel):
    # As in `config`: built as a part of the whole.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class PricePart(_Part):
    """Money for 1,000,000 tokens: cached input, other input, output."""

    hit: Money
    miss: Money
    output: Money


class ModelPart(_Part):
    """One model; every key may be left out. Sizes are in tokens, `as_of` and `retired` are days."""

    context: Tokens | None = None
    default_output: Tokens | None = None
    largest_output: Tokens | None = None
    fixed: dict[Sampling, Number] = {}
    fixed_without_thinking: dict[Sampling, Number] = {}
    reasoning_efforts: tuple[Name, ...] | None = None
    default_effort: Name | None = None
    thinking: Thinking | None = None
    thinking_keep: Name | None = None
    images: bool | None = None
    prices: dict[Currency, PricePart] = {}
    as_of: Day | None = None
    retired: Day | None = None
    successor: ModelId | None = None
