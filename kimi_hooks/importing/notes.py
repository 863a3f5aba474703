"""What is said about an import: what was left out, moved or changed, and what is left to the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["left out", "moved", "changed", "to do", "note"]


@dataclass(frozen=True)
class Note:
    """One thing to know; `place` names event, group and handler, counted from 1."""

    kind: Kind
    place: str
    text: str

    @property
    def line(self) -> str:
        return f"{self.kind}: {self.place}: {self.text}"
