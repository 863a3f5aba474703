"""Copies of the product with one mistake in each: what no test notices there, no test would notice here."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import kimi_hooks


@dataclass(frozen=True)
class Mutant:
    """A mistake by its `name`: in some files, by their names in the package, a piece of text is replaced by another."""

    name: str
    edits: tuple[tuple[str, str, str], ...]

    def lay_out(self, folder: Path) -> Path:
        """Copy the package with the mistake into the folder, and return that. The text must be there, once."""
        package = folder / "kimi_hooks"
        shutil.copytree(Path(kimi_hooks.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        for name, before, after in self.edits:
            text = (package / name).read_text()
            assert text.count(before) == 1, f"{name} has changed: {before!r} is there {text.count(before)} times"
            (package / name).write_text(text.replace(before, after))
        return folder
