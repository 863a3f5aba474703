"""The kinds of tasks that a storm drops: what each looks like as a file, and how it must end."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

Render = Callable[[str, random.Random], str]


@dataclass(frozen=True)
class Kind:
    """`faults` is how many of its first calls the imitation spoils; `turns` how many answers its conversation has."""

    word: str
    share: int
    render: Render
    ending: str = "md"
    outcome: str = "done"
    error_kind: str | None = None
    faults: int = 0
    turns: int = 1

    @property
    def is_asked(self) -> bool:
        """Whether the imitation hears of it at all."""
        return self.error_kind != "invalid_task"


@dataclass(frozen=True)
class Dropped:
    """One task file: its name is that of the task, and stands first in its prompt."""

    name: str
    kind: Kind
    content: str

    @property
    def file_name(self) -> str:
        return f"{self.name}.{self.kind.ending}"


def _plain(name: str, _chance: random.Random) -> str:
    return f"{name} please\n"


def _with_fault(order: str) -> Render:
    return lambda name, _chance: f"{name} please\nstandin: {order}\n"


def _front_matter(name: str, chance: random.Random) -> str:
    return f"---\npriority: {chance.randint(-3, 3)}\ngroup: storm\n---\n{name} please\n"


def _as_json(name: str, chance: random.Random) -> str:
    return json.dumps({"prompt": f"{name} please", "not_before": chance.choice([0, 1]), "metadata": {"name": name}})


def _after_the_first(name: str, _chance: random.Random) -> str:
    return f"prompt: {name} please\nafter: [first]\ntimeout: 600\n"


def _refused(name: str, _chance: random.Random) -> str:
    return json.dumps({"prompt": f"{name} please", "promt": "a key that nobody knows"})


FIRST = Dropped("first", Kind("first", 0, _plain), "first please\n")
KINDS = (
    Kind("plain", 40, _plain),
    Kind("front", 8, _front_matter),
    Kind("json", 8, _as_json, "json"),
    Kind("after", 6, _after_the_first, "yaml"),
    Kind("slow", 8, _with_fault("latency-ms=700")),
    Kind("busy", 3, _with_fault("status=429 retry-after=0.2 times=1"), faults=1),
    Kind("broken", 5, _with_fault("status=500 times=1"), faults=1),
    Kind("cut", 5, _with_fault("cut times=1"), faults=1),
    Kind("reset", 5, _with_fault("reset times=1"), faults=1),
    Kind("back", 6, _plain, turns=2),
    Kind("bad", 4, _with_fault("status=400"), outcome="failed", error_kind="invalid_request"),
    Kind("refused", 2, _refused, "json", outcome="failed", error_kind="invalid_task"),
)


def draw(count: int, chance: random.Random) -> list[Dropped]:
    """Return that many tasks of several kinds, the same ones for the same seed; others come after the first of them."""
    kinds = chance.choices(KINDS, [kind.share for kind in KINDS], k=count - 1)
    names = [f"t{number:05}-{kind.word}" for number, kind in enumerate(kinds)]
    return [FIRST, *(Dropped(name, kind, kind.render(name, chance)) for name, kind in zip(names, kinds, strict=True))]
