"""The models of the Kimi API: their windows, their families, and what GET /models tells of them.

Source: the Kimi platform's documentation and recorded replies, November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

_LONG, _SHORT, _OLD = 1_048_576, 262_144, 131_072


@dataclass(frozen=True)
class Family:
    """What models of one kind have in common.

    `thinking`: `never`, `always` (whatever is asked), `switch` (on unless the request switches it off), `only` (a
    request that switches it off is refused). `temperature` is the only value that is taken, and `temperature_off` the
    only one without thinking; None: a range, and several choices, as in the old families.
    """

    thinking: Literal["never", "always", "switch", "only"]
    temperature: float | None = 1.0
    temperature_off: float | None = 1.0
    efforts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """One model; `context` and `output` (the cap that holds when a request names none) are tokens."""

    context: int
    output: int
    family: Family
    sees: bool = True


_K3 = Family("switch", efforts=("low", "high", "max"))
_K2_5 = Family("switch", temperature_off=0.6)
_CODE = Family("only")
_K2 = Family("never", None, None)
_THINKING = Family("always", None, None)

LIVE: Mapping[str, Model] = MappingProxyType(
    {
        "kimi-k3.1-pro": Model(_LONG, 131_072, _K3),
        "kimi-k3.1-pro-highspeed": Model(_LONG, 131_072, _K3),
        "kimi-k3": Model(_LONG, 131_072, _K3),
        "kimi-k2.7-code": Model(_SHORT, 32_768, _CODE),
        "kimi-k2.7-code-highspeed": Model(_SHORT, 32_768, _CODE),
        "kimi-k2.6": Model(_SHORT, 32_768, _K2_5),
    }
)
# Kimi answers 404 to all of these since August 2026 at the latest.
RETIRED: Mapping[str, Model] = MappingProxyType(
    {
        "kimi-k2.5": Model(_SHORT, 32_768, _K2_5),
        "kimi-k2-0905-preview": Model(_SHORT, 1024, _K2, sees=False),
        "kimi-k2-0711-preview": Model(_OLD, 1024, _K2, sees=False),
        "kimi-k2-turbo-preview": Model(_SHORT, 1024, _K2, sees=False),
        "kimi-k2-thinking": Model(_SHORT, 1024, _THINKING, sees=False),
        "kimi-k2-thinking-turbo": Model(_SHORT, 1024, _THINKING, sees=False),
        "kimi-latest": Model(_OLD, 1024, _K2),
        "moonshot-v1-auto": Model(_OLD, 1024, _K2, sees=False),
        "moonshot-v1-8k": Model(8192, 1024, _K2, sees=False),
        "moonshot-v1-32k": Model(32_768, 1024, _K2, sees=False),
        "moonshot-v1-128k": Model(_OLD, 1024, _K2, sees=False),
        "moonshot-v1-8k-vision-preview": Model(8192, 1024, _K2),
        "moonshot-v1-32k-vision-preview": Model(32_768, 1024, _K2),
        "moonshot-v1-128k-vision-preview": Model(_OLD, 1024, _K2),
    }
)
LIVE_MODELS = frozenset(LIVE)
OLD_MODELS = frozenset(RETIRED)
_UNHEARD_OF = Model(_LONG, 32_768, _K3)


def find(name: str) -> Model:
    """Return what is known of a model; of one that nobody has heard of, what the newest ones are like."""
    return LIVE.get(name) or RETIRED.get(name) or _UNHEARD_OF


def thinks(body: Mapping[str, Any]) -> bool:
    """Whether a request to this model is answered with reasoning."""
    family = find(body["model"]).family
    if family.thinking == "switch":
        asked = body.get("thinking")
        return not (isinstance(asked, dict) and asked.get("type") == "disabled")
    return family.thinking != "never"


def fixed(body: Mapping[str, Any]) -> dict[str, float]:
    """Return the values that this request may name and no others; none for the old families."""
    family = find(body["model"]).family
    temperature = family.temperature if thinks(body) else family.temperature_off
    if temperature is None:
        return {}
    return {"temperature": temperature, "top_p": 0.95, "n": 1, "presence_penalty": 0, "frequency_penalty": 0}


def listed(known: frozenset[str] | None, created: int) -> dict[str, Any]:
    """Return the list that GET /models gives."""
    names = sorted(LIVE_MODELS if known is None else known)
    return {"object": "list", "data": [described(name, created) for name in names]}


def described(name: str, created: int) -> dict[str, Any]:
    """Return one entry of that list."""
    model = find(name)
    shown: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "moonshot",
        "permission": [],
        "root": name,
        "parent": "",
        "context_length": model.context,
        "supports_image_in": model.sees,
        "supports_video_in": model.sees,
        "supports_reasoning": model.family.thinking != "never",
        "supports_dynamic_tools": model.family is _K3,
    }
    if efforts := list(model.family.efforts):
        shown |= {"think_efforts": efforts, "reasoning_efforts": efforts, "supports_thinking_type": "only"}
    return shown
